/* A worker's part of the walk: what its script asks for (forward, reply, log) is done here, under the rules that
 * a script cannot bend, and its outcome becomes the sender's reply. */
#include <errno.h>
#include <stdlib.h>

#include "route.h"

#include "base/mem.h"
#include "mail/answer.h"
#include "mail/compose.h"
#include "mail/reply_check.h"
#include "smtp/replies.h"

/* Of what one forward() adds. */
#define HEADERS_BYTES_MAX ((size_t)256 * 1024)

/* One run of a worker; freed at its end, which may come after the session's. */
struct worker_passage {
    struct passage *passage;
    struct mailbox recipient;
    bool has_replied;
};

static void refuse(struct worker_answer *answer, const char *code, struct str text)
{
    *answer =
        (struct worker_answer){.code = str_of(code), .text = text, .is_permanent = true};
}

static void answer_with_result(const struct delivery_result *result, struct arena *arena,
                               struct worker_answer *answer)
{
    answer->is_ok = result->status == DELIVERY_OK;
    answer->is_permanent = result->status == DELIVERY_PERMANENT;
    if (answer->is_ok)
        return;
    answer->code = STR("E_DELIVERY_FAILED");
    answer->reply = result->reply;
    answer->text =
        result->peer.length
            ? str_of(arena_printf(arena, "%.*s said: %.*s", STR_ARG(result->peer),
                                  STR_ARG(reply_line(&result->reply, arena))))
            : reply_line(&result->reply, arena);
}

/* --- forward --- */

static bool read_destination(const struct worker_passage *run, struct str recipient,
                             struct arena *arena, struct mailbox *destination,
                             struct worker_answer *answer)
{
    if (mailbox_parse(recipient, arena, destination) < 0) {
        refuse(answer, "E_VALIDATION_ERROR",
               str_of(arena_printf(arena, "forward: \"%.*s\" is not an address",
                                   STR_ARG(recipient))));
        return false;
    }
    if (!config_is_destination(run->passage->config, destination)) {
        refuse(
            answer, "E_RECIPIENT_NOT_ALLOWED",
            str_of(arena_printf(
                arena, "forward: %.*s is not in `destinations:` of host.yaml; add it there",
                STR_ARG(destination->text))));
        return false;
    }
    return true;
}

static bool write_headers(const struct worker_header *headers, size_t count,
                          struct buf *lines, struct arena *arena,
                          struct worker_answer *answer)
{
    for (size_t i = 0; i < count; i++) {
        if (str_starts_nocase(headers[i].name, STR("X-")) &&
            header_append(lines, headers[i].name, headers[i].value) == 0)
            continue;
        refuse(answer, "E_HEADER_NOT_ALLOWED",
               str_of(arena_printf(
                   arena,
                   "forward: header \"%.*s\": only X-… headers of one line may be added",
                   STR_ARG(headers[i].name))));
        return false;
    }
    return true;
}

static void forward(void *arg, struct str recipient, const struct worker_header *headers,
                    size_t header_count, struct arena *arena, struct worker_answer *answer)
{
    struct worker_passage *run = arg;
    struct mailbox destination;
    struct buf lines;
    buf_init(&lines, HEADERS_BYTES_MAX);
    if (read_destination(run, recipient, arena, &destination, answer) &&
        write_headers(headers, header_count, &lines, arena, answer)) {
        struct delivery_result result = {0};
        route_send(run->passage, &destination, buf_view(&lines), arena, &result);
        run->passage->sent_count += result.status == DELIVERY_OK;
        answer->message_id = run->passage->message->id;
        answer_with_result(&result, arena, answer);
    }
    buf_free(&lines);
}

/* --- reply --- */

/* The rules of reply() that do not depend on what is replied. */
static int check_may_reply(const struct worker_passage *run, struct err *err)
{
    if (run->has_replied)
        return err_set(err, -EPERM,
                       "reply: this message has been replied to; once is the limit");
    const struct auth_verdict *verdict = run->passage->verdict;
    bool has_passed = verdict && verdict->dmarc.result == AUTH_PASS;
    if (!has_passed && !run->passage->router->is_reply_unchecked)
        return err_set(err, -EPERM,
                       "reply: the sender has not passed DMARC (%s): a reply might go to"
                       " somebody who never wrote",
                       verdict ? auth_result_name(verdict->dmarc.result) : "not verified");
    return reply_check_original(run->passage->message, err);
}

static struct str compose(const struct worker_passage *run,
                          const struct worker_reply *reply, struct arena *arena,
                          struct buf *out, struct err *err)
{
    const struct message *original = run->passage->message;
    struct str original_id = header_value(&original->header, STR("Message-ID"), arena);
    struct compose_header *headers =
        arena_array(arena, struct compose_header, reply->header_count);
    for (size_t i = 0; i < reply->header_count; i++)
        headers[i] =
            (struct compose_header){reply->headers[i].name, reply->headers[i].value};
    struct str id = message_new_id(arena);
    struct compose_reply parts = {
        .from = reply->from.length ? reply->from : run->recipient.text,
        .to = reply->to.length ? reply->to : original->reverse_path.text,
        .subject = reply->subject,
        .text = reply->text,
        .html = reply->html,
        .headers = headers,
        .header_count = reply->header_count,
        .in_reply_to = original_id,
        .references = answer_references(&original->header, arena),
        .message_id = str_of(
            arena_printf(arena, "<%.*s@%s>", STR_ARG(id), run->passage->config->host_name)),
        .date_ms = unix_now_ms(),
    };
    if (parts.subject.length == 0)
        parts.subject = answer_subject(&original->header, arena);
    return compose_reply(&parts, out, err) < 0 ? (struct str){0} : id;
}

/* A whole message of the script's own. */
static struct str take_raw(const struct worker_passage *run, struct str raw,
                           struct arena *arena, struct buf *out, struct err *err)
{
    struct str id = message_new_id(arena);
    struct str message_id = str_of(
        arena_printf(arena, "<%.*s@%s>", STR_ARG(id), run->passage->config->host_name));
    return compose_raw_reply(raw, message_id, unix_now_ms(), out, err) < 0 ? (struct str){0}
                                                                           : id;
}

static void send_reply(struct worker_passage *run, struct str content, struct str id,
                       struct arena *arena, struct worker_answer *answer)
{
    static const struct mailbox null_path = {.is_null = true};
    struct passage *passage = run->passage;
    const struct mailbox *sender = &passage->message->reverse_path;
    struct delivery_request request = {
        .reverse_path =
            &null_path, /* RFC 3834 section 3.3: an automatic reply is not to be replied to */
        .recipient = sender,
        .parts = &content,
        .part_count = 1,
        .is_8bit = str_has_8bit(content),
        .is_utf8 = passage->message->is_utf8,
        .message_id = id,
    };
    struct delivery_result result = {0};
    delivery_send(passage->router->delivery, &request, arena, &result);
    answer->message_id = id;
    answer_with_result(&result, arena, answer);
    EVENT(passage->trail, answer->is_ok ? STATUS_MESSAGE_REPLIED : STATUS_DELIVERY_FAILED,
          FIELD("to", sender->text), FIELD("reply_id", id), FIELD("peer", result.peer),
          FIELD("reply", reply_line(&result.reply, arena)));
    passage->sent_count += answer->is_ok;
    /* A temporary failure may be tried again by the script; nothing was said to the sender. */
    run->has_replied = result.status != DELIVERY_TEMPORARY;
}

static void reply(void *arg, const struct worker_reply *asked, struct arena *arena,
                  struct worker_answer *answer)
{
    struct worker_passage *run = arg;
    struct err err = {0};
    struct buf content;
    buf_init(&content, run->passage->config->smtp.message_bytes_max);
    struct str id = {0};
    if (check_may_reply(run, &err) < 0) {
        refuse(answer, "E_REPLY_NOT_ALLOWED", arena_str(arena, str_of(err.text)));
    } else {
        run->has_replied = true; /* a second reply() must not pass while this one waits */
        if (asked->raw.length == 0)
            id = compose(run, asked, arena, &content, &err);
        else
            id = take_raw(run, asked->raw, arena, &content, &err);
        if (id.length && reply_check_raw(buf_view(&content), run->passage->message,
                                         &run->recipient, &err) == 0) {
            send_reply(run, buf_view(&content), id, arena, answer);
        } else {
            run->has_replied = false;
            refuse(answer, "E_VALIDATION_ERROR", arena_str(arena, str_of(err.text)));
        }
    }
    buf_free(&content);
}

/* --- log, end --- */

static void log_line(void *arg, struct str level, struct str text)
{
    struct worker_passage *run = arg;
    EVENT(run->passage->trail, STATUS_WORKER_LOG, FIELD("level", level),
          FIELD("text", text));
}

static void end_run(void *arg)
{
    struct worker_passage *run = arg;
    passage_release(run->passage);
    free(run);
}

/* --- the run --- */

static struct reply reply_to_outcome(struct passage *passage,
                                     const struct worker_outcome *outcome, bool has_sent)
{
    switch (outcome->result) {
    case WORKER_OK:
        if (!has_sent)
            EVENT(passage->trail, STATUS_MESSAGE_HANDLED,
                  FIELD_NUMBER("actions", outcome->action_count));
        return reply_message_accepted(passage->message->id);
    case WORKER_REJECTED:
        EVENT(passage->trail, STATUS_MESSAGE_REJECTED, FIELD("reason", outcome->text));
        return reply_rejected(outcome->text);
    case WORKER_EXCEPTION:
        if (outcome->upstream.code)
            return route_upstream_refusal(&outcome->upstream);
        break;
    default:
        break;
    }
    return reply_worker_failed();
}

static struct worker_email email_of(const struct passage *passage,
                                    const struct mailbox *recipient,
                                    const struct rule_match *match)
{
    struct worker_capture *captures =
        arena_array(passage->message->arena, struct worker_capture, match->capture_count);
    for (size_t i = 0; i < match->capture_count; i++)
        captures[i] =
            (struct worker_capture){match->captures[i].name, match->captures[i].value};
    return (struct worker_email){
        .message = passage->message,
        .recipient = *recipient,
        .captures = captures,
        .capture_count = match->capture_count,
        .can_be_forwarded = true,
        .auth = route_auth_value(passage, passage->message->arena),
        .spam_score = passage->verdict && passage->config->auth.scores_spam
                          ? passage->verdict->spam_score
                          : -1,
    };
}

struct reply route_through_worker(struct passage *passage, const struct mailbox *recipient,
                                  const struct rule_match *match, struct worker *worker,
                                  struct worker_outcome *outcome)
{
    static const struct worker_actions verbs = {
        .forward = forward, .reply = reply, .log = log_line, .end = end_run};
    struct worker_passage *run = mem_zero(1, sizeof *run);
    run->passage = passage_keep(passage);
    run->recipient = *recipient;
    struct worker_actions actions = verbs;
    actions.arg = run;
    struct worker_email email = email_of(passage, recipient, match);
    unsigned sent_before =
        passage->sent_count; /* the run may be freed before worker_run returns */
    int result = worker_run(worker, &email, &actions, passage->message->arena, outcome);
    if (result < 0)
        return reply_shutting_down();
    EVENT(passage->trail, STATUS_WORKER_ENDED, FIELD("worker", worker_name(worker)),
          FIELD("outcome", str_of(worker_result_name(outcome->result))),
          FIELD("why", outcome->text), FIELD_NUMBER("actions", outcome->action_count),
          FIELD_NUMBER("cpu_us", outcome->cpu_us));
    return reply_to_outcome(passage, outcome, passage->sent_count > sent_before);
}

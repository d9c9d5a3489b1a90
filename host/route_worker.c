/* A worker's part of the walk: what its script asks for (forward, reply, log) is done here, under the rules that
 * a script cannot bend, and its outcome becomes the sender's reply. */
#include "route_worker.h"

#include <errno.h>
#include <stdlib.h>

#include "binding.h"
#include "route.h"

#include "base/mem.h"
#include "mail/answer.h"
#include "mail/compose.h"
#include "mail/reply_check.h"
#include "smtp/replies.h"

/* One run of a worker; freed at its end, which may come after the session's. */
struct worker_passage {
    struct passage *passage;
    struct outcome *outcome;
    const struct config_worker *worker;
    bool has_replied;
};

static const struct mailbox *recipient_of(const struct worker_passage *run)
{
    return &run->outcome->recipient->mailbox;
}

void route_worker_refuse(struct worker_answer *answer, const char *code, struct str text)
{
    *answer =
        (struct worker_answer){.code = str_of(code), .text = text, .is_permanent = true};
}

void route_worker_answer(const struct leg *leg, struct arena *arena,
                         struct worker_answer *answer)
{
    answer->is_ok = leg_is_sent(leg);
    answer->is_queued = leg->fate == LEG_QUEUED;
    answer->is_permanent = leg->fate == LEG_REFUSED;
    if (answer->is_ok)
        return;
    answer->code = STR("E_DELIVERY_FAILED");
    answer->reply = leg->reply;
    answer->failure =
        str_of(failure_name(failure_classify(&leg->reply, leg->is_from_peer)));
    answer->text = leg->peer.length
                       ? str_of(arena_printf(arena, "%.*s said: %.*s", STR_ARG(leg->peer),
                                             STR_ARG(reply_line(&leg->reply, arena))))
                       : reply_line(&leg->reply, arena);
}

/* --- forward --- */

static void forward(void *arg, const struct worker_forward *asked, struct arena *arena,
                    struct worker_answer *answer)
{
    const struct worker_passage *run = arg;
    route_worker_forward(run->passage, run->outcome, run->worker, asked, arena, answer);
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
        .from = reply->from.length ? reply->from : recipient_of(run)->text,
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

static struct str subject_of(struct str content, struct arena *arena)
{
    struct header header;
    header_parse(content, arena, &header);
    return header_value(&header, STR("Subject"), arena);
}

static void send_reply(struct worker_passage *run, struct str content, struct str id,
                       struct arena *arena, struct worker_answer *answer)
{
    static const struct mailbox null_path = {.is_null = true};
    struct passage *passage = run->passage;
    struct str parts[REPLY_PART_COUNT] = {[REPLY_CONTENT] = content};
    struct outgoing outgoing = {
        .outcome = run->outcome,
        .reverse_path =
            &null_path, /* RFC 3834 section 3.3: an automatic reply is not to be replied to */
        .destination = &passage->message->reverse_path,
        .parts = parts,
        .part_count = REPLY_PART_COUNT,
        .is_8bit = str_has_8bit(content),
        .is_utf8 = passage->message->is_utf8,
        .is_reply = true,
        .id = id,
    };
    if (route_sign(passage, recipient_of(run), content, arena, &parts[REPLY_SIGNATURES]) <
        0) {
        *answer = (struct worker_answer){.code = STR("E_DELIVERY_FAILED"),
                                         .text = STR("reply: it could not be signed")};
        run->has_replied = false;
        return;
    }
    route_note_action(passage, run->outcome, "reply", outgoing.destination->text,
                      subject_of(content, arena));
    const struct leg *leg = route_send(passage, &outgoing, arena);
    answer->message_id = id;
    route_worker_answer(leg, arena, answer);
    if (answer->is_ok)
        EVENT(passage->trail, STATUS_MESSAGE_REPLIED, FIELD("to", leg->destination.text),
              FIELD("reply_id", id));
    /* A temporary failure may be tried again by the script; nothing was said to the sender. */
    run->has_replied = leg->fate != LEG_DEFERRED;
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
        route_worker_refuse(answer, "E_REPLY_NOT_ALLOWED",
                            arena_str(arena, str_of(err.text)));
    } else {
        run->has_replied = true; /* a second reply() must not pass while this one waits */
        if (asked->raw.length == 0)
            id = compose(run, asked, arena, &content, &err);
        else
            id = take_raw(run, asked->raw, arena, &content, &err);
        if (id.length && reply_check_raw(buf_view(&content), run->passage->message,
                                         recipient_of(run), &err) == 0) {
            send_reply(run, buf_view(&content), id, arena, answer);
        } else {
            run->has_replied = false;
            route_worker_refuse(answer, "E_VALIDATION_ERROR",
                                arena_str(arena, str_of(err.text)));
        }
    }
    buf_free(&content);
}

/* --- bindings --- */

static struct binding_place place_of(const struct worker_passage *run)
{
    return (struct binding_place){.router = run->passage->router,
                                  .config = run->passage->config,
                                  .worker = run->worker,
                                  .passage = run->passage,
                                  .outcome = run->outcome,
                                  .trail = run->passage->trail};
}

static void binding(void *arg, const struct worker_call *call, struct arena *arena,
                    struct worker_answer *answer)
{
    struct binding_place place = place_of(arg);
    binding_call(&place, call, arena, answer);
}

static bool is_action(void *arg, const struct worker_call *call)
{
    struct binding_place place = place_of(arg);
    return binding_is_action(&place, call);
}

/* --- log, end --- */

static void log_line(void *arg, struct str level, struct str text)
{
    struct worker_passage *run = arg;
    EVENT(run->passage->trail, STATUS_WORKER_LOG, FIELD("level", level),
          FIELD("text",
                binding_hide_secrets(run->worker, text, run->passage->message->arena)));
}

static void end_run(void *arg)
{
    struct worker_passage *run = arg;
    passage_release(run->passage);
    free(run);
}

/* --- the run --- */

static struct reply reply_to_end(struct passage *passage, struct outcome *outcome,
                                 const struct config_worker *worker,
                                 const struct worker_outcome *ended)
{
    switch (ended->result) {
    case WORKER_OK:
        if (route_sent_count(passage, outcome) == 0)
            EVENT(passage->trail, STATUS_MESSAGE_HANDLED,
                  FIELD_NUMBER("actions", ended->action_count));
        return reply_message_accepted(passage->message->id);
    case WORKER_REJECTED:
        outcome->status = "rejected";
        EVENT(passage->trail, STATUS_MESSAGE_REJECTED, FIELD("reason", ended->text));
        return reply_rejected(ended->text);
    case WORKER_EXCEPTION:
        if (ended->upstream.code)
            return route_upstream_refusal(&ended->upstream);
        break;
    default:
        break;
    }
    /* As host.yaml says now, whichever version it was. */
    return route_on_worker_error(
        passage, outcome,
        &config_worker_described(passage->config, worker->options.name)->on_error);
}

static void tell_end(const struct passage *passage, const struct outcome *outcome,
                     const struct rollout_choice *version,
                     const struct worker_outcome *ended)
{
    struct str script = config_short_hash(version->worker);
    EVENT(passage->trail, STATUS_WORKER_ENDED, FIELD("worker", outcome->worker),
          FIELD("script", script),
          FIELD("outcome", str_of(worker_result_name(ended->result))),
          FIELD("why", ended->text), FIELD_NUMBER("actions", ended->action_count),
          FIELD_NUMBER("cpu_us", ended->cpu_us));
    if (ended->circuit == CIRCUIT_HAS_OPENED)
        EVENT(passage->trail, STATUS_WORKER_CIRCUIT_OPENED,
              FIELD("worker", outcome->worker), FIELD("script", script));
    else if (ended->circuit == CIRCUIT_HAS_CLOSED)
        EVENT(passage->trail, STATUS_WORKER_CIRCUIT_CLOSED,
              FIELD("worker", outcome->worker), FIELD("script", script));
}

static struct worker_email email_of(const struct passage *passage,
                                    const struct outcome *outcome,
                                    const struct rule_match *match)
{
    struct worker_capture *captures =
        arena_array(passage->message->arena, struct worker_capture, match->capture_count);
    for (size_t i = 0; i < match->capture_count; i++)
        captures[i] =
            (struct worker_capture){match->captures[i].name, match->captures[i].value};
    return (struct worker_email){
        .message = passage->message,
        .recipient = outcome->recipient->mailbox,
        .captures = captures,
        .capture_count = match->capture_count,
        .can_be_forwarded = true,
        .auth = route_auth_value(passage, passage->message->arena),
        .spam_score = passage->verdict && passage->config->auth.scores_spam
                          ? passage->verdict->spam_score
                          : -1,
    };
}

struct reply route_through_worker(struct passage *passage, struct outcome *outcome,
                                  const struct rule_match *match,
                                  const struct rollout_choice *version,
                                  struct worker_outcome *ended)
{
    static const struct worker_actions verbs = {.forward = forward,
                                                .reply = reply,
                                                .binding = binding,
                                                .is_action = is_action,
                                                .log = log_line,
                                                .end = end_run};
    struct worker_passage *run = mem_zero(1, sizeof *run);
    run->passage = passage_keep(passage);
    run->outcome = outcome;
    run->worker = version->worker;
    struct worker_actions actions = verbs;
    actions.arg = run;
    struct worker_email email = email_of(passage, outcome, match);
    int result = worker_run(version->worker->worker, &email, &actions,
                            passage->message->arena, ended);
    if (result < 0)
        return reply_shutting_down();
    rollout_note(version, ended);
    ended->text =
        binding_hide_secrets(version->worker, ended->text, passage->message->arena);
    tell_end(passage, outcome, version, ended);
    return reply_to_end(passage, outcome, version->worker, ended);
}

/* The one place where a message walks through Postern, from top to bottom:
 *
 *     smtp/ receive -> auth/ verify -> rules/ match -> worker/ decide -> delivery/ send -> status/ record
 *
 * route_recipient_of_session() answers RCPT, route_message() answers the final dot, and route_one() between
 * them is the walk for one recipient. What goes wrong inside Postern is a 4xx (DESIGN.md 1: the promise).
 *
 * Until there is a durable queue, a soft failure is answered 4xx and the sender keeps the message; a
 * transaction takes one routed recipient by default, so that each gets its own honest answer. Where a domain
 * allows more, or a rule forwards to several, the least favourable answer stands for all: a temporary one
 * before a permanent one, a permanent one before success. */
#include "route.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/task.h"
#include "smtp/replies.h"

/* --- a message on its way --- */

struct passage *passage_new(struct router *router, struct message *message)
{
    struct passage *passage = mem_zero(1, sizeof *passage);
    passage->references = 1;
    passage->router = router;
    passage->config = config_keep(router->config);
    passage->message = message_keep(message);
    passage->trail = trail_new(message->arena, message->id);
    passage->recipients_max = UINT32_MAX;
    return passage;
}

struct passage *passage_keep(struct passage *passage)
{
    passage->references++;
    return passage;
}

void passage_release(struct passage *passage)
{
    if (--passage->references)
        return;
    config_release(passage->config);
    message_release(passage->message);
    free(passage);
}

/* --- receive: MAIL and RCPT --- */

static struct reply begin(void *arg, struct smtp_transaction *transaction)
{
    transaction->handler_state = passage_new(arg, transaction->message);
    return reply_sender_ok();
}

static void end(void *arg, struct smtp_transaction *transaction)
{
    (void)arg;
    passage_release(transaction->handler_state);
}

/* `RCPT TO:<postmaster>` names no domain: it is the first domain's (RFC 5321 section 4.5.1). */
static struct mailbox with_domain(const struct passage *passage, struct mailbox recipient)
{
    const struct domain_rules *first = rule_set_domain(passage->config->rules, 0);
    if (recipient.domain.length == 0 && first) {
        recipient.domain = first->domain;
        recipient.text =
            str_of(arena_printf(passage->message->arena, "%.*s@%.*s",
                                STR_ARG(recipient.local), STR_ARG(first->domain)));
    }
    return recipient;
}

bool route_is_postmaster(const struct mailbox *recipient)
{
    return str_equal_nocase(recipient->local, STR("postmaster"));
}

static struct reply refuse_recipient(struct passage *passage,
                                     const struct mailbox *recipient, struct reply reply)
{
    EVENT(passage->trail, STATUS_RECIPIENT_REFUSED,
          FIELD("from", passage->message->reverse_path.text), FIELD("to", recipient->text),
          FIELD("reply", reply_line(&reply, passage->message->arena)));
    return reply;
}

static struct reply route_recipient_of_session(void *arg,
                                               struct smtp_transaction *transaction,
                                               struct smtp_recipient *recipient)
{
    (void)arg;
    struct passage *passage = transaction->handler_state;
    recipient->mailbox = with_domain(passage, recipient->mailbox);
    struct rule_question question = {.recipient = &recipient->mailbox,
                                     .envelope = passage->message};
    struct rule_match match = {0};
    switch (rule_set_match(passage->config->rules, &question, passage->message->arena,
                           &match)) {
    case RULE_NO_DOMAIN:
        return refuse_recipient(passage, &recipient->mailbox, reply_relay_denied());
    case RULE_NO_RECIPIENT:
        return refuse_recipient(passage, &recipient->mailbox, reply_unknown_recipient());
    case RULE_TOO_COSTLY:
        return refuse_recipient(passage, &recipient->mailbox, reply_rule_too_costly());
    case RULE_FOUND:
        if (match.rule->action == RULE_REJECT)
            return refuse_recipient(passage, &recipient->mailbox,
                                    reply_rejected(match.rule->reject_text));
        break;
    case RULE_MAYBE:
        break;
    }
    bool is_postmaster = route_is_postmaster(&recipient->mailbox);
    struct reply refusal = route_verify_client(passage);
    if (refusal.code && !is_postmaster)
        return refuse_recipient(passage, &recipient->mailbox, refusal);
    unsigned allowed = match.domain->recipients_per_transaction;
    if (allowed > passage->recipients_max)
        allowed = passage->recipients_max;
    if (transaction->recipient_count >= allowed)
        return reply_too_many_recipients();
    passage->recipients_max = allowed;
    passage->may_be_refused = passage->may_be_refused || !is_postmaster;
    return reply_recipient_ok();
}

/* --- send --- */

struct reply route_upstream_refusal(const struct reply *upstream)
{
    struct reply reply = *upstream;
    if (reply.code ==
        421) /* the upstream closes its connection; we do not close the sender's */
        reply.code = 451;
    return reply;
}

struct reply route_delivery_reply(const struct passage *passage,
                                  const struct delivery_result *result)
{
    if (result->status == DELIVERY_OK)
        return reply_message_forwarded(passage->message->id);
    return route_upstream_refusal(&result->reply);
}

void route_send(struct passage *passage, const struct mailbox *destination,
                struct str headers, struct arena *arena, struct delivery_result *result)
{
    const struct message *message = passage->message;
    size_t part_count = passage->content_count + 2;
    struct str *parts = arena_array(arena, struct str, part_count + 1);
    parts[0] = message->trace;
    parts[1] = headers;
    memcpy(parts + 2, passage->content, passage->content_count * sizeof *parts);
    struct delivery_request request = {
        .reverse_path = &message->reverse_path,
        .recipient = destination,
        .parts = parts,
        .part_count = part_count,
        .is_8bit = message->is_8bit,
        .is_utf8 = message->is_utf8,
        .message_id = message->id,
    };
    delivery_send(passage->router->delivery, &request, arena, result);
    if (result->status == DELIVERY_OK)
        EVENT(passage->trail, STATUS_MESSAGE_FORWARDED, FIELD("to", destination->text),
              FIELD("peer", result->peer), FIELD("tls", result->tls),
              FIELD("reply", reply_line(&result->reply, arena)),
              FIELD_NUMBER("ms", result->duration_ms));
    else
        EVENT(passage->trail, STATUS_DELIVERY_FAILED, FIELD("to", destination->text),
              FIELD("peer", result->peer),
              FIELD("reply", reply_line(&result->reply, arena)),
              FIELD_NUMBER("ms", result->duration_ms));
}

struct leg {
    struct passage *passage;
    const struct mailbox *destination;
    struct reply reply;
};

static int send_leg(void *arg)
{
    struct leg *leg = arg;
    struct arena *arena = arena_new();
    struct delivery_result result = {0};
    route_send(leg->passage, leg->destination, STR(""), arena, &result);
    leg->reply = route_delivery_reply(leg->passage, &result);
    arena_free(arena);
    return 0;
}

/* How unfavourable an answer is: see the head of this file. */
static int weight(const struct reply *reply)
{
    return reply_is_temporary(reply) ? 2 : reply_is_permanent(reply) ? 1 : 0;
}

static struct reply send_to_all(struct passage *passage, const struct rule *rule)
{
    size_t count = rule->destination_count;
    struct leg *legs = arena_array(passage->message->arena, struct leg, count);
    struct task_job *jobs = arena_array(passage->message->arena, struct task_job, count);
    for (size_t i = 0; i < count; i++) {
        legs[i] = (struct leg){passage, &rule->destinations[i], {0}};
        jobs[i] = (struct task_job){send_leg, &legs[i], 0};
    }
    if (count == 1)
        send_leg(&legs[0]);
    else
        task_gather("leg", jobs, count);
    size_t answer = 0;
    for (size_t i = 1; i < count; i++)
        if (weight(&legs[i].reply) > weight(&legs[answer].reply))
            answer = i;
    return legs[answer].reply;
}

/* --- decide --- */

static const char *step_name(enum rule_step step)
{
    static const char *const names[] = {"address", "subaddress", "pattern", "catch-all",
                                        "postmaster"};
    return names[step];
}

/* The walk of one message for one recipient. */
static struct reply route_one(struct passage *passage, const struct mailbox *recipient)
{
    struct message *message = passage->message;

    struct rule_question question = {
        .recipient = recipient,
        .envelope = message,
        .message = message,
        .auth = passage->verdict ? &passage->auth : NULL,
    };
    struct rule_match match = {0};
    enum rule_found found =
        rule_set_match(passage->config->rules, &question, message->arena, &match);
    if (found == RULE_TOO_COSTLY)
        return reply_rule_too_costly();
    if (found != RULE_FOUND)
        return reply_unknown_recipient();
    const struct rule *rule = match.rule;
    EVENT(passage->trail, STATUS_RULE_MATCHED, FIELD("to", recipient->text),
          FIELD("rule", rule->name), FIELD("by", str_of(step_name(match.step))));

    switch (rule->action) {
    case RULE_FORWARD:
        return send_to_all(passage, rule);
    case RULE_WORKER: {
        struct worker_outcome outcome = {0};
        return route_through_worker(passage, recipient, &match,
                                    config_worker(passage->config, rule->worker), &outcome);
    }
    case RULE_DROP:
        EVENT(passage->trail, STATUS_MESSAGE_DROPPED, FIELD("to", recipient->text),
              FIELD("rule", rule->name));
        return reply_message_accepted(message->id);
    case RULE_REJECT:
        break;
    }
    EVENT(passage->trail, STATUS_MESSAGE_REJECTED, FIELD("to", recipient->text),
          FIELD("rule", rule->name), FIELD("reason", rule->reject_text));
    return reply_rejected(rule->reject_text);
}

static struct reply route_message(void *arg, struct smtp_transaction *transaction)
{
    (void)arg;
    struct passage *passage = transaction->handler_state;
    struct message *message = passage->message;
    EVENT(passage->trail, STATUS_MESSAGE_RECEIVED,
          FIELD("from", message->reverse_path.text),
          FIELD("to", transaction->recipients[0].mailbox.text),
          FIELD("helo", message->client.helo), FIELD_NUMBER("size", message->raw->length),
          FIELD_NUMBER("recipients", transaction->recipient_count));

    struct reply answer = route_verify_message(passage);
    bool is_refused = answer.code != 0 && passage->may_be_refused;
    if (!is_refused)
        answer = (struct reply){0};
    if (is_refused)
        EVENT(passage->trail, STATUS_MESSAGE_REJECTED,
              FIELD("reason", reply_line(&answer, message->arena)));
    for (size_t i = 0; i < transaction->recipient_count && !is_refused; i++) {
        struct reply reply = route_one(passage, &transaction->recipients[i].mailbox);
        if (!answer.code || weight(&reply) > weight(&answer))
            answer = reply;
    }
    EVENT(passage->trail, STATUS_MESSAGE_ANSWERED,
          FIELD("reply", reply_line(&answer, message->arena)),
          FIELD_NUMBER("ms", unix_now_ms() - message->received_at));
    return answer;
}

static void note(void *arg, const char *what, const struct net_address *peer,
                 const char *detail)
{
    (void)arg;
    char text[NET_ADDRESS_TEXT_BYTES];
    EVENT(NULL, STATUS_SESSION_NOTE, FIELD("what", str_of(what)),
          FIELD("peer", str_of(net_address_text(peer, text))),
          FIELD("detail", str_of(detail)));
}

struct smtp_handler route_handler(struct router *router)
{
    return (struct smtp_handler){
        .arg = router,
        .begin = begin,
        .recipient = route_recipient_of_session,
        .message = route_message,
        .end = end,
        .note = note,
    };
}

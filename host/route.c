/* The one place where a message walks through Postern, from top to bottom:
 *
 *     smtp/ receive -> auth/ verify -> rules/ match -> worker/ decide -> delivery/ send -> status/ record
 *
 * route_recipient_of_session() answers RCPT, route_message() answers the final dot, and route_one() between
 * them is the walk for one recipient. What goes wrong inside Postern is a 4xx (DESIGN.md 1: the promise).
 *
 * A soft failure goes to the queue, or is the sender's to try again where the rule says so (route_send.c); several
 * recipients and destinations are put together in route_answer.c. */
#include "route.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/task.h"
#include "delivery/srs.h"
#include "mail/hop.h"
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
    list_init(&passage->legs);
    list_init(&passage->actions);
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
    const struct router *router = arg;
    if (router->space && space_is_low(router->space))
        return reply_low_space();
    if (router->queue && queue_is_failing(router->queue))
        return reply_local_error();
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

/* The client, and how many recipients it may name: the last that stands between RCPT and its 250. Whoever may not be
 * refused for what is found out about him, may not be here either. */
static struct reply admit_recipient(struct passage *passage,
                                    const struct smtp_transaction *transaction,
                                    const struct mailbox *recipient, unsigned allowed,
                                    bool may_be_refused)
{
    struct reply refusal = route_verify_client(passage);
    if (refusal.code && may_be_refused)
        return refuse_recipient(passage, recipient, refusal);
    if (allowed > passage->recipients_max)
        allowed = passage->recipients_max;
    if (transaction->recipient_count >= allowed && !transaction->wants_prdr)
        return reply_too_many_recipients();
    passage->recipients_max = allowed;
    passage->may_be_refused = passage->may_be_refused || may_be_refused;
    return reply_recipient_ok();
}

/* An address that SRS made here: what comes to it goes back to the sender it stands for. */
static struct reply take_bounce(struct passage *passage,
                                const struct smtp_transaction *transaction,
                                struct smtp_recipient *recipient)
{
    struct router *router = passage->router;
    struct arena *arena = passage->message->arena;
    struct mailbox *original = arena_new_of(arena, struct mailbox);
    uint64_t now_ms = unix_now_ms();
    switch (srs_decode(router->secret, &recipient->mailbox, now_ms, arena, original)) {
    case SRS_FORGED:
        return refuse_recipient(passage, &recipient->mailbox, reply_srs_forged());
    case SRS_EXPIRED:
        return refuse_recipient(passage, &recipient->mailbox, reply_srs_expired());
    case SRS_OK:
        break;
    }
    if (router->bounces && !rate_take(router->bounces, original->text, now_ms))
        return refuse_recipient(passage, &recipient->mailbox, reply_srs_rate());
    recipient->route = original;
    return admit_recipient(passage, transaction, &recipient->mailbox, 1, false);
}

static bool is_srs(const struct passage *passage, const struct mailbox *recipient)
{
    return passage->router->secret && srs_is_address(recipient) &&
           route_is_ours(passage, recipient->domain);
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
    enum rule_found found =
        rule_set_match(passage->config->rules, &question, passage->message->arena, &match);
    bool has_own_rule = found == RULE_FOUND && match.step == RULE_BY_ADDRESS;
    if (is_srs(passage, &recipient->mailbox) && !has_own_rule)
        return take_bounce(passage, transaction, recipient);
    switch (found) {
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
    return admit_recipient(passage, transaction, &recipient->mailbox,
                           match.domain->recipients_per_transaction,
                           !route_is_postmaster(&recipient->mailbox));
}

/* --- send --- */

struct errand {
    struct passage *passage;
    struct outcome *outcome;
    const struct mailbox *destination;
    struct leg *leg;
};

static int run_errand(void *arg)
{
    struct errand *errand = arg;
    struct arena *arena = arena_new();
    errand->leg =
        route_forward(errand->passage, errand->outcome, errand->destination, NULL, arena);
    arena_free(arena);
    return 0;
}

/* To each destination at once; what comes of them as one reply. */
static void send_to_all(struct passage *passage, struct outcome *outcome,
                        const struct mailbox *destinations, size_t count)
{
    struct arena *arena = passage->message->arena;
    struct errand *errands = arena_array(arena, struct errand, count);
    struct task_job *jobs = arena_array(arena, struct task_job, count);
    for (size_t i = 0; i < count; i++) {
        errands[i] = (struct errand){passage, outcome, &destinations[i], NULL};
        jobs[i] = (struct task_job){run_errand, &errands[i], 0};
    }
    outcome->action = STR("forward");
    outcome->is_for_rule = true;
    if (count == 1)
        run_errand(&errands[0]);
    else
        task_gather("leg", jobs, count);
    struct route_tally tally = {0};
    struct reply *replies = arena_array(arena, struct reply, count);
    for (size_t i = 0; i < count; i++) {
        replies[i] = route_leg_reply(passage, errands[i].leg);
        route_tally_add(&tally, &replies[i]);
    }
    outcome->reply = *route_tally_answer(&tally);
}

/* --- decide --- */

static const char *step_name(enum rule_step step)
{
    static const char *const names[] = {"address", "subaddress", "pattern", "catch-all",
                                        "postmaster"};
    return names[step];
}

static void through_worker(struct passage *passage, struct outcome *outcome,
                           const struct rule_match *match)
{
    struct worker_outcome ended = {0};
    struct str name = match->rule->worker;
    struct rollout_choice version = route_choose_version(passage, outcome, name);
    outcome->action = STR("worker");
    outcome->worker = name;
    outcome->decider = version.worker;
    outcome->worker_version = str_of(version.worker->script_hash);
    outcome->reply = route_through_worker(passage, outcome, match, &version, &ended);
    outcome->worker_outcome = str_of(worker_result_name(ended.result));
    if (ended.result != WORKER_OK && ended.result != WORKER_REJECTED)
        outcome->worker_error = ended.text;
}

static void drop(struct passage *passage, struct outcome *outcome, const struct rule *rule)
{
    outcome->action = STR("drop");
    outcome->status = "dropped";
    outcome->reply = reply_message_accepted(passage->message->id);
    EVENT(passage->trail, STATUS_MESSAGE_DROPPED,
          FIELD("to", outcome->recipient->mailbox.text), FIELD("rule", rule->name));
}

static void reject(struct passage *passage, struct outcome *outcome,
                   const struct rule *rule)
{
    outcome->action = STR("reject");
    outcome->status = "rejected";
    outcome->reply = reply_rejected(rule->reject_text);
    EVENT(passage->trail, STATUS_MESSAGE_REJECTED,
          FIELD("to", outcome->recipient->mailbox.text), FIELD("rule", rule->name),
          FIELD("reason", rule->reject_text));
}

/* The walk of one message for one recipient. */
static void route_one(struct passage *passage, struct outcome *outcome)
{
    struct message *message = passage->message;
    const struct smtp_recipient *recipient = outcome->recipient;
    if (recipient->route) { /* a bounce: take_bounce() */
        send_to_all(passage, outcome, recipient->route, 1);
        outcome->rule = STR("SRS");
        return;
    }
    struct rule_question question = {
        .recipient = &recipient->mailbox,
        .envelope = message,
        .message = message,
        .auth = passage->verdict ? &passage->auth : NULL,
    };
    struct rule_match match = {0};
    enum rule_found found =
        rule_set_match(passage->config->rules, &question, message->arena, &match);
    if (found != RULE_FOUND) {
        outcome->reply =
            found == RULE_TOO_COSTLY ? reply_rule_too_costly() : reply_unknown_recipient();
        outcome->status = found == RULE_TOO_COSTLY ? "deferred" : "rejected";
        return;
    }
    const struct rule *rule = match.rule;
    outcome->rule = rule->name;
    outcome->on_soft_failure = rule->on_soft_failure;
    EVENT(passage->trail, STATUS_RULE_MATCHED, FIELD("to", recipient->mailbox.text),
          FIELD("rule", rule->name), FIELD("by", str_of(step_name(match.step))));

    switch (rule->action) {
    case RULE_FORWARD:
        send_to_all(passage, outcome, rule->destinations, rule->destination_count);
        break;
    case RULE_WORKER:
        through_worker(passage, outcome, &match);
        break;
    case RULE_DROP:
        drop(passage, outcome, rule);
        break;
    case RULE_REJECT:
        reject(passage, outcome, rule);
        break;
    }
}

static void open_outcomes(struct passage *passage,
                          const struct smtp_transaction *transaction)
{
    struct arena *arena = passage->message->arena;
    size_t count = transaction->recipient_count;
    struct smtp_recipient *recipients = arena_array(arena, struct smtp_recipient, count);
    passage->outcomes = arena_array(arena, struct outcome, count);
    passage->outcome_count = count;
    for (size_t i = 0; i < count; i++) {
        recipients[i] = transaction->recipients[i];
        passage->outcomes[i].recipient = &recipients[i];
    }
}

/* Why the message is refused for all of its recipients; code 0 to go on. */
static struct reply refuse_message(struct passage *passage)
{
    struct reply refusal = route_verify_message(passage);
    if (refusal.code && passage->may_be_refused)
        return refusal;
    if (passage->router->secret)
        passage->own_hops = hop_count(passage->router->secret, &passage->message->header);
    if (passage->own_hops >= passage->config->own_hops_max)
        return reply_own_loop();
    return (struct reply){0};
}

static struct reply route_message(void *arg, struct smtp_transaction *transaction)
{
    (void)arg;
    struct passage *passage = transaction->handler_state;
    struct message *message = passage->message;
    open_outcomes(passage, transaction);
    EVENT(passage->trail, STATUS_MESSAGE_RECEIVED,
          FIELD("from", message->reverse_path.text),
          FIELD("to", transaction->recipients[0].mailbox.text),
          FIELD("helo", message->client.helo), FIELD_NUMBER("size", message->raw->length),
          FIELD_NUMBER("recipients", transaction->recipient_count));

    struct reply answer = refuse_message(passage);
    if (answer.code) {
        EVENT(passage->trail, STATUS_MESSAGE_REJECTED,
              FIELD("reason", reply_line(&answer, message->arena)));
        for (size_t i = 0; i < passage->outcome_count; i++)
            passage->outcomes[i].status =
                reply_is_temporary(&answer) ? "deferred" : "rejected";
    } else {
        for (size_t i = 0; i < passage->outcome_count; i++)
            route_one(passage, &passage->outcomes[i]);
        answer = route_answer(passage, transaction);
        route_keep(passage);
    }
    EVENT(passage->trail, STATUS_MESSAGE_ANSWERED,
          FIELD("reply", reply_line(&answer, message->arena)),
          FIELD_NUMBER("ms", unix_now_ms() - message->received_at));
    route_record(passage, &answer);
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

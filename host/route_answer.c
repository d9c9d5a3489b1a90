/* What the sender is told (DESIGN.md 1). Several destinations of one rule, and several recipients of one transaction, are
 * put together in the same way:
 *
 *     one of them must come again     -> that 4xx, and the ledger remembers what was sent
 *     all refused                     -> that 5xx
 *     some refused                    -> 250, and a notice about them to a sender who is known; nobody writes to a
 *                                        reverse-path that may be a lie
 *
 * With PRDR the recipients need not be put together. */
#include "route.h"

#include "smtp/replies.h"

struct reply route_upstream_refusal(const struct reply *upstream)
{
    struct reply reply = *upstream;
    if (reply.code ==
        421) /* the upstream closes its connection; we do not close the sender's */
        reply.code = 451;
    return reply;
}

struct reply route_leg_reply(const struct passage *passage, const struct leg *leg)
{
    switch (leg->fate) {
    case LEG_DELIVERED:
        return reply_message_forwarded(passage->message->id);
    case LEG_QUEUED:
        return reply_queued(passage->message->id);
    case LEG_DEFERRED:
    case LEG_REFUSED:
        break;
    }
    return route_upstream_refusal(&leg->reply);
}

/* --- several answers as one --- */

void route_tally_add(struct route_tally *tally, const struct reply *reply)
{
    tally->count++;
    if (reply_is_temporary(reply)) {
        tally->temporary = tally->temporary ? tally->temporary : reply;
    } else if (reply_is_permanent(reply)) {
        tally->permanent = tally->permanent ? tally->permanent : reply;
    } else {
        tally->ok = tally->ok ? tally->ok : reply;
        tally->ok_count++;
    }
}

const struct reply *route_tally_answer(const struct route_tally *tally)
{
    return tally->temporary ? tally->temporary : tally->ok ? tally->ok : tally->permanent;
}

/* --- notices --- */

/* What one message tells its sender: all in one notice. */
struct notices {
    struct passage *passage;
    struct store_message about;
    struct notice_recipient *recipients;
    size_t count;
};

static void add_notice(struct notices *notices, const struct outcome *outcome,
                       struct notice_recipient told)
{
    told.original = outcome->recipient->mailbox.text;
    told.notify = (uint8_t)outcome->recipient->dsn.notify;
    told.orcpt = dsn_orcpt_text(&outcome->recipient->dsn, notices->passage->message->arena);
    told.last_attempt_ms = unix_now_ms();
    if (notice_is_wanted(&notices->about, &told))
        notices->recipients[notices->count++] = told;
}

static void add_notice_of_leg(struct notices *notices, const struct leg *leg)
{
    const struct outcome *outcome = leg->outcome;
    struct notice_recipient told = {
        .recipient = leg->destination.text,
        .reply = &leg->reply,
        .is_from_peer = leg->is_from_peer,
        .peer = leg->peer,
    };
    if (!reply_is_ok(&outcome->reply) || leg->is_reply)
        return; /* the recipient as a whole was refused; or it is no leg of the message */
    if (leg->fate == LEG_REFUSED && outcome->is_for_rule) {
        told.action = NOTICE_FAILED;
        add_notice(notices, outcome, told);
    } else if (leg->fate == LEG_DELIVERED && leg->is_from_peer && !leg->peer_has_dsn) {
        told.action = NOTICE_RELAYED;
        add_notice(notices, outcome, told);
    }
}

static int queue_notices(struct notices *notices)
{
    struct passage *passage = notices->passage;
    struct notice_options options = {.host_name = passage->config->host_name,
                                     .keys = passage->config->keys};
    const struct notice_request request = {
        .options = &options,
        .message = &notices->about,
        .recipients = notices->recipients,
        .count = notices->count,
        .now_ms = unix_now_ms(),
        .arena = passage->message->arena,
    };
    struct store_message notice = {0};
    struct store_leg leg = {0};
    struct err err = {0};
    int result = notice_compose(&request, &notice, &leg, &err);
    if (result == 0)
        result = queue_add(passage->router->queue, &notice, &leg, 1);
    if (result == 0)
        EVENT(passage->trail, STATUS_NOTICE_QUEUED, FIELD("to", notice.return_path),
              FIELD("queue_id", notice.id));
    return result;
}

/* Tells the sender what a 250 does not say. Returns 0, also when nobody is to be told. */
static int tell_sender(struct passage *passage, bool has_own_replies)
{
    struct arena *arena = passage->message->arena;
    size_t most = passage->outcome_count;
    if (!passage->router->queue)
        return 0;
    list_foreach (node, &passage->legs)
        most++;
    struct notices notices = {passage, route_stored_message(passage),
                              arena_array(arena, struct notice_recipient, most), 0};
    for (size_t i = 0; i < passage->outcome_count && !has_own_replies; i++) {
        const struct outcome *outcome = &passage->outcomes[i];
        if (reply_is_permanent(&outcome->reply))
            add_notice(
                &notices, outcome,
                (struct notice_recipient){.action = NOTICE_FAILED,
                                          .recipient = outcome->recipient->mailbox.text,
                                          .reply = &outcome->reply});
    }
    list_foreach (node, &passage->legs)
        add_notice_of_leg(&notices, list_entry(node, struct leg, node));
    return notices.count ? queue_notices(&notices) : 0;
}

/* --- the answer --- */

struct reply route_answer(struct passage *passage, struct smtp_transaction *transaction)
{
    bool has_own_replies = transaction->wants_prdr && transaction->recipient_count > 1;
    struct route_tally tally = {0};
    for (size_t i = 0; i < passage->outcome_count; i++) {
        route_tally_add(&tally, &passage->outcomes[i].reply);
        transaction->recipients[i].reply = passage->outcomes[i].reply;
    }
    bool has_temporary = tally.temporary != NULL;
    if (has_own_replies && tally.ok) /* who must come again is told so by his own reply */
        tally.temporary = NULL;
    struct reply answer = *route_tally_answer(&tally);
    if (tally.ok_count && tally.ok_count < tally.count && reply_is_ok(&answer))
        answer = reply_accepted_for_some(passage->message->id, tally.ok_count, tally.count);
    if (reply_is_ok(&answer) && tell_sender(passage, has_own_replies) < 0)
        answer = reply_local_error();
    if (has_temporary || reply_is_temporary(&answer))
        route_remember_sent(passage);
    return answer;
}

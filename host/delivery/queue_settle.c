/* What follows from an attempt's outcome: the leg ends or waits, its sender is told or not, all in one transaction of
 * the store; then the observer is told.
 *
 * What a peer has taken must not be sent again: when its end cannot be written, the leg stays with us, under our lease,
 * and is written again and again. */
#include <errno.h>

#include "base/task.h"
#include "delivery/failure.h"
#include "delivery/queue_internal.h"
#include "mail/message.h"

/* Most greylists let pass who comes again after five minutes: before that it would be for nothing. */
#define GREYLIST_RETRY_MS  (5 * 60 * UINT64_C(1000))
#define WRITE_AGAIN_MS     1000
#define WRITE_AGAIN_MS_MAX 60000

/* --- what an outcome means --- */

/* A notice, and other mail that nobody is told of, is worth half the patience. */
static uint64_t expires_ms(const struct queue_attempt *attempt)
{
    uint64_t lifetime_ms = attempt->queue->options.lifetime_ms;
    bool is_notice = attempt->leg.reverse_path.length == 0;
    return attempt->leg.created_ms + (is_notice ? lifetime_ms / 2 : lifetime_ms);
}

bool queue_is_delay_due(const struct queue_attempt *attempt)
{
    uint64_t after_ms = attempt->queue->options.delay_notice_ms;
    return after_ms > 0 && !attempt->leg.is_delay_told &&
           unix_now_ms() >= attempt->leg.created_ms + after_ms;
}

uint64_t queue_next_attempt_ms(const struct queue_attempt *attempt)
{
    const struct queue_options *options = &attempt->queue->options;
    const struct delivery_result *result = &attempt->result;
    uint64_t now_ms = unix_now_ms(), end_ms = expires_ms(attempt);
    uint64_t next_ms = queue_retry_at(options, attempt->leg.attempts, now_ms);
    bool is_greylisted =
        failure_classify(&result->reply, result->is_from_peer) == FAILURE_GREYLIST;
    if (is_greylisted && options->retry_max_ms > GREYLIST_RETRY_MS &&
        next_ms < now_ms + GREYLIST_RETRY_MS)
        next_ms = now_ms + GREYLIST_RETRY_MS;
    return end_ms > now_ms && next_ms > end_ms ? end_ms : next_ms;
}

/* --- notices --- */

struct notice {
    enum notice_action action;
    struct store_message message;
    struct store_leg leg;
    bool is_there;
};

/* False when it was cut short. */
static bool compose_notice(struct queue_attempt *attempt,
                           const struct notice_recipient *about, struct notice *notice)
{
    struct queue *queue = attempt->queue;
    /* Composing may let a reconfiguration run. */
    struct notice_options options = queue_keep_notices(&queue->notices);
    const struct notice_request request = {
        .options = &options,
        .message = &attempt->message,
        .recipients = about,
        .count = 1,
        .now_ms = unix_now_ms(),
        .arena = attempt->arena,
    };
    struct err err = {0};
    notice->is_there = notice_compose(&request, &notice->message, &notice->leg, &err) == 0;
    queue_release_notices(&options);
    if (notice->is_there)
        return true;
    queue_trouble(queue, STR("no notice could be made"), "of %.*s to %.*s: %s",
                  STR_ARG(attempt->message.id), STR_ARG(attempt->leg.recipient), err.text);
    return !task_cancelled(task_current());
}

static bool make_notice(struct queue_attempt *attempt, enum notice_action action,
                        struct notice *notice)
{
    const struct delivery_result *result = &attempt->result;
    const struct notice_recipient about = {
        .original = attempt->leg.original,
        .recipient = attempt->leg.recipient,
        .orcpt = attempt->leg.orcpt,
        .notify = attempt->leg.notify,
        .action = action,
        .reply = &result->reply,
        .is_from_peer = result->is_from_peer,
        .peer = result->peer,
        .last_attempt_ms = unix_now_ms(),
        .retry_until_ms = expires_ms(attempt),
    };
    notice->action = action;
    return !notice_is_wanted(&attempt->message, &about) ||
           compose_notice(attempt, &about, notice);
}

/* --- writing --- */

static int write_once(struct queue_attempt *attempt, bool is_end,
                      const struct notice *notice)
{
    const struct queue *queue = attempt->queue;
    const struct store_message *message = notice->is_there ? &notice->message : NULL;
    const struct store_leg *leg = notice->is_there ? &notice->leg : NULL;
    struct str owner = str_of(queue->owner);
    task_stage("writing what came of %.*s", STR_ARG(attempt->leg.message_id));
    return is_end ? store_queue_end(queue->store, owner, attempt->leg.id, message, leg)
                  : store_queue_retry(queue->store, owner, &attempt->leg, message, leg);
}

/* Until it is written, or another host has the leg, or this one ends. */
static int write_surely(struct queue_attempt *attempt, bool is_end,
                        const struct notice *notice)
{
    uint64_t pause_ms = WRITE_AGAIN_MS;
    for (;;) {
        int result = queue_note_write(attempt->queue, write_once(attempt, is_end, notice));
        if (result == 0 || result == -ESTALE)
            return result;
        task_stage("waiting to write again what came of %.*s",
                   STR_ARG(attempt->leg.message_id));
        if (task_sleep(pause_ms) < 0)
            return result;
        pause_ms = pause_ms * 2 < WRITE_AGAIN_MS_MAX ? pause_ms * 2 : WRITE_AGAIN_MS_MAX;
    }
}

void queue_give_back(struct queue_attempt *attempt)
{
    const struct notice none = {0};
    attempt->leg.next_ms = attempt->give_back_ms;
    write_surely(attempt, false, &none);
}

static void tell_lost(struct queue_attempt *attempt, int result)
{
    queue_trouble(attempt->queue,
                  result == -ESTALE
                      ? STR("another host has taken over a message in delivery")
                      : STR("what came of a delivery could not be written"),
                  "%.*s to %.*s: it may be sent again after \"%.*s\"",
                  STR_ARG(attempt->leg.message_id), STR_ARG(attempt->leg.recipient),
                  STR_ARG(attempt->leg.last_reply));
}

/* --- settling --- */

enum queue_fate queue_fate_of(const struct queue_attempt *attempt)
{
    switch (attempt->result.status) {
    case DELIVERY_OK:
        return QUEUE_DELIVERED;
    case DELIVERY_PERMANENT:
        return QUEUE_REFUSED;
    case DELIVERY_TEMPORARY:
        break;
    }
    return unix_now_ms() >= expires_ms(attempt) ? QUEUE_EXPIRED : QUEUE_DEFERRED;
}

/* The notice that goes with it, if any; false when making it was cut short. */
static bool make_due_notice(struct queue_attempt *attempt, enum queue_fate fate,
                            struct notice *notice)
{
    switch (fate) {
    case QUEUE_DELIVERED:
        return attempt->result.peer_has_dsn || make_notice(attempt, NOTICE_RELAYED, notice);
    case QUEUE_REFUSED:
    case QUEUE_EXPIRED:
        return make_notice(attempt, NOTICE_FAILED, notice);
    case QUEUE_DEFERRED:
        break;
    }
    if (!queue_is_delay_due(attempt))
        return true;
    attempt->leg.is_delay_told = true;
    return make_notice(attempt, NOTICE_DELAYED, notice);
}

static void tell(const struct queue_attempt *attempt, enum queue_fate fate,
                 const struct notice *notice)
{
    const struct queue_observer *observer = &attempt->queue->observer;
    bool is_final = fate == QUEUE_REFUSED || fate == QUEUE_EXPIRED;
    if (observer->attempted && (is_final || !attempt->is_shared))
        observer->attempted(observer->arg, &attempt->message, &attempt->leg,
                            &attempt->result, is_final);
    if (observer->noticed && notice->is_there)
        observer->noticed(observer->arg, &attempt->message, &attempt->leg, notice->action,
                          &notice->message);
}

void queue_settle(struct queue_attempt *attempt)
{
    struct notice notice = {0};
    enum queue_fate fate = queue_fate_of(attempt);
    attempt->must_not_be_cut = true;
    /* Without its notice the leg is left for another time, unless a peer has it. */
    if (!make_due_notice(attempt, fate, &notice) && fate != QUEUE_DELIVERED)
        return;
    int written = write_surely(attempt, fate != QUEUE_DEFERRED, &notice);
    if (written == 0)
        tell(attempt, fate, &notice);
    else
        tell_lost(attempt, written);
}

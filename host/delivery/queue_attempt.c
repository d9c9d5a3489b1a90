/* One leg, from its claim to its outcome, which queue_settle.c writes down:
 *
 *     its destination's turn --> memory --> the message --> a token --> delivery_send --> settled
 *            |                                                |               |
 *            |                                                `- none:        `- cancelled: goes back
 *            `- down: the probe's outcome --> settled            given back      with the lease
 */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "delivery/internal.h"
#include "delivery/queue_internal.h"
#include "mail/message.h"

/* Messages in memory, unless one alone is larger. */
#define BYTES_MAX ((uint64_t)256 * 1024 * 1024)

static void note_result(struct queue_attempt *attempt)
{
    attempt->leg.last_reply = reply_line(&attempt->result.reply, attempt->arena);
    attempt->leg.last_peer = attempt->result.peer;
}

/* --- what a delivery needs --- */

static bool take_memory(struct queue_attempt *attempt)
{
    struct queue *queue = attempt->queue;
    uint64_t bytes = attempt->leg.bytes;
    task_stage("waiting for memory for %.*s", STR_ARG(attempt->leg.message_id));
    while (queue->bytes > 0 && queue->bytes + bytes > BYTES_MAX)
        if (task_signal_wait(&queue->bytes_freed, TASK_FOREVER) < 0)
            return false;
    attempt->bytes = bytes;
    queue->bytes += bytes;
    return true;
}

static bool read_message(struct queue_attempt *attempt)
{
    struct queue *queue = attempt->queue;
    if (!take_memory(attempt))
        return false;
    task_stage("reading %.*s", STR_ARG(attempt->leg.message_id));
    int result = store_queue_read(queue->store, attempt->leg.message_id, attempt->arena,
                                  &attempt->message);
    if (result == 0)
        return true;
    queue_trouble(queue,
                  result == -EBADMSG ? STR("a queued message is corrupt and was set aside")
                                     : STR("a queued message cannot be read"),
                  "%.*s to %.*s: %s", STR_ARG(attempt->leg.message_id),
                  STR_ARG(attempt->leg.recipient), strerror(-result));
    if (result != -EBADMSG)
        attempt->give_back_ms = queue_retry_at(&queue->options, 1, unix_now_ms());
    return false;
}

/* A limit of ours has come between: no other leg is to be tried there before, either. */
static void hold_back(struct queue_attempt *attempt, uint64_t wait_ms)
{
    schedule_hold_back(attempt->destination, task_in_ms(wait_ms));
    attempt->give_back_ms = unix_now_ms() + wait_ms;
}

static bool take_token(struct queue_attempt *attempt)
{
    struct queue *queue = attempt->queue;
    uint64_t now_ms = task_now_ms();
    if (rate_take(queue->rate, attempt->leg.destination, now_ms))
        return true;
    hold_back(attempt,
              rate_next_ms(queue->rate, attempt->leg.destination, now_ms) - now_ms + 1);
    return false;
}

static bool may_be_sent(struct queue_attempt *attempt)
{
    if (task_cancelled(task_current()) || attempt->queue->is_closing)
        return false;
    if (queue_has_lease(attempt->queue))
        return take_token(attempt);
    attempt->give_back_ms = unix_now_ms();
    return false;
}

/* --- sending --- */

static int parse_envelope(const struct queue_attempt *attempt, struct mailbox *reverse_path,
                          struct mailbox *recipient)
{
    struct str from = attempt->message.reverse_path;
    *reverse_path = (struct mailbox){.is_null = true};
    int result = from.length ? mailbox_parse(from, attempt->arena, reverse_path) : 0;
    return result < 0 ? result
                      : mailbox_parse(attempt->leg.recipient, attempt->arena, recipient);
}

static void send_now(struct queue_attempt *attempt)
{
    const struct store_message *message = &attempt->message;
    struct mailbox reverse_path, recipient;
    struct str orcpt = attempt->leg.orcpt;
    struct str orcpt_type = str_cut(&orcpt, ';');
    const struct dsn_envelope dsn = {message->ret, message->envid};
    const struct dsn_recipient dsn_recipient = {attempt->leg.notify, orcpt_type, orcpt};
    const struct delivery_request request = {
        .reverse_path = &reverse_path,
        .recipient = &recipient,
        .parts = message->parts,
        .part_count = message->part_count,
        .is_8bit = message->is_8bit,
        .is_utf8 = message->is_utf8,
        .message_id = message->id,
        .dsn = &dsn,
        .dsn_recipient = &dsn_recipient,
    };
    if (parse_envelope(attempt, &reverse_path, &recipient) == 0) {
        delivery_send(attempt->queue->delivery, &request, attempt->arena, &attempt->result);
        return;
    }
    attempt->result = (struct delivery_result){.peer = STR(""), .tls = STR("")};
    delivery_result_say(
        &attempt->result,
        reply_make(451, "4.3.5", "an address of the queued envelope is malformed"));
}

/* Whether there is an outcome. */
static bool try(struct queue_attempt *attempt)
{
    if (!read_message(attempt) || !may_be_sent(attempt))
        return false;
    attempt->must_not_be_cut = true;
    send_now(attempt);
    const struct delivery_result *result = &attempt->result;
    if (result->status == DELIVERY_TEMPORARY && result->wait_ms > 0) {
        hold_back(attempt, result->wait_ms);
        return false;
    }
    return result->status != DELIVERY_TEMPORARY || !task_cancelled(task_current());
}

static enum schedule_news news_of(const struct delivery_result *result)
{
    if (result->is_of_destination)
        return SCHEDULE_DEAD;
    bool has_spoken = result->is_from_peer || result->status == DELIVERY_OK;
    return has_spoken ? SCHEDULE_ALIVE : SCHEDULE_NO_NEWS;
}

/* A destination is left alone for half as long as a leg, and for a quarter of an hour at most when a leg is for four
 * hours: asking it costs one connection, however many legs wait for it. */
static struct schedule_backoff destination_backoff(const struct queue *queue)
{
    return (struct schedule_backoff){queue->options.first_retry_ms / 2,
                                     queue->options.retry_max_ms / 16};
}

static void go(struct queue_attempt *attempt, const struct schedule_ticket *ticket)
{
    bool is_tried = try(attempt);
    enum schedule_news news = is_tried ? news_of(&attempt->result) : SCHEDULE_NO_NEWS;
    schedule_end(ticket, news, &attempt->result, destination_backoff(attempt->queue));
    if (!is_tried)
        return;
    attempt->leg.attempts++;
    attempt->leg.next_ms = queue_next_attempt_ms(attempt);
    note_result(attempt);
    queue_settle(attempt);
}

/* Its destination has just failed another leg: due again when that one may be asked again. No attempt is counted, and
 * the message is read only when its sender may have to be told. */
static void share(struct queue_attempt *attempt)
{
    uint64_t until_ms;
    attempt->is_shared = true;
    schedule_outcome(attempt->destination, attempt->arena, &attempt->result, &until_ms);
    attempt->leg.next_ms = unix_now_ms() + (until_ms - task_now_ms());
    note_result(attempt);
    if (queue_fate_of(attempt) == QUEUE_DEFERRED && !queue_is_delay_due(attempt))
        attempt->give_back_ms = attempt->leg.next_ms;
    else if (read_message(attempt))
        queue_settle(attempt);
}

/* --- life --- */

static struct str key_of(const struct store_leg *leg)
{
    return (struct str){(const char *)&leg->id, sizeof leg->id};
}

static void attempt_free(struct queue_attempt *attempt)
{
    struct queue *queue = attempt->queue;
    schedule_leave(queue->schedule, attempt->destination);
    list_remove(&attempt->node);
    table_remove(queue->legs, key_of(&attempt->leg));
    queue->attempt_count--;
    queue->bytes -= attempt->bytes;
    task_signal_raise_all(&queue->bytes_freed);
    task_signal_raise(&queue->attempt_ended);
    queue_wake(queue);
    task_detach(attempt->task);
    arena_free(attempt->arena);
    free(attempt);
}

static int run(void *arg)
{
    struct queue_attempt *attempt = arg;
    struct schedule_ticket ticket;
    /* None is given up by what another one has met before it was tried itself. */
    bool insists = attempt->leg.attempts == 0 && queue_fate_of(attempt) == QUEUE_EXPIRED;
    switch (schedule_begin(attempt->destination, insists, &ticket)) {
    case SCHEDULE_GO:
        go(attempt, &ticket);
        break;
    case SCHEDULE_SHARE:
        share(attempt);
        break;
    case SCHEDULE_LATER: /* whatever that takes: there are others to deliver to */
        attempt->give_back_ms = unix_now_ms();
        break;
    }
    if (attempt->give_back_ms > 0)
        queue_give_back(attempt);
    /* Either it was freed while it was with a peer, since our lease had lapsed: then its outcome was written for the
     * second claim. Or it was claimed just after that was written: then it is ours still, and goes back. */
    while (attempt->is_claimed_again && !task_cancelled(task_current())) {
        attempt->is_claimed_again = false;
        attempt->give_back_ms = attempt->leg.next_ms;
        queue_give_back(attempt);
    }
    attempt_free(attempt);
    return 0;
}

static struct store_leg copy_leg(const struct store_leg *leg, struct arena *arena)
{
    struct store_leg copy = *leg;
    copy.message_id = arena_str(arena, leg->message_id);
    copy.recipient = arena_str(arena, leg->recipient);
    copy.destination = arena_str(arena, leg->destination);
    copy.original = arena_str(arena, leg->original);
    copy.orcpt = arena_str(arena, leg->orcpt);
    copy.last_reply = arena_str(arena, leg->last_reply);
    copy.last_peer = arena_str(arena, leg->last_peer);
    copy.owner = arena_str(arena, leg->owner);
    copy.reverse_path = arena_str(arena, leg->reverse_path);
    return copy;
}

void queue_attempt_start(struct queue *queue, const struct store_leg *leg)
{
    struct queue_attempt *attempt = table_get(queue->legs, key_of(leg));
    if (attempt) {
        attempt->is_claimed_again = true;
        return;
    }
    attempt = mem_zero(1, sizeof *attempt);
    table_set(queue->legs, key_of(leg), attempt);
    attempt->queue = queue;
    attempt->arena = arena_new();
    attempt->leg = copy_leg(leg, attempt->arena);
    attempt->result.status = DELIVERY_TEMPORARY;
    attempt->destination = schedule_enter(queue->schedule, attempt->leg.destination);
    list_append(&queue->attempts, &attempt->node);
    queue->attempt_count++;
    attempt->task = task_start("queued delivery", run, attempt);
}

void queue_attempt_cancel(struct queue *queue, bool even_sending)
{
    list_foreach (node, &queue->attempts) {
        const struct queue_attempt *attempt = list_entry(node, struct queue_attempt, node);
        if (even_sending || !attempt->must_not_be_cut)
            task_cancel(attempt->task);
    }
}

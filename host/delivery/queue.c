/* The queue's life, and the task that claims what is due. Another task renews this host's lease: while that is good no
 * other host touches a leg of ours; should it lapse, because nothing was written for so long, what others have taken by
 * then is refused to us by the store (-ESTALE), and nothing new is begun until it is good again.
 *
 * Each leg that is claimed becomes a task at once (queue_attempt.c). Times of the store are Unix times, which hosts
 * share; times of waits are the loop's. */
#include "queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "delivery/queue_internal.h"
#include "mail/message.h"

/* What others do (new mail, a crashed host's, an administrator's command) is seen after so long at most, */
#define POLL_MS         5000
/* and what waits for nothing but a free place or destination, after so long. */
#define BLOCKED_POLL_MS 1000
#define RATE_KEYS_MAX   10000
/* One refused write is nothing yet; the lease writes again within a second. */
#define FAILING_MS      2000

/* --- trouble --- */

void queue_trouble(struct queue *queue, struct str what, const char *format, ...)
{
    if (!queue->observer.troubled)
        return;
    struct arena *arena = arena_new();
    va_list args;
    va_start(args, format);
    const char *detail = arena_vprintf(arena, format, args);
    va_end(args);
    queue->observer.troubled(queue->observer.arg, what, str_of(detail));
    arena_free(arena);
}

int queue_note_store(struct queue *queue, int result)
{
    bool is_failure = result < 0 && result != -ESTALE && result != -EBADMSG;
    if (is_failure && !queue->is_store_failing)
        queue_trouble(queue, STR("the queue's store fails"), "%s", strerror(-result));
    queue->is_store_failing = is_failure;
    return result;
}

int queue_note_write(struct queue *queue, int result)
{
    bool is_failure = result < 0 && result != -ESTALE;
    if (!is_failure)
        queue->failing_since_ms = 0;
    else if (queue->failing_since_ms == 0)
        queue->failing_since_ms = task_now_ms();
    return queue_note_store(queue, result);
}

/* --- the lease --- */

bool queue_is_failing(const struct queue *queue)
{
    return queue->failing_since_ms > 0 &&
           task_now_ms() - queue->failing_since_ms >= FAILING_MS;
}

bool queue_has_lease(const struct queue *queue)
{
    return queue->lease_until_ms > unix_now_ms();
}

static int renew_lease(struct queue *queue)
{
    uint64_t now_ms = unix_now_ms();
    uint64_t until_ms = now_ms + queue->options.lease_ms;
    task_stage("renewing the lease on queued mail");
    int result = queue_note_write(
        queue, store_lease_renew(queue->store, str_of(queue->owner), now_ms, until_ms));
    if (result < 0)
        return result;
    if (queue->lease_until_ms > 0 && queue->lease_until_ms < now_ms)
        queue_trouble(queue, STR("the lease on queued mail had lapsed"),
                      "for %llu ms; another host may have sent what was in delivery",
                      (unsigned long long)(now_ms - queue->lease_until_ms));
    bool is_new = queue->lease_until_ms < now_ms;
    queue->lease_until_ms = until_ms;
    if (is_new)
        queue_wake(queue);
    return 0;
}

static int keep_lease(void *arg)
{
    struct queue *queue = arg;
    while (!queue->is_ended) {
        uint64_t pause_ms = queue->options.lease_ms / 3;
        if (renew_lease(queue) < 0 && pause_ms > BLOCKED_POLL_MS)
            pause_ms = BLOCKED_POLL_MS;
        task_stage("waiting to renew the lease on queued mail");
        if (!queue->is_ended)
            task_signal_wait(&queue->ended, task_in_ms(pause_ms));
    }
    return 0;
}

/* --- claiming --- */

static int claim(struct queue *queue, struct arena *arena, size_t *count,
                 uint64_t *closed_until_ms)
{
    struct store_claim wanted = {
        .owner = str_of(queue->owner),
        .now_ms = unix_now_ms(),
        .legs_max = queue->options.active_max - queue->attempt_count,
        .per_destination_max = queue->options.active_per_destination_max,
    };
    struct str *closed;
    schedule_closed(queue->schedule, arena, &closed, &wanted.not_to_count, closed_until_ms);
    wanted.not_to = closed;
    struct store_leg *legs = NULL;
    *count = 0;
    task_stage("claiming queued mail that is due");
    int result = queue_note_store(
        queue, store_queue_claim(queue->store, &wanted, arena, &legs, count));
    /* What was claimed while the queue began to close goes back with the lease. */
    for (size_t i = 0; i < *count && !queue->is_closing; i++)
        queue_attempt_start(queue, &legs[i]);
    if (result == 0 && *count < wanted.legs_max)
        schedule_swept(queue->schedule);
    return result;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* How long to wait after a claim that brought nothing. */
static uint64_t pause_until_due(struct queue *queue, uint64_t closed_until_ms)
{
    uint64_t now_ms = unix_now_ms(), next_ms = UINT64_MAX;
    if (queue_note_store(queue, store_queue_next(queue->store, now_ms, &next_ms)) < 0)
        return BLOCKED_POLL_MS;
    uint64_t loop_ms = task_now_ms();
    uint64_t closed_ms = closed_until_ms > loop_ms ? closed_until_ms - loop_ms : 0;
    if (next_ms <= now_ms) /* due, but its destination is closed or has enough of us */
        return lesser(closed_ms, BLOCKED_POLL_MS);
    return lesser(lesser(closed_ms, next_ms - now_ms), POLL_MS);
}

/* Claims what there is place for; how long to wait before the next time. */
static uint64_t claim_some(struct queue *queue)
{
    struct arena *arena = arena_new();
    size_t count;
    uint64_t closed_until_ms;
    uint64_t pause_ms = BLOCKED_POLL_MS;
    if (claim(queue, arena, &count, &closed_until_ms) == 0 && count == 0)
        pause_ms = pause_until_due(queue, closed_until_ms);
    arena_free(arena);
    return pause_ms;
}

static int work(void *arg)
{
    struct queue *queue = arg;
    while (!queue->is_closing) {
        uint64_t pause_ms = POLL_MS;
        queue->is_woken = false;
        queue->look_again_ms = UINT64_MAX;
        if (queue_has_lease(queue) && queue->attempt_count < queue->options.active_max)
            pause_ms = claim_some(queue);
        queue->look_again_ms = unix_now_ms() + pause_ms;
        task_stage("waiting for queued mail to be due");
        if (!queue->is_woken)
            task_signal_wait(&queue->woken, task_in_ms(pause_ms));
    }
    return 0;
}

void queue_wake(struct queue *queue)
{
    queue->is_woken = true;
    task_signal_raise(&queue->woken);
}

/* --- adding --- */

static uint64_t random_below(uint64_t bound)
{
    uint64_t lot;
    arc4random_buf(&lot, sizeof lot);
    return bound ? lot % bound : 0;
}

uint64_t queue_retry_at(const struct queue_options *options, uint32_t attempts,
                        uint64_t now_ms)
{
    uint64_t pause_ms = options->first_retry_ms;
    for (uint32_t i = 1; i < attempts && pause_ms < options->retry_max_ms; i++)
        pause_ms *= 2;
    pause_ms = lesser(pause_ms, options->retry_max_ms);
    return now_ms + pause_ms + random_below(pause_ms / 4 + 1);
}

int queue_add(struct queue *queue, const struct store_message *message,
              struct store_leg legs[], size_t leg_count)
{
    uint64_t now_ms = unix_now_ms(), first_ms = UINT64_MAX;
    for (size_t i = 0; i < leg_count; i++) {
        struct store_leg *leg = &legs[i];
        if (leg->next_ms == 0)
            leg->next_ms = leg->attempts
                               ? queue_retry_at(&queue->options, leg->attempts, now_ms)
                               : now_ms;
        first_ms = lesser(first_ms, leg->next_ms);
    }
    int result =
        queue_note_write(queue, store_queue_add(queue->store, message, legs, leg_count));
    if (result == 0 && first_ms < queue->look_again_ms)
        queue_wake(queue);
    return result;
}

/* --- opening and closing --- */

struct notice_options queue_keep_notices(const struct notice_options *notices)
{
    return (struct notice_options){
        .host_name = mem_copy_text(notices->host_name, strlen(notices->host_name)),
        .keys = notices->keys ? key_ring_keep((struct key_ring *)(uintptr_t)notices->keys)
                              : NULL,
    };
}

void queue_release_notices(struct notice_options *notices)
{
    free((char *)(uintptr_t)notices->host_name);
    key_ring_release((struct key_ring *)(uintptr_t)notices->keys);
}

/* Of a minute's messages a tenth may go at once. */
static struct rate *new_rate(const struct queue_options *options)
{
    return rate_new(options->rate_per_destination, options->rate_per_destination / 10,
                    RATE_KEYS_MAX);
}

struct queue *queue_open(const struct queue_options *options,
                         const struct notice_options *notices,
                         const struct queue_observer *observer, struct store *store,
                         struct delivery *delivery, struct str owner)
{
    struct queue *queue = mem_zero(1, sizeof *queue);
    queue->options = *options;
    queue->notices = queue_keep_notices(notices);
    if (observer)
        queue->observer = *observer;
    queue->store = store;
    queue->delivery = delivery;
    queue->owner = mem_copy_text(owner.at, owner.length);
    queue->schedule = schedule_new();
    queue->rate = new_rate(options);
    list_init(&queue->attempts);
    queue->legs = table_new();
    queue->lease_keeper = task_start("queue lease", keep_lease, queue);
    queue->worker = task_start("queue", work, queue);
    return queue;
}

void queue_reconfigure(struct queue *queue, const struct queue_options *options,
                       const struct notice_options *notices)
{
    struct notice_options before = queue->notices;
    if (options->rate_per_destination != queue->options.rate_per_destination) {
        rate_free(queue->rate);
        queue->rate = new_rate(options);
    }
    queue->options = *options;
    queue->notices = queue_keep_notices(notices);
    queue_release_notices(&before);
    queue_wake(queue);
}

static void wait_for_attempts(struct queue *queue, uint64_t deadline_ms)
{
    int result = 0;
    while (queue->attempt_count > 0 && result == 0)
        result = task_signal_wait(&queue->attempt_ended, deadline_ms);
}

void queue_close(struct queue *queue, uint64_t deadline_ms)
{
    queue->is_closing = true;
    queue_wake(queue);
    task_join(queue->worker);
    queue_attempt_cancel(queue, false);
    wait_for_attempts(queue, deadline_ms);
    queue_attempt_cancel(queue, true);
    wait_for_attempts(queue, TASK_FOREVER);
    queue->is_ended = true;
    task_signal_raise(&queue->ended);
    task_join(queue->lease_keeper);
    queue_note_store(queue, store_lease_release(queue->store, str_of(queue->owner)));
    table_free(queue->legs);
    schedule_free(queue->schedule);
    rate_free(queue->rate);
    queue_release_notices(&queue->notices);
    free(queue->owner);
    free(queue);
}

struct queue_status queue_status(const struct queue *queue)
{
    return (struct queue_status){queue->attempt_count,
                                 schedule_waiting_count(queue->schedule)};
}

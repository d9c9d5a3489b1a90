/* What the files of the queue know of each other: queue.c claims legs and hands each to an attempt (queue_attempt.c), a
 * task of its own; queue_settle.c writes what comes of it; queue_schedule.c knows which destinations may be asked. */
#pragma once

#include "queue.h"

#include "base/list.h"
#include "base/table.h"
#include "base/task.h"
#include "delivery/queue_schedule.h"
#include "delivery/rate.h"

struct queue {
    struct queue_options options;
    struct notice_options notices; /* host_name is ours; keys are kept */
    struct queue_observer observer;
    struct store *store;
    struct delivery *delivery;
    char *owner;
    struct schedule *schedule;
    struct rate *rate; /* per destination */

    struct task *worker, *lease_keeper;
    uint64_t lease_until_ms; /* Unix time; 0: never had one */
    bool is_closing;         /* nothing is begun any more */
    bool is_ended;           /* nothing is under way any more */
    struct task_signal ended;

    bool is_woken; /* the worker is to look again */
    struct task_signal woken;
    uint64_t look_again_ms; /* Unix time: when the worker will, unless woken */

    struct list attempts;
    struct table *legs; /* the id of each leg in delivery -> its attempt */
    size_t attempt_count;
    struct task_signal attempt_ended;
    uint64_t bytes; /* of messages in memory */
    struct task_signal bytes_freed;

    bool is_store_failing; /* and that has been reported */
    uint64_t
        failing_since_ms; /* of the loop: all writes since then were refused; 0: none */
};

/* Tells the administrator. */
void queue_trouble(struct queue *queue, struct str what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Every result of the store goes through here: a spell of failures is reported once. Returns it. */
int queue_note_store(struct queue *queue, int result);
/* The same for what was to be written. */
int queue_note_write(struct queue *queue, int result);
bool queue_has_lease(const struct queue *queue);
/* A copy with references of its own. */
struct notice_options queue_keep_notices(const struct notice_options *notices);
void queue_release_notices(struct notice_options *notices);

/* --- one leg in delivery --- */

struct queue_attempt {
    struct list node; /* in queue->attempts */
    struct queue *queue;
    struct task *task;
    struct arena *arena;
    struct store_leg leg;
    struct schedule_destination *destination;
    struct store_message message;
    struct delivery_result result;
    bool is_shared;        /* the result is another leg's */
    uint64_t bytes;        /* counted in queue->bytes */
    uint64_t give_back_ms; /* not tried: due again at; 0: goes back with the lease */
    bool is_claimed_again;
    bool must_not_be_cut; /* with a peer, or its outcome is being written */
};

/* Starts on a leg that has just been claimed; it is copied. */
void queue_attempt_start(struct queue *queue, const struct store_leg *leg);
/* Ends those that are not with a peer, or all of them: without counting an attempt. */
void queue_attempt_cancel(struct queue *queue, bool even_sending);

/* --- what comes of it --- */

enum queue_fate { QUEUE_DELIVERED, QUEUE_REFUSED, QUEUE_EXPIRED, QUEUE_DEFERRED };

/* By its result. */
enum queue_fate queue_fate_of(const struct queue_attempt *attempt);
bool queue_is_delay_due(const struct queue_attempt *attempt);
/* By the leg's own back-off; the last time just as its lifetime ends. */
uint64_t queue_next_attempt_ms(const struct queue_attempt *attempt);
/* Writes the outcome, with the notice that goes with it, and tells the observer. */
void queue_settle(struct queue_attempt *attempt);
/* Not tried: as it was, but due at give_back_ms. */
void queue_give_back(struct queue_attempt *attempt);

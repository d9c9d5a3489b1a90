/* The durable queue: what could not be delivered in session, tried again until it is delivered or given up.
 *
 *     added --due, claimed--> in delivery --2xx--> ended
 *                 ^               | 4xx              | 5xx, or too old: given up, its sender told
 *                 `---back-off----'
 *
 * Each host of the service works on the same queue; leases in the store keep two from sending the same leg. A leg ends
 * in the store before anything else is done with it, so a crash repeats at most what a peer was taking just then. */
#pragma once

#include "base/err.h"
#include "delivery/delivery.h"
#include "delivery/failure.h"
#include "delivery/notice.h"
#include "store/store.h"

struct queue_options {
    uint64_t first_retry_ms;             /* 1 min, then doubling with jitter … */
    uint64_t retry_max_ms;               /* … to 4 h */
    uint64_t lifetime_ms;                /* 5 days; notices: half of it */
    uint64_t delay_notice_ms;            /* a notice of delay after; 0: none */
    uint32_t active_max;                 /* legs in delivery in this host: 200 */
    uint32_t active_per_destination_max; /* 10 */
    uint32_t rate_per_destination; /* messages a minute to one recipient domain; 0: any */
    uint64_t
        lease_ms; /* 20 s: renewed at a third; a crashed host's mail is taken over within it and 10 s */
};

/* Told of what happens, in the task that does it; all may be NULL. */
struct queue_observer {
    void *arg;
    /* Each attempt: OK (ended), temporary (again at leg->next_ms) or permanent or too old (`is_final`, given up). */
    void (*attempted)(void *arg, const struct store_message *message,
                      const struct store_leg *leg, const struct delivery_result *result,
                      bool is_final);
    /* A notice was queued for the sender. */
    void (*noticed)(void *arg, const struct store_message *message,
                    const struct store_leg *leg, enum notice_action action,
                    const struct store_message *notice);
    /* Something of ours that an administrator must know. */
    void (*troubled)(void *arg, struct str what, struct str detail);
};

struct queue;

/* `store`, `delivery` and the observer are borrowed; options are copied. `owner` names this host among all, also
 * of those that were before. Starts working at once. */
struct queue *queue_open(const struct queue_options *options,
                         const struct notice_options *notices,
                         const struct queue_observer *observer, struct store *store,
                         struct delivery *delivery, struct str owner);
/* For what is begun from now on. Copied; keys are kept. */
void queue_reconfigure(struct queue *queue, const struct queue_options *options,
                       const struct notice_options *notices);
/* Adds a message: when it returns 0 it is on stable storage and will be worked on, by this host or another. The legs'
 * first attempt (`attempts` says how many were made in session) is at next_ms; 0: by the back-off's first step after
 * an attempt, at once without one. */
int queue_add(struct queue *queue, const struct store_message *message,
              struct store_leg legs[], size_t leg_count);
/* When a leg that has failed so often is to be tried again: with jitter of a quarter. */
uint64_t queue_retry_at(const struct queue_options *options, uint32_t attempts,
                        uint64_t now_ms);
/* Something may be due that this host does not know of (an administrator's command). */
void queue_wake(struct queue *queue);
/* Begins nothing more, waits (in a task that is not cancelled) until `deadline_ms` for what is in delivery, cancels the
 * rest, gives the leases back. */
void queue_close(struct queue *queue, uint64_t deadline_ms);

/* Whether the store has refused all that it was asked to write for two seconds: what a 250 promises could not be kept, nor could be
 * remembered what was delivered. The lease asks again all the time. */
bool queue_is_failing(const struct queue *queue);

/* For `postern status`. */
struct queue_status {
    size_t active;               /* legs in delivery in this host */
    size_t destinations_waiting; /* in back-off */
};
struct queue_status queue_status(const struct queue *queue);

/* Which destinations may be asked now. A destination that fails as a whole (no DNS, no connection, 421 …) is left alone
 * for a while; then one leg is its probe, and the others learn from that one's outcome instead of failing each for
 * themselves. In memory, each host for itself. Times are the loop's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "delivery/delivery.h"

struct schedule;
struct schedule_destination;

/* For how long a destination is left alone: after its first failure, doubling up to the second. */
struct schedule_backoff {
    uint64_t first_ms, max_ms;
};

struct schedule *schedule_new(void);
/* Nobody may be at a destination. */
void schedule_free(struct schedule *schedule);

/* A leg is at its destination from its claim to its end. */
struct schedule_destination *schedule_enter(struct schedule *schedule, struct str name);
void schedule_leave(struct schedule *schedule, struct schedule_destination *destination);

/* What a leg may do. */
enum schedule_turn {
    SCHEDULE_GO,    /* be sent; schedule_end follows */
    SCHEDULE_SHARE, /* take the outcome of the last probe for its own */
    SCHEDULE_LATER, /* a probe is under way: come back when it has ended */
};
struct schedule_ticket {
    struct schedule_destination *destination;
    uint64_t spell;
    bool is_probe;
};
/* With `insists` it is never to share. */
enum schedule_turn schedule_begin(struct schedule_destination *destination, bool insists,
                                  struct schedule_ticket *ticket);

enum schedule_news {
    SCHEDULE_ALIVE,   /* it has spoken about a message, whatever it said */
    SCHEDULE_DEAD,    /* it has failed as a whole */
    SCHEDULE_NO_NEWS, /* it was not asked in the end */
};
void schedule_end(const struct schedule_ticket *ticket, enum schedule_news news,
                  const struct delivery_result *result, struct schedule_backoff backoff);

/* What the last probe has met, while the destination is left alone: status, reply, is_from_peer, peer and
 * is_of_destination; and until when. */
void schedule_outcome(const struct schedule_destination *destination, struct arena *arena,
                      struct delivery_result *result, uint64_t *until_ms);

/* A limit of ours: not to be asked before. */
void schedule_hold_back(struct schedule_destination *destination, uint64_t until_ms);

/* Destinations that no leg is to be claimed for now, in the arena, and when the first of them may be asked again
 * (TASK_FOREVER: none of them by itself). One that has just failed is not among them until schedule_swept: its due
 * legs are to learn of it. */
void schedule_closed(struct schedule *schedule, struct arena *arena, struct str **names,
                     size_t *count, uint64_t *until_ms);
/* A claim after the last schedule_closed has brought all that is due: a destination that was asked for legs and has
 * none here now has none left. */
void schedule_swept(struct schedule *schedule);

/* Destinations left alone. */
size_t schedule_waiting_count(const struct schedule *schedule);

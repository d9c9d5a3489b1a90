/*      open --fails--> down --time--> due --a leg begins--> probed
 *        ^              ^                                   |  |
 *        |              `-------------- fails --------------'  |
 *        `--------------------- speaks ------------------------'
 *
 * A failure counts once for all legs that were under way when it came: each carries the number of the spell in which
 * it began, and a spell ends with every failure or sign of life that counts.
 *
 * Invariants: an open destination is kept only while legs are at it; probed means that exactly one ticket out there
 * has is_probe. */
#include "queue_schedule.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"
#include "base/task.h"

/* A destination that nobody has asked for so long after its time begins anew. */
#define FORGET_MS (60 * 60 * UINT64_C(1000))

struct schedule_destination {
    size_t leg_count; /* at it */
    uint64_t spell;
    uint32_t failure_count; /* one after the other; 0: open */
    uint64_t until_ms;      /* down until */
    uint64_t held_until_ms; /* by a limit of ours */
    bool is_probed;
    bool is_asked; /* since schedule_closed: its legs may be claimed though it is down */
    bool is_swept; /* of its due legs all know that it is down */
    struct reply reply; /* of the last failure */
    bool is_from_peer;
    char *peer;
    struct str name; /* its bytes follow the struct */
};

struct schedule {
    struct table *destinations;
};

struct schedule *schedule_new(void)
{
    struct schedule *schedule = mem_zero(1, sizeof *schedule);
    schedule->destinations = table_new();
    return schedule;
}

static void destination_free(struct schedule_destination *destination)
{
    invariant(destination->leg_count == 0, "queue: a destination ends with legs at it");
    free(destination->peer);
    free(destination);
}

static void forget(struct schedule *schedule, struct schedule_destination *destination)
{
    table_remove(schedule->destinations, destination->name);
    destination_free(destination);
}

void schedule_free(struct schedule *schedule)
{
    struct str name;
    void *value;
    for (size_t at = 0; table_next(schedule->destinations, &at, &name, &value);)
        destination_free(value);
    table_free(schedule->destinations);
    free(schedule);
}

struct schedule_destination *schedule_enter(struct schedule *schedule, struct str name)
{
    struct schedule_destination *destination = table_get(schedule->destinations, name);
    if (!destination) {
        destination = mem_zero(1, sizeof *destination + name.length + 1);
        memcpy(destination + 1, name.at, name.length);
        destination->name = (struct str){(char *)(destination + 1), name.length};
        table_set(schedule->destinations, name, destination);
    }
    destination->leg_count++;
    return destination;
}

void schedule_leave(struct schedule *schedule, struct schedule_destination *destination)
{
    bool is_held = destination->held_until_ms > task_now_ms();
    if (--destination->leg_count == 0 && destination->failure_count == 0 && !is_held)
        forget(schedule, destination);
}

/* --- turns --- */

static bool is_down(const struct schedule_destination *destination)
{
    return destination->failure_count > 0 && destination->until_ms > task_now_ms();
}

enum schedule_turn schedule_begin(struct schedule_destination *destination, bool insists,
                                  struct schedule_ticket *ticket)
{
    if (destination->is_probed)
        return SCHEDULE_LATER;
    if (is_down(destination) && !insists)
        return SCHEDULE_SHARE;
    destination->is_probed = destination->failure_count > 0;
    *ticket =
        (struct schedule_ticket){destination, destination->spell, destination->is_probed};
    return SCHEDULE_GO;
}

static uint64_t backoff_ms(struct schedule_backoff backoff, uint32_t failure_count)
{
    uint64_t pause_ms = backoff.first_ms;
    while (--failure_count > 0 && pause_ms < backoff.max_ms)
        pause_ms *= 2;
    return pause_ms < backoff.max_ms ? pause_ms : backoff.max_ms;
}

static void go_down(struct schedule_destination *destination,
                    const struct delivery_result *result, struct schedule_backoff backoff)
{
    destination->failure_count++;
    destination->until_ms = task_in_ms(backoff_ms(backoff, destination->failure_count));
    destination->is_asked = destination->is_swept = false;
    destination->reply = result->reply;
    destination->is_from_peer = result->is_from_peer;
    free(destination->peer);
    destination->peer = mem_copy_text(result->peer.at, result->peer.length);
}

void schedule_end(const struct schedule_ticket *ticket, enum schedule_news news,
                  const struct delivery_result *result, struct schedule_backoff backoff)
{
    struct schedule_destination *destination = ticket->destination;
    bool is_news = news == SCHEDULE_ALIVE ||
                   (news == SCHEDULE_DEAD && ticket->spell == destination->spell);
    if (is_news)
        destination->spell++;
    if (is_news && news == SCHEDULE_DEAD)
        go_down(destination, result, backoff);
    else if (is_news)
        destination->failure_count = 0;
    if (ticket->is_probe)
        destination->is_probed = false;
}

void schedule_outcome(const struct schedule_destination *destination, struct arena *arena,
                      struct delivery_result *result, uint64_t *until_ms)
{
    *result = (struct delivery_result){
        .status = DELIVERY_TEMPORARY,
        .reply = destination->reply,
        .is_from_peer = destination->is_from_peer,
        .peer = arena_str(arena, str_of(destination->peer)),
        .tls = STR(""),
        .is_of_destination = true,
    };
    *until_ms = destination->until_ms;
}

void schedule_hold_back(struct schedule_destination *destination, uint64_t until_ms)
{
    destination->held_until_ms = until_ms;
}

/* --- what to claim for --- */

/* Until when none of its legs is to be claimed; 0: they may be. */
static uint64_t closed_until_ms(const struct schedule_destination *destination,
                                uint64_t now_ms)
{
    if (destination->is_probed)
        return TASK_FOREVER;
    if (destination->held_until_ms > now_ms)
        return destination->held_until_ms;
    return is_down(destination) && destination->is_swept ? destination->until_ms : 0;
}

static bool is_forgettable(const struct schedule_destination *destination, uint64_t now_ms)
{
    return destination->leg_count == 0 && destination->held_until_ms <= now_ms &&
           (destination->failure_count == 0 || destination->until_ms + FORGET_MS <= now_ms);
}

void schedule_closed(struct schedule *schedule, struct arena *arena, struct str **names,
                     size_t *count, uint64_t *until_ms)
{
    uint64_t now_ms = task_now_ms();
    struct schedule_destination *forgettable = NULL;
    *names = arena_array(arena, struct str, table_count(schedule->destinations) + 1);
    *count = 0;
    *until_ms = TASK_FOREVER;
    struct str name;
    void *value;
    for (size_t at = 0; table_next(schedule->destinations, &at, &name, &value);) {
        struct schedule_destination *destination = value;
        uint64_t closed_ms = closed_until_ms(destination, now_ms);
        destination->is_asked = closed_ms == 0;
        if (closed_ms > 0)
            (*names)[(*count)++] = arena_str(arena, destination->name);
        if (closed_ms > 0 && closed_ms < *until_ms)
            *until_ms = closed_ms;
        if (is_forgettable(destination, now_ms))
            forgettable = destination;
    }
    if (forgettable) /* one at a time, as the table must not change within its walk */
        forget(schedule, forgettable);
}

void schedule_swept(struct schedule *schedule)
{
    struct str name;
    void *value;
    for (size_t at = 0; table_next(schedule->destinations, &at, &name, &value);) {
        struct schedule_destination *destination = value;
        if (destination->is_asked && destination->leg_count == 0)
            destination->is_swept = true;
    }
}

size_t schedule_waiting_count(const struct schedule *schedule)
{
    size_t count = 0;
    struct str name;
    void *value;
    for (size_t at = 0; table_next(schedule->destinations, &at, &name, &value);)
        count += is_down(value);
    return count;
}

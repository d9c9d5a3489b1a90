/* Leases, and the claims that give legs to their owners.
 *
 * A claim asks which destinations have something due, those served longest ago first (`turn`), and takes one leg of
 * each in turn, then a second one, until it has enough. Within a destination it looks at those that became due last,
 * LOOK_MAX of them, and takes the youngest messages: young mail is due as soon as it comes, so this is the youngest
 * first but in a backlog longer than that, where what is old waits its turn anyway. */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"
#include "leg.h"
#include "owner.h"

#include "base/table.h"

#define LOOK_MAX "256"

/* --- leases --- */

int store_lease_renew(struct store *store, struct str owner, uint64_t now_ms,
                      uint64_t until_ms)
{
    struct store_lease lease = {owner, until_ms};
    return until_ms > now_ms
               ? store_lane_run(&store->queue_writer, store_owner_renew, &lease)
               : -EINVAL;
}

static int release(struct store_database *database, void *arg)
{
    const struct store_lease *lease = arg;
    uint64_t number;
    int result = store_owner_find(database, lease->owner, &number);
    if (result < 0 || number == UINT64_MAX)
        return result;
    return store_owner_end(database, number);
}

int store_lease_release(struct store *store, struct str owner)
{
    struct store_lease lease = {.owner = owner};
    return store_lane_run(&store->queue_writer, release, &lease);
}

/* --- claims --- */

struct destination {
    struct str name;
    uint64_t turn;
    uint64_t *legs; /* their ids, in the order to take them */
    size_t leg_count;
};

struct claiming {
    const struct store_claim *claim;
    struct arena *arena; /* for what is claimed */
    struct store_leg *legs;
    size_t count;
    struct str *damaged; /* messages: their ids */
    size_t damaged_count;
    uint64_t owner;
    struct arena *scratch;
    struct table *
        held; /* destination -> a size_t: legs that the owner has; those not to ask: SIZE_MAX */
    struct destination *due;
    size_t due_count, visited_count;
    uint64_t last_turn;
};

static void hold(struct claiming *claiming, struct str destination, size_t count)
{
    size_t *held = arena_new_of(claiming->scratch, size_t);
    *held = count;
    table_set(claiming->held, destination, held);
}

static int count_held(struct store_database *database, struct claiming *claiming)
{
    struct store_query query = store_query_begin(
        database,
        "SELECT destination, count(*) FROM leg WHERE owner = ? GROUP BY destination");
    store_query_number(&query, claiming->owner);
    int result;
    while ((result = store_query_next(&query)) > 0) {
        struct str name = store_query_take_bytes(&query);
        hold(claiming, name, (size_t)store_query_take_number(&query));
    }
    const struct store_claim *claim = claiming->claim;
    for (size_t i = 0; i < claim->not_to_count; i++)
        hold(claiming, claim->not_to[i], SIZE_MAX);
    return result;
}

/* How many more legs the owner may have to this destination. */
static size_t room_for(const struct claiming *claiming, struct str destination)
{
    const size_t *held = table_get(claiming->held, destination);
    size_t most = claiming->claim->per_destination_max;
    size_t room = !held ? most : *held < most ? most - *held : 0;
    return room < claiming->claim->legs_max ? room : claiming->claim->legs_max;
}

static void add_due(struct claiming *claiming, struct store_query *query, size_t *capacity)
{
    if (claiming->due_count == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 64;
        struct destination *grown =
            arena_array(claiming->scratch, struct destination, *capacity);
        if (claiming->due_count)
            memcpy(grown, claiming->due, claiming->due_count * sizeof *grown);
        claiming->due = grown;
    }
    struct destination *due = &claiming->due[claiming->due_count];
    due->name = store_query_take_str(query, claiming->scratch);
    due->turn = store_query_take_number(query);
    if (due->turn > claiming->last_turn)
        claiming->last_turn = due->turn;
    if (room_for(claiming, due->name))
        claiming->due_count++;
}

static int by_turn(const void *a, const void *b)
{
    const struct destination *one = a, *other = b;
    return (one->turn > other->turn) - (one->turn < other->turn);
}

static int find_due(struct store_database *database, struct claiming *claiming)
{
    struct store_query query = store_query_begin(
        database, "SELECT name, turn FROM destination WHERE next_ms <= ? ORDER BY next_ms");
    store_query_number(&query, claiming->claim->now_ms);
    size_t capacity = 0;
    int result;
    while ((result = store_query_next(&query)) > 0)
        add_due(claiming, &query, &capacity);
    if (claiming->due_count)
        qsort(claiming->due, claiming->due_count, sizeof *claiming->due, by_turn);
    return result;
}

static int look_at(struct store_database *database, struct claiming *claiming,
                   struct destination *destination)
{
    size_t room = room_for(claiming, destination->name);
    destination->legs = arena_array(claiming->scratch, uint64_t, room);
    struct store_query query = store_query_begin(
        database, "SELECT id FROM (SELECT id, created_ms FROM leg INDEXED BY leg_due"
                  " WHERE state = 0 AND owner IS NULL AND destination = ? AND next_ms <= ?"
                  " ORDER BY next_ms DESC LIMIT " LOOK_MAX ")"
                  " ORDER BY created_ms DESC, id DESC LIMIT ?");
    store_query_text(&query, destination->name);
    store_query_number(&query, claiming->claim->now_ms);
    store_query_number(&query, room);
    int result;
    while ((result = store_query_next(&query)) > 0)
        destination->legs[destination->leg_count++] = store_query_take_number(&query);
    return result;
}

/* Until there are enough destinations for a leg of each. */
static int look_at_due(struct store_database *database, struct claiming *claiming)
{
    size_t found = 0;
    int result = 0;
    while (result == 0 && found < claiming->claim->legs_max &&
           claiming->visited_count < claiming->due_count) {
        struct destination *destination = &claiming->due[claiming->visited_count++];
        result = look_at(database, claiming, destination);
        found += destination->leg_count != 0;
    }
    return result;
}

static int set_aside(struct store_database *database, struct claiming *claiming,
                     const struct store_leg *leg)
{
    claiming->damaged[claiming->damaged_count++] = leg->message_id;
    struct store_query query =
        store_query_begin(database, "UPDATE leg SET state = 2, owner = NULL WHERE id = ?");
    store_query_number(&query, leg->id);
    return store_query_run(&query);
}

static int take_leg(struct store_database *database, struct claiming *claiming, uint64_t id)
{
    struct store_query query =
        store_query_begin(database, "UPDATE leg SET owner = ? WHERE id = ?");
    store_query_number(&query, claiming->owner);
    store_query_number(&query, id);
    int result = store_query_run(&query);
    if (result < 0)
        return result;
    query = store_query_begin(database, STORE_LEG_SELECT " WHERE leg.id = ?");
    store_query_number(&query, id);
    result = store_query_next(&query);
    if (result <= 0)
        return result;
    struct store_leg *leg = &claiming->legs[claiming->count];
    store_leg_take(&query, claiming->arena, leg);
    store_query_end(&query);
    if (leg->state == STORE_SET_ASIDE)
        return set_aside(database, claiming, leg);
    claiming->count++;
    return 0;
}

static int deal_out(struct store_database *database, struct claiming *claiming)
{
    bool is_taken = true;
    for (size_t round = 0; is_taken; round++) {
        is_taken = false;
        for (size_t i = 0; i < claiming->visited_count; i++) {
            const struct destination *destination = &claiming->due[i];
            if (round >= destination->leg_count)
                continue;
            if (claiming->count + claiming->damaged_count == claiming->claim->legs_max)
                return 0;
            int result = take_leg(database, claiming, destination->legs[round]);
            if (result < 0)
                return result;
            is_taken = true;
        }
    }
    return 0;
}

/* What is left there, and that it was served. */
static int update_destination(struct store_database *database, struct claiming *claiming,
                              const struct destination *destination)
{
    struct store_query query =
        store_query_begin(database, "SELECT next_ms FROM leg INDEXED BY leg_due"
                                    " WHERE state = 0 AND owner IS NULL AND destination = ?"
                                    " ORDER BY next_ms LIMIT 1");
    store_query_text(&query, destination->name);
    uint64_t next_ms;
    bool is_empty = false;
    int result = store_query_next(&query);
    if (result < 0)
        return result;
    is_empty = result == 0;
    next_ms = is_empty ? 0 : store_query_take_number(&query);
    store_query_end(&query);
    if (is_empty) {
        query = store_query_begin(database, "DELETE FROM destination WHERE name = ?");
    } else {
        query = store_query_begin(
            database, "UPDATE destination SET next_ms = ?, turn = ? WHERE name = ?");
        store_query_number(&query, next_ms);
        store_query_number(&query, ++claiming->last_turn);
    }
    store_query_text(&query, destination->name);
    return store_query_run(&query);
}

static int claim_legs(struct store_database *database, struct claiming *claiming)
{
    int result = count_held(database, claiming);
    if (result == 0)
        result = find_due(database, claiming);
    if (result == 0)
        result = look_at_due(database, claiming);
    if (result == 0)
        result = deal_out(database, claiming);
    for (size_t i = 0; result == 0 && i < claiming->visited_count; i++)
        result = update_destination(database, claiming, &claiming->due[i]);
    return result;
}

static int claim_operation(struct store_database *database, void *arg)
{
    struct claiming *claiming = arg;
    const struct store_claim *claim = claiming->claim;
    int result = store_owner_reap(database, claim->now_ms);
    if (result == 0)
        result = store_owner_find(database, claim->owner, &claiming->owner);
    if (result < 0)
        return result;
    if (claiming->owner == UINT64_MAX)
        return -ESTALE;
    result = store_arrivals_free(database, claim->now_ms);
    if (result < 0)
        return result;
    claiming->legs = arena_array(claiming->arena, struct store_leg, claim->legs_max);
    claiming->count = claiming->due_count = claiming->visited_count = 0;
    claiming->damaged = arena_array(claiming->arena, struct str, claim->legs_max);
    claiming->damaged_count = 0;
    claiming->due = NULL;
    claiming->last_turn = 0;
    claiming->scratch = arena_new();
    claiming->held = table_new();
    result = claim_legs(database, claiming);
    table_free(claiming->held);
    arena_free(claiming->scratch);
    return result;
}

int store_queue_claim(struct store *store, const struct store_claim *claim,
                      struct arena *arena, struct store_leg **legs, size_t *count)
{
    struct claiming claiming = {.claim = claim, .arena = arena};
    store_keep_up(store);
    int result = store_lane_run(&store->queue_writer, claim_operation, &claiming);
    for (size_t i = 0; result == 0 && i < claiming.damaged_count; i++)
        store_tell(store, STORE_ENTRY_SET_ASIDE, "%.*s: its envelope is not what it was",
                   STR_ARG(claiming.damaged[i]));
    *legs = result == 0 ? claiming.legs : NULL;
    *count = result == 0 ? claiming.count : 0;
    return result;
}

/* --- when next --- */

struct next {
    uint64_t now_ms, next_ms;
};

static int find_next(struct store_database *database, void *arg)
{
    struct next *next = arg;
    struct store_query query = store_query_begin(
        database,
        "SELECT min(next_ms) FROM (SELECT min(next_ms) AS next_ms FROM destination"
        " UNION ALL SELECT min(next_ms) FROM leg WHERE owner = 0)");
    int result = store_query_get_number(&query, &next->next_ms, UINT64_MAX);
    if (result < 0)
        return result;
    query = store_query_begin(
        database,
        "SELECT min(leg.next_ms) FROM owner CROSS JOIN leg ON leg.owner = owner.number"
        " WHERE owner.until_ms <= ? AND leg.state = 0");
    store_query_number(&query, next->now_ms);
    uint64_t of_dead_ms;
    result = store_query_get_number(&query, &of_dead_ms, UINT64_MAX);
    if (of_dead_ms < next->next_ms)
        next->next_ms = of_dead_ms;
    return result;
}

int store_queue_next(struct store *store, uint64_t now_ms, uint64_t *next_ms)
{
    struct next next = {.now_ms = now_ms};
    int result = store_lane_run(&store->queue_reader, find_next, &next);
    *next_ms = next.next_ms;
    return result;
}

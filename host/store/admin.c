/* What administrators see of the queue, and do to it: on the legs that a filter finds. */
#include <errno.h>

#include "internal.h"

/* Changes are made in pieces, so that no host waits long for its own. */
#define LEGS_PER_CHANGE 1000

/* ?1: message id (in the one form of the query), ?2 … ?5: the rest of the filter, ?6: legs after this one. */
#define MATCHES                                                                            \
    " (?2 = '' OR leg.destination = ?2) AND (?3 = '' OR leg.recipient = ?3)"               \
    " AND (?4 = '' OR message.reverse_path = ?4) AND (?5 = 0 OR leg.state = ?5 - 1)"       \
    " AND leg.id > ?6"
#define OF_MESSAGE " WHERE message.id = ?1 AND" MATCHES
#define OF_ANY     " WHERE ?1 = '' AND" MATCHES

static void bind_filter(struct store_query *query, const struct store_filter *filter,
                        uint64_t after_leg)
{
    store_query_text(query, filter->message_id);
    store_query_text(query, filter->destination);
    store_query_text(query, filter->recipient);
    store_query_text(query, filter->reverse_path);
    store_query_number(query, filter->state < 0 ? 0 : (uint64_t)filter->state + 1);
    store_query_number(query, after_leg);
}

/* --- seen --- */

struct listing {
    const struct store_filter *filter;
    struct arena *arena;
    struct store_leg *legs;
    size_t count, capacity;
};

static struct store_leg *add_listed(struct listing *listing)
{
    if (listing->count == listing->capacity) {
        listing->capacity = listing->capacity ? 2 * listing->capacity : 16;
        struct store_leg *grown =
            arena_array(listing->arena, struct store_leg, listing->capacity);
        if (listing->count)
            memcpy(grown, listing->legs, listing->count * sizeof *grown);
        listing->legs = grown;
    }
    return &listing->legs[listing->count++];
}

static int list_legs(struct store_database *database, void *arg)
{
    struct listing *listing = arg;
    const struct store_filter *filter = listing->filter;
    struct store_query query = store_query_begin(
        database, filter->message_id.length
                      ? STORE_LEG_SELECT OF_MESSAGE " ORDER BY leg.id LIMIT ?7 OFFSET ?8"
                      : STORE_LEG_SELECT OF_ANY " ORDER BY leg.id LIMIT ?7 OFFSET ?8");
    bind_filter(&query, filter, 0);
    store_query_number(&query, filter->limit);
    store_query_number(&query, filter->offset);
    int result;
    while ((result = store_query_next(&query)) > 0)
        store_leg_take(&query, listing->arena, add_listed(listing));
    return result;
}

int store_queue_list(struct store *store, const struct store_filter *filter,
                     struct arena *arena, struct store_leg **legs, size_t *count)
{
    struct listing listing = {.filter = filter, .arena = arena};
    int result = store_lane_run(&store->queue_reader, list_legs, &listing);
    *legs = result == 0 ? listing.legs : NULL;
    *count = result == 0 ? listing.count : 0;
    return result;
}

struct summing {
    uint64_t now_ms;
    struct store_queue_sum *sum;
};

static int sum_messages(struct store_database *database, struct store_queue_sum *sum)
{
    struct store_query query = store_query_begin(
        database, "SELECT count(*), ifnull(sum(bytes), 0), ifnull(min(created_ms), 0)"
                  " FROM message");
    int result = store_query_next(&query);
    if (result <= 0)
        return result;
    sum->messages = store_query_take_number(&query);
    sum->bytes = store_query_take_number(&query);
    sum->oldest_ms = store_query_take_number(&query);
    store_query_end(&query);
    return 0;
}

static int sum_legs(struct store_database *database, const struct summing *summing)
{
    struct store_query query = store_query_begin(
        database, "SELECT count(*), ifnull(sum(state = 1), 0), ifnull(sum(state = 2), 0),"
                  " ifnull(sum(owner IN (SELECT number FROM owner WHERE until_ms > ?)), 0)"
                  " FROM leg");
    store_query_number(&query, summing->now_ms);
    int result = store_query_next(&query);
    if (result <= 0)
        return result;
    summing->sum->legs = store_query_take_number(&query);
    summing->sum->held = store_query_take_number(&query);
    summing->sum->set_aside = store_query_take_number(&query);
    summing->sum->in_delivery = store_query_take_number(&query);
    store_query_end(&query);
    return 0;
}

static int sum_all(struct store_database *database, void *arg)
{
    const struct summing *summing = arg;
    int result = sum_messages(database, summing->sum);
    return result < 0 ? result : sum_legs(database, summing);
}

int store_queue_summary(struct store *store, uint64_t now_ms, struct store_queue_sum *sum)
{
    *sum = (struct store_queue_sum){0};
    struct summing summing = {now_ms, sum};
    return store_lane_run(&store->queue_reader, sum_all, &summing);
}

/* --- done --- */

struct found_leg {
    uint64_t id, message;
};

struct change {
    const struct store_filter *filter;
    /* On one leg that nobody is sending: 1 when it was changed, 0 when there was nothing to do. */
    int (*apply)(struct store_database *database, struct change *change,
                 const struct found_leg *leg);
    uint64_t now_ms;
    uint64_t after_leg, last_leg; /* those up to after_leg are done; now up to last_leg */
    size_t seen, changed;
    struct arena *arena;
    struct str *files; /* of messages that have ended */
    size_t file_count;
};

static int find_legs(struct store_database *database, const struct change *change,
                     struct found_leg legs[LEGS_PER_CHANGE], size_t *count)
{
#define FREE_LEGS                                                                          \
    "SELECT leg.id, leg.message FROM leg JOIN message ON message.number = leg.message"
#define IN_ORDER " AND ifnull(leg.owner, 0) = 0 ORDER BY leg.id LIMIT ?7"
    struct store_query query = store_query_begin(
        database, change->filter->message_id.length ? FREE_LEGS OF_MESSAGE IN_ORDER
                                                    : FREE_LEGS OF_ANY IN_ORDER);
    bind_filter(&query, change->filter, change->after_leg);
    store_query_number(&query, LEGS_PER_CHANGE);
    int result;
    *count = 0;
    while ((result = store_query_next(&query)) > 0 && *count < LEGS_PER_CHANGE) {
        legs[*count].id = store_query_take_number(&query);
        legs[*count].message = store_query_take_number(&query);
        ++*count;
    }
    return result;
}

static int change_legs(struct store_database *database, void *arg)
{
    struct change *change = arg;
    struct found_leg *legs = arena_array(change->arena, struct found_leg, LEGS_PER_CHANGE);
    int result = store_owner_reap(database, change->now_ms);
    if (result == 0)
        result = find_legs(database, change, legs, &change->seen);
    change->changed = change->file_count = 0;
    change->files = arena_array(change->arena, struct str, change->seen);
    for (size_t i = 0; result >= 0 && i < change->seen; i++) {
        result = change->apply(database, change, &legs[i]);
        change->changed += result > 0;
        change->last_leg = legs[i].id;
    }
    return result < 0 ? result : 0;
}

static int change_all(struct store *store, struct change *change, uint64_t *count)
{
    *count = 0;
    int result = 0;
    do {
        change->arena = arena_new();
        result = store_lane_run(&store->queue_writer, change_legs, change);
        if (result == 0)
            *count += change->changed;
        change->after_leg = change->last_leg;
        for (size_t i = 0; result == 0 && i < change->file_count; i++)
            store_remove_file(store, change->files[i]);
        arena_free(change->arena);
    } while (result == 0 && change->seen == LEGS_PER_CHANGE);
    return result;
}

/* Whether the statement, which is about this leg, changed it. */
static int run_on(struct store_query *query, uint64_t leg_id)
{
    store_query_number(query, leg_id);
    int result = store_query_change(query);
    return result == -ESTALE ? 0 : result < 0 ? result : 1;
}

static int make_due(struct store_database *database, struct change *change,
                    const struct found_leg *leg)
{
    struct store_query query = store_query_begin(
        database,
        "UPDATE leg SET next_ms = ?, owner = NULL WHERE id = ? AND state IN (0, 1)");
    store_query_number(&query, change->now_ms);
    int result = run_on(&query, leg->id);
    if (result <= 0)
        return result;
    result = store_destination_wait_for_leg(database, leg->id);
    return result < 0 ? result : 1;
}

static int hold(struct store_database *database, struct change *change,
                const struct found_leg *leg)
{
    (void)change;
    struct store_query query = store_query_begin(
        database, "UPDATE leg SET state = 1, owner = NULL WHERE id = ? AND state = 0");
    return run_on(&query, leg->id);
}

static int release(struct store_database *database, struct change *change,
                   const struct found_leg *leg)
{
    struct store_query query = store_query_begin(
        database, "UPDATE leg SET state = 0, next_ms = ? WHERE id = ? AND state = 1");
    store_query_number(&query, change->now_ms);
    int result = run_on(&query, leg->id);
    if (result <= 0)
        return result;
    result = store_destination_wait_for_leg(database, leg->id);
    return result < 0 ? result : 1;
}

static int drop(struct store_database *database, struct change *change,
                const struct found_leg *leg)
{
    int result = store_leg_delete(database, leg->id);
    if (result < 0)
        return result;
    struct str file = {NULL, 0};
    result = store_message_end(database, leg->message, change->arena, &file);
    if (file.length)
        change->files[change->file_count++] = file;
    return result < 0 ? result : 1;
}

int store_queue_make_due(struct store *store, const struct store_filter *filter,
                         uint64_t now_ms, uint64_t *count)
{
    struct change change = {.filter = filter, .apply = make_due, .now_ms = now_ms};
    return change_all(store, &change, count);
}

int store_queue_hold(struct store *store, const struct store_filter *filter,
                     uint64_t *count)
{
    struct change change = {.filter = filter, .apply = hold, .now_ms = store_clock_ms()};
    return change_all(store, &change, count);
}

int store_queue_release(struct store *store, const struct store_filter *filter,
                        uint64_t now_ms, uint64_t *count)
{
    struct change change = {.filter = filter, .apply = release, .now_ms = now_ms};
    return change_all(store, &change, count);
}

int store_queue_drop(struct store *store, const struct store_filter *filter,
                     uint64_t *count)
{
    struct change change = {.filter = filter, .apply = drop, .now_ms = store_clock_ms()};
    return change_all(store, &change, count);
}

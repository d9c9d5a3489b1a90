/* What becomes of a batch. */
#include <errno.h>

#include "internal.h"
#include "worker_queue_rows.h"

/* Whose the message must be: the owner's, or free. What is free, though the owner once had it, has been given back since
 * its lease had ended, and what the owner says of it is still true. */
#define IS_OWNERS                                                                          \
    " AND (owner = (SELECT number FROM owner WHERE name = ?) OR owner IS NULL)"

struct found {
    struct store_worker_queue sum; /* its queue, and what it counts there */
    struct arena *arena;
};

/* -ESTALE when it is not the owner's. */
static int find(struct store_database *database, const struct store_worker_settle *settle,
                uint64_t number, struct found *found)
{
    struct store_query query = store_query_begin(
        database,
        "SELECT queue, bytes, origin != x'' FROM message WHERE number = ?" IS_OWNERS);
    store_query_number(&query, number);
    store_query_text(&query, settle->owner);
    int result = store_query_next(&query);
    if (result <= 0)
        return result < 0 ? result : -ESTALE;
    found->sum = (struct store_worker_queue){
        .name = store_query_take_str(&query, found->arena), .messages = 1};
    found->sum.bytes = store_query_take_number(&query);
    found->sum.dead = store_query_take_number(&query);
    store_query_end(&query);
    return 0;
}

static int give_back(struct store_database *database,
                     const struct store_worker_settling *settling)
{
    struct store_query query = store_query_begin(
        database, "UPDATE message SET owner = NULL, batch = NULL, due_ms = ?,"
                  " attempts = attempts - ? WHERE number = ?");
    store_query_number(&query, settling->due_ms);
    store_query_number(&query, settling->fate == STORE_WORKER_UNTRIED);
    store_query_number(&query, settling->number);
    return store_query_run(&query);
}

static int remove_one(struct store_database *database, uint64_t number,
                      const struct found *found)
{
    struct store_query query =
        store_query_begin(database, "DELETE FROM message WHERE number = ?");
    store_query_number(&query, number);
    int result = store_query_run(&query);
    return result < 0 ? result : store_worker_queue_count(database, &found->sum, true);
}

/* Whoever reads there begins anew with it. */
static int bury(struct store_database *database, const struct store_worker_settle *settle,
                uint64_t number, struct found *found)
{
    struct store_query query = store_query_begin(
        database,
        "UPDATE message SET owner = NULL, batch = NULL, origin = queue, queue = ?,"
        " attempts = 0, due_ms = ?, expires_ms = ? WHERE number = ?");
    store_query_blob(&query, settle->dead_letter_queue);
    store_query_number(&query, settle->now_ms);
    store_query_number(&query, settle->dead_expires_ms);
    store_query_number(&query, number);
    int result = store_query_run(&query);
    if (result == 0)
        result = store_worker_queue_count(database, &found->sum, true);
    found->sum.name = settle->dead_letter_queue;
    found->sum.dead = 1;
    return result < 0 ? result : store_worker_queue_count(database, &found->sum, false);
}

static int settle_one(struct store_database *database,
                      const struct store_worker_settle *settle,
                      const struct store_worker_settling *settling, struct arena *arena)
{
    struct found found = {.arena = arena};
    int result = find(database, settle, settling->number, &found);
    if (result < 0)
        return result;
    if (settling->fate == STORE_WORKER_AGAIN || settling->fate == STORE_WORKER_UNTRIED)
        return give_back(database, settling);
    if (settling->fate == STORE_WORKER_DEAD && settle->dead_letter_queue.length)
        return bury(database, settle, settling->number, &found);
    return remove_one(database, settling->number, &found);
}

static int settle_all(struct store_database *database, void *arg)
{
    struct store_worker_settle *settle = arg;
    struct arena *arena = arena_new();
    int result = 0;
    for (size_t i = 0; result == 0 && i < settle->count; i++) {
        struct store_worker_settling *settling = &settle->settlings[i];
        result = settle_one(database, settle, settling, arena);
        settling->is_stale = result == -ESTALE;
        if (settling->is_stale)
            result = 0;
    }
    arena_free(arena);
    return result;
}

int store_worker_queue_settle(struct store *store, struct store_worker_settle *settle)
{
    return store_lane_run(&store->worker_queue_writer, settle_all, settle);
}

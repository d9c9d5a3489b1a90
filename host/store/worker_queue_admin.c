/* Upkeep of the workers' queues, and what administrators see and do. */
#include "internal.h"
#include "worker_queue_rows.h"

/* One transaction's worth. */
#define REMOVED_AT_ONCE "500"

struct rows {
    struct arena *arena;
    struct store_worker_queue *queues;
    size_t count, capacity;
    struct str queue;
    uint64_t now_ms;
};

static struct store_worker_queue *add_row(struct rows *rows)
{
    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity ? 2 * rows->capacity : 16;
        struct store_worker_queue *grown =
            arena_array(rows->arena, struct store_worker_queue, capacity);
        for (size_t i = 0; i < rows->count; i++)
            grown[i] = rows->queues[i];
        rows->queues = grown;
        rows->capacity = capacity;
    }
    struct store_worker_queue *row = &rows->queues[rows->count++];
    *row = (struct store_worker_queue){0};
    return row;
}

/* Columns name, messages, bytes, dead. */
static int take_rows(struct store_query *query, struct rows *rows)
{
    int result;
    while ((result = store_query_next(query)) > 0) {
        struct store_worker_queue *row = add_row(rows);
        row->name = store_query_take_str(query, rows->arena);
        row->messages = store_query_take_number(query);
        row->bytes = store_query_take_number(query);
        row->dead = store_query_take_number(query);
    }
    return result;
}

static int count_removed(struct store_database *database, const struct rows *rows)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < rows->count; i++)
        result = store_worker_queue_count(database, &rows->queues[i], true);
    return result;
}

/* What is to be removed: their sums by queue, and themselves; both have the one parameter that `bind` gives. */
struct removal {
    const char *select, *remove;
    void (*bind)(struct store_query *query, const struct rows *rows);
};

static int remove_all(struct store_database *database, const struct removal *removal,
                      struct rows *rows)
{
    struct store_query query = store_query_begin(database, removal->select);
    removal->bind(&query, rows);
    rows->count = 0;
    int result = take_rows(&query, rows);
    if (result == 0 && rows->count)
        result = count_removed(database, rows);
    if (result < 0 || rows->count == 0)
        return result;
    query = store_query_begin(database, removal->remove);
    removal->bind(&query, rows);
    return store_query_run(&query);
}

/* --- expiry --- */

#define EXPIRED                                                                            \
    "(SELECT number FROM message INDEXED BY message_expiry WHERE owner IS NULL"            \
    " AND expires_ms <= ? ORDER BY expires_ms, number LIMIT " REMOVED_AT_ONCE ")"

static void bind_now(struct store_query *query, const struct rows *rows)
{
    store_query_number(query, rows->now_ms);
}

static int expire(struct store_database *database, void *arg)
{
    static const struct removal expired = {
        "SELECT queue, count(*), sum(bytes), sum(origin != x'') FROM message"
        " WHERE number IN " EXPIRED " GROUP BY queue",
        "DELETE FROM message WHERE number IN " EXPIRED, bind_now};
    return remove_all(database, &expired, arg);
}

static int look_for_expired(struct store_database *database, void *arg)
{
    struct rows *rows = arg;
    struct store_query query = store_query_begin(
        database, "SELECT count(*) FROM (SELECT 1 FROM message INDEXED BY message_expiry"
                  " WHERE owner IS NULL AND expires_ms <= ? LIMIT 1)");
    store_query_number(&query, rows->now_ms);
    uint64_t found = 0;
    int result = store_query_get_number(&query, &found, 0);
    rows->count = (size_t)found;
    return result;
}

int store_worker_queue_expire(struct store *store, uint64_t now_ms, struct arena *arena,
                              struct store_worker_queue **expired, size_t *count)
{
    struct rows rows = {.arena = arena, .now_ms = now_ms};
    int result = store_lane_run(&store->worker_queue_reader, look_for_expired, &rows);
    if (result == 0 && rows.count)
        result = store_lane_run(&store->worker_queue_writer, expire, &rows);
    *expired = rows.queues;
    *count = result == 0 ? rows.count : 0;
    return result;
}

/* --- purging --- */

#define FREE_ONES                                                                          \
    "(SELECT number FROM message INDEXED BY message_due WHERE owner IS NULL AND queue = ?" \
    " ORDER BY due_ms, number LIMIT " REMOVED_AT_ONCE ")"

static void bind_queue(struct store_query *query, const struct rows *rows)
{
    store_query_blob(query, rows->queue);
}

static int purge(struct store_database *database, void *arg)
{
    static const struct removal free_ones = {
        "SELECT queue, count(*), sum(bytes), sum(origin != x'') FROM message"
        " WHERE number IN " FREE_ONES " GROUP BY queue",
        "DELETE FROM message WHERE number IN " FREE_ONES, bind_queue};
    return remove_all(database, &free_ones, arg);
}

int store_worker_queue_purge(struct store *store, struct str queue, uint64_t *count)
{
    struct rows rows = {.arena = arena_new(), .queue = queue};
    int result;
    *count = 0;
    do {
        result = store_lane_run(&store->worker_queue_writer, purge, &rows);
        *count += result == 0 && rows.count ? rows.queues[0].messages : 0;
    } while (result == 0 && rows.count);
    arena_free(rows.arena);
    return result;
}

/* --- lists --- */

static int add_held_and_oldest(struct store_database *database,
                               struct store_worker_queue *row)
{
    struct store_query query =
        store_query_begin(database, "SELECT count(*) FROM message INDEXED BY message_held"
                                    " WHERE owner IS NOT NULL AND queue = ?");
    store_query_blob(&query, row->name);
    int result = store_query_get_number(&query, &row->held, 0);
    if (result < 0)
        return result;
    query = store_query_begin(
        database, "SELECT sent_ms FROM message INDEXED BY message_queue WHERE queue = ?"
                  " ORDER BY number LIMIT 1");
    store_query_blob(&query, row->name);
    return store_query_get_number(&query, &row->oldest_ms, 0);
}

static int list_queues(struct store_database *database, void *arg)
{
    struct rows *rows = arg;
    struct store_query query = store_query_begin(
        database, "SELECT name, messages, bytes, dead FROM queue ORDER BY name");
    rows->count = 0;
    int result = take_rows(&query, rows);
    for (size_t i = 0; result == 0 && i < rows->count; i++)
        result = add_held_and_oldest(database, &rows->queues[i]);
    return result;
}

int store_worker_queue_list(struct store *store, struct arena *arena,
                            struct store_worker_queue **queues, size_t *count)
{
    struct rows rows = {.arena = arena};
    int result = store_lane_run(&store->worker_queue_reader, list_queues, &rows);
    *queues = rows.queues;
    *count = result == 0 ? rows.count : 0;
    return result;
}

struct listing {
    struct store_worker_listing *asked;
    struct arena *arena;
};

static int list_messages(struct store_database *database, void *arg)
{
    const struct listing *listing = arg;
    struct store_worker_listing *asked = listing->asked;
    struct store_query query = store_query_begin(
        database, STORE_WORKER_MESSAGE_SELECT
        ", body FROM message INDEXED BY message_queue WHERE queue = ? AND number > ?"
        " ORDER BY number LIMIT ?");
    store_query_blob(&query, asked->queue);
    store_query_number(&query, asked->after);
    store_query_number(&query, asked->limit);
    int result;
    asked->count = 0;
    while ((result = store_query_next(&query)) > 0) {
        struct store_worker_message *message = &asked->messages[asked->count++];
        store_worker_message_take(&query, listing->arena, message);
        if (asked->with_bodies)
            message->body = store_query_take_str(&query, listing->arena);
    }
    return result;
}

int store_worker_queue_messages(struct store *store, struct store_worker_listing *listing,
                                struct arena *arena)
{
    struct listing arg = {listing, arena};
    listing->messages = arena_array(arena, struct store_worker_message, listing->limit);
    return store_lane_run(&store->worker_queue_reader, list_messages, &arg);
}

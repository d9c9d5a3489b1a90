#include "worker_queue_rows.h"

static int add(struct store_database *database, const struct store_worker_queue *change)
{
    struct store_query query = store_query_begin(
        database,
        "INSERT INTO queue(name, messages, bytes, dead) VALUES(?, ?, ?, ?)"
        " ON CONFLICT(name) DO UPDATE SET messages = messages + excluded.messages,"
        " bytes = bytes + excluded.bytes, dead = dead + excluded.dead");
    store_query_blob(&query, change->name);
    store_query_number(&query, change->messages);
    store_query_number(&query, change->bytes);
    store_query_number(&query, change->dead);
    return store_query_run(&query);
}

static int subtract(struct store_database *database,
                    const struct store_worker_queue *change)
{
    struct store_query query = store_query_begin(
        database, "UPDATE queue SET messages = messages - ?, bytes = bytes - ?,"
                  " dead = dead - ? WHERE name = ?");
    store_query_number(&query, change->messages);
    store_query_number(&query, change->bytes);
    store_query_number(&query, change->dead);
    store_query_blob(&query, change->name);
    return store_query_run(&query);
}

int store_worker_queue_count(struct store_database *database,
                             const struct store_worker_queue *change, bool is_less)
{
    return is_less ? subtract(database, change) : add(database, change);
}

int store_worker_queue_sum(struct store_database *database, struct str queue,
                           struct store_worker_queue *sum)
{
    struct store_query query = store_query_begin(
        database, "SELECT messages, bytes, dead FROM queue WHERE name = ?");
    store_query_blob(&query, queue);
    *sum = (struct store_worker_queue){.name = queue};
    int result = store_query_next(&query);
    if (result <= 0)
        return result;
    sum->messages = store_query_take_number(&query);
    sum->bytes = store_query_take_number(&query);
    sum->dead = store_query_take_number(&query);
    store_query_end(&query);
    return 0;
}

int store_worker_queue_mend(struct store_database *database)
{
    return store_database_run(
        database, "UPDATE message SET owner = NULL, batch = NULL;"
                  "INSERT INTO queue SELECT queue, count(*), sum(bytes), sum(origin != x'')"
                  " FROM message GROUP BY queue");
}

void store_worker_message_take(struct store_query *query, struct arena *arena,
                               struct store_worker_message *message)
{
    *message = (struct store_worker_message){0};
    message->number = store_query_take_number(query);
    message->id = store_query_take_str(query, arena);
    message->sent_ms = store_query_take_number(query);
    message->due_ms = store_query_take_number(query);
    message->expires_ms = store_query_take_number(query);
    message->attempts = (uint32_t)store_query_take_number(query);
    message->origin = store_query_take_str(query, arena);
    message->is_held = store_query_take_number(query) != 0;
    message->bytes = store_query_take_number(query);
}

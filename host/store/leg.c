#include "leg.h"

#include <errno.h>
#include <string.h>

#define UNLESS_EARLIER                                                                     \
    " ON CONFLICT(name) DO UPDATE SET next_ms = excluded.next_ms"                          \
    " WHERE excluded.next_ms < next_ms"

/* Bounds the transaction of one claim; the next one goes on. */
#define ARRIVALS_FREED_MAX "5000"
#define DUE_ARRIVALS                                                                       \
    "(SELECT id FROM leg WHERE owner = 0 AND next_ms <= ? ORDER BY next_ms, id"            \
    " LIMIT " ARRIVALS_FREED_MAX ")"

int store_arrivals_free(struct store_database *database, uint64_t now_ms)
{
    struct store_query query = store_query_begin(
        database, "INSERT INTO destination(name, next_ms, turn)"
                  " SELECT destination, min(next_ms), 0 FROM leg WHERE id IN " DUE_ARRIVALS
                  " GROUP BY destination" UNLESS_EARLIER);
    store_query_number(&query, now_ms);
    int result = store_query_run(&query);
    if (result < 0)
        return result;
    query = store_query_begin(database,
                              "UPDATE leg SET owner = NULL WHERE id IN " DUE_ARRIVALS);
    store_query_number(&query, now_ms);
    return store_query_run(&query);
}

int store_destination_wait_for_leg(struct store_database *database, uint64_t leg_id)
{
    struct store_query query = store_query_begin(
        database, "INSERT INTO destination(name, next_ms, turn)"
                  " SELECT destination, next_ms, 0 FROM leg"
                  " WHERE id = ? AND state = 0 AND owner IS NULL" UNLESS_EARLIER);
    store_query_number(&query, leg_id);
    return store_query_run(&query);
}

int store_leg_delete(struct store_database *database, uint64_t leg_id)
{
    struct store_query query = store_query_begin(database, "DELETE FROM leg WHERE id = ?");
    store_query_number(&query, leg_id);
    return store_query_change(&query);
}

void store_leg_checksum(const struct store_leg *leg, struct str message_id,
                        struct str reverse_path,
                        unsigned char checksum[STORE_CHECKSUM_BYTES])
{
    const char notify = (char)leg->notify;
    const struct str end = {"", 1};
    const struct str parts[] = {
        message_id,    end, reverse_path, end, leg->recipient, end, leg->destination, end,
        leg->original, end, leg->orcpt,   end, {&notify, 1}};
    store_checksum(parts, sizeof parts / sizeof *parts, checksum);
}

static bool is_sound(const struct store_leg *leg, struct str checksum)
{
    unsigned char computed[STORE_CHECKSUM_BYTES];
    store_leg_checksum(leg, leg->message_id, leg->reverse_path, computed);
    return checksum.length == sizeof computed &&
           memcmp(computed, checksum.at, sizeof computed) == 0;
}

void store_leg_take(struct store_query *query, struct arena *arena, struct store_leg *leg)
{
    leg->id = store_query_take_number(query);
    leg->message_id = store_query_take_str(query, arena);
    leg->recipient = store_query_take_str(query, arena);
    leg->destination = store_query_take_str(query, arena);
    leg->original = store_query_take_str(query, arena);
    leg->orcpt = store_query_take_str(query, arena);
    leg->notify = (uint8_t)store_query_take_number(query);
    leg->next_ms = store_query_take_number(query);
    leg->attempts = (uint32_t)store_query_take_number(query);
    leg->is_delay_told = store_query_take_number(query) != 0;
    uint64_t state = store_query_take_number(query);
    leg->state = state <= STORE_SET_ASIDE ? (enum store_leg_state)state : STORE_SET_ASIDE;
    leg->last_reply = store_query_take_str(query, arena);
    leg->last_peer = store_query_take_str(query, arena);
    leg->created_ms = store_query_take_number(query);
    leg->bytes = store_query_take_number(query);
    leg->owner = store_query_take_str(query, arena);
    leg->reverse_path = store_query_take_str(query, arena);
    if (!is_sound(leg, store_query_take_bytes(query)))
        leg->state = STORE_SET_ASIDE;
}

static int find_message_without_legs(struct store_database *database, uint64_t number,
                                     struct str *id, bool *is_file, struct arena *arena)
{
    struct store_query query = store_query_begin(
        database, "SELECT id, is_file FROM message WHERE number = ?1"
                  " AND NOT EXISTS(SELECT 1 FROM leg WHERE message = ?1)");
    store_query_number(&query, number);
    int result = store_query_next(&query);
    if (result <= 0)
        return result < 0 ? result : -ENOENT;
    *id = store_query_take_str(&query, arena);
    *is_file = store_query_take_number(&query) != 0;
    store_query_end(&query);
    return 0;
}

int store_message_end(struct store_database *database, uint64_t number, struct arena *arena,
                      struct str *file)
{
    struct str id;
    bool is_file;
    int result = find_message_without_legs(database, number, &id, &is_file, arena);
    if (result < 0)
        return result == -ENOENT ? 0 : result;
    if (is_file)
        *file = id;
    struct store_query query =
        store_query_begin(database, "DELETE FROM content WHERE message = ?");
    store_query_number(&query, number);
    result = store_query_run(&query);
    if (result < 0)
        return result;
    query = store_query_begin(database, "DELETE FROM message WHERE number = ?");
    store_query_number(&query, number);
    return store_query_run(&query);
}

int store_owner_end(struct store_database *database, uint64_t number)
{
    struct store_query query = store_query_begin(
        database, "INSERT INTO destination(name, next_ms, turn)"
                  " SELECT destination, min(next_ms), 0 FROM leg"
                  " WHERE owner = ? AND state = 0 GROUP BY destination" UNLESS_EARLIER);
    store_query_number(&query, number);
    int result = store_query_run(&query);
    if (result < 0)
        return result;
    query = store_query_begin(database, "UPDATE leg SET owner = NULL WHERE owner = ?");
    store_query_number(&query, number);
    result = store_query_run(&query);
    if (result < 0)
        return result;
    query = store_query_begin(database, "DELETE FROM owner WHERE number = ?");
    store_query_number(&query, number);
    return store_query_run(&query);
}

int store_owner_reap(struct store_database *database, uint64_t now_ms)
{
    for (;;) {
        struct store_query query = store_query_begin(
            database, "SELECT number FROM owner WHERE until_ms <= ? LIMIT 1");
        store_query_number(&query, now_ms);
        uint64_t number;
        int result = store_query_get_number(&query, &number, UINT64_MAX);
        if (result < 0 || number == UINT64_MAX)
            return result;
        result = store_owner_end(database, number);
        if (result < 0)
            return result;
    }
}

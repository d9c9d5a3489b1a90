#include "kv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"
#include "schema.h"

#include "base/mem.h"

/* One transaction's worth: a value may be large. */
#define PURGED_AT_ONCE 200

struct operation {
    struct str space;
    const struct store_kv_pair *given;
    struct store_kv_pair *pair;
    struct store_kv_increment *increment;
    struct store_kv_listing *listing;
    struct str key;
    uint64_t now_s;
    struct arena *arena;
};

/* --- one pair --- */

static int get(struct store_database *database, void *arg)
{
    struct operation *operation = arg;
    struct store_query query = store_query_begin(
        database, "SELECT expires_s, metadata, value FROM pair WHERE space = ? AND key = ?"
                  " AND (expires_s = 0 OR expires_s > ?)");
    store_query_blob(&query, operation->space);
    store_query_blob(&query, operation->key);
    store_query_number(&query, operation->now_s);
    int result = store_query_next(&query);
    if (result <= 0)
        return result < 0 ? result : -ENOENT;
    struct store_kv_pair *pair = operation->pair;
    pair->key = operation->key;
    pair->expires_s = store_query_take_number(&query);
    pair->metadata = store_query_take_str(&query, operation->arena);
    pair->value = store_query_take_str(&query, operation->arena);
    store_query_end(&query);
    return 0;
}

int store_kv_get(struct store_kv *kv, struct str space, struct str key, uint64_t now_s,
                 struct arena *arena, struct store_kv_pair *pair)
{
    struct operation operation = {
        .space = space, .key = key, .pair = pair, .now_s = now_s, .arena = arena};
    int result = store_kv_overlay_take_up(kv, space, key);
    return result < 0 ? result : store_lane_run(kv->reader, get, &operation);
}

static int put_pair(struct store_database *database, struct str space,
                    const struct store_kv_pair *pair)
{
    struct store_query query = store_query_begin(
        database, "INSERT INTO pair(space, key, expires_s, metadata, value)"
                  " VALUES(?, ?, ?, ?, ?) ON CONFLICT(space, key) DO UPDATE SET"
                  " expires_s = excluded.expires_s, metadata = excluded.metadata,"
                  " value = excluded.value");
    store_query_blob(&query, space);
    store_query_blob(&query, pair->key);
    store_query_number(&query, pair->expires_s);
    store_query_blob(&query, pair->metadata);
    store_query_blob(&query, pair->value);
    return store_query_run(&query);
}

static int put(struct store_database *database, void *arg)
{
    const struct operation *operation = arg;
    return put_pair(database, operation->space, operation->given);
}

int store_kv_put(struct store_kv *kv, struct str space, const struct store_kv_pair *pair)
{
    struct operation operation = {.space = space, .given = pair};
    store_kv_overlay_hide(kv, space, pair->key);
    return store_lane_run(&kv->writer, put, &operation);
}

static int remove_pair(struct store_database *database, void *arg)
{
    const struct operation *operation = arg;
    struct store_query query =
        store_query_begin(database, "DELETE FROM pair WHERE space = ? AND key = ?");
    store_query_blob(&query, operation->space);
    store_query_blob(&query, operation->key);
    return store_query_run(&query);
}

int store_kv_delete(struct store_kv *kv, struct str space, struct str key)
{
    struct operation operation = {.space = space, .key = key};
    store_kv_overlay_hide(kv, space, key);
    return store_lane_run(&kv->writer, remove_pair, &operation);
}

/* --- counters --- */

static int read_number(struct str text, int64_t *number)
{
    bool is_negative = text.length && text.at[0] == '-';
    unsigned long long size;
    if (!str_to_number(str_from(text, is_negative), &size) ||
        size > (unsigned long long)STORE_KV_NUMBER_MAX)
        return -EINVAL;
    *number = is_negative ? -(int64_t)size : (int64_t)size;
    return 0;
}

static int add(struct store_database *database, void *arg)
{
    struct operation *operation = arg;
    struct store_kv_increment *increment = operation->increment;
    struct store_kv_pair pair = {0};
    int64_t number = 0;
    operation->pair = &pair;
    int result = get(database, operation);
    if (result == 0)
        result = read_number(pair.value, &number);
    else if (result == -ENOENT)
        result = 0, pair.expires_s = increment->expires_s;
    if (result < 0)
        return result;
    number += increment->by; /* both are at most 2^53 */
    if (number > STORE_KV_NUMBER_MAX || number < -STORE_KV_NUMBER_MAX)
        return -ERANGE;
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)number);
    pair.key = increment->key;
    pair.value = str_of(text);
    increment->value = number;
    return put_pair(database, operation->space, &pair);
}

int store_kv_add(struct store_kv *kv, struct str space,
                 struct store_kv_increment *increment)
{
    if (increment->by > STORE_KV_NUMBER_MAX || increment->by < -STORE_KV_NUMBER_MAX)
        return -ERANGE;
    struct arena *arena = arena_new();
    struct operation operation = {.space = space,
                                  .key = increment->key,
                                  .increment = increment,
                                  .now_s = increment->now_s,
                                  .arena = arena};
    int result = store_kv_overlay_take_up(kv, space, increment->key);
    if (result == 0) {
        store_kv_overlay_hide(kv, space, increment->key);
        result = store_lane_run(&kv->writer, add, &operation);
    }
    arena_free(arena);
    return result;
}

/* --- lists --- */

/* The least text that is greater than all with this prefix; empty when there is none. */
static struct str end_of_prefix(struct str prefix, struct arena *arena)
{
    size_t length = prefix.length;
    while (length && (unsigned char)prefix.at[length - 1] == 0xff)
        length--;
    if (length == 0)
        return STR("");
    char *end = arena_text(arena, str_part(prefix, 0, length));
    end[length - 1] = (char)((unsigned char)end[length - 1] + 1);
    return (struct str){end, length};
}

static struct store_query begin_list(struct store_database *database,
                                     const struct operation *operation)
{
    const struct store_kv_listing *listing = operation->listing;
    struct store_query query = store_query_begin(
        database, "SELECT key, expires_s, metadata FROM pair WHERE space = ?1"
                  " AND key >= ?2 AND key > ?3 AND (?4 = x'' OR key < ?4)"
                  " AND (expires_s = 0 OR expires_s > ?5) ORDER BY key LIMIT ?6");
    store_query_blob(&query, operation->space);
    store_query_blob(&query, listing->prefix);
    store_query_blob(&query, listing->after);
    store_query_blob(&query, end_of_prefix(listing->prefix, operation->arena));
    store_query_number(&query, operation->now_s);
    store_query_number(&query, (uint64_t)listing->limit + 1);
    return query;
}

static int list(struct store_database *database, void *arg)
{
    struct operation *operation = arg;
    struct store_kv_listing *listing = operation->listing;
    struct store_query query = begin_list(database, operation);
    int result;
    listing->count = 0;
    listing->is_complete = true;
    while ((result = store_query_next(&query)) > 0) {
        if (listing->count == listing->limit) {
            listing->is_complete = false;
            store_query_end(&query);
            return 0;
        }
        struct store_kv_pair *pair = &listing->pairs[listing->count++];
        pair->key = store_query_take_str(&query, operation->arena);
        pair->expires_s = store_query_take_number(&query);
        pair->metadata = store_query_take_str(&query, operation->arena);
    }
    return result;
}

int store_kv_list_own(struct store_kv *kv, struct str space,
                      struct store_kv_listing *listing, struct arena *arena)
{
    struct operation operation = {
        .space = space, .listing = listing, .now_s = listing->now_s, .arena = arena};
    listing->pairs = arena_array(arena, struct store_kv_pair, listing->limit);
    return store_lane_run(kv->reader, list, &operation);
}

int store_kv_list(struct store_kv *kv, struct str space, struct store_kv_listing *listing,
                  struct arena *arena)
{
    return kv->below ? store_kv_overlay_list(kv, space, listing, arena)
                     : store_kv_list_own(kv, space, listing, arena);
}

/* --- upkeep --- */

struct purge {
    uint64_t now_s;
    size_t count;
};

static int purge(struct store_database *database, void *arg)
{
    struct purge *purge = arg;
    struct store_query query = store_query_begin(
        database, "DELETE FROM pair WHERE number IN (SELECT number FROM pair"
                  " WHERE expires_s > 0 AND expires_s <= ? LIMIT ?)");
    store_query_number(&query, purge->now_s);
    store_query_number(&query, PURGED_AT_ONCE);
    int result = store_query_run(&query);
    purge->count = result == 0 ? (size_t)sqlite3_changes(database->handle) : 0;
    return result;
}

int store_kv_purge(struct store_kv *kv, uint64_t now_s, size_t *count)
{
    struct purge arg = {.now_s = now_s};
    int result = store_lane_run(&kv->writer, purge, &arg);
    *count = arg.count;
    return result;
}

/* --- in the store, in memory --- */

struct store_kv *store_kv_of(struct store *store)
{
    return &store->kv;
}

struct store_kv *store_kv_open_memory(struct err *err)
{
    struct store_kv *kv = mem_zero(1, sizeof *kv);
    struct store_database *database = &kv->writer.database;
    kv->writer.is_writing = true;
    kv->reader = &kv->writer;
    int result = store_database_open(database, ":memory:", STORE_SYNC_NEVER, err);
    if (result == 0)
        result = store_schema_migrate(database, &store_kv_schema, err);
    if (result == 0)
        return kv;
    store_database_close(database);
    free(kv);
    return NULL;
}

struct store_kv *store_kv_open_over(struct store_kv *below, struct err *err)
{
    struct store_kv *kv = store_kv_open_memory(err);
    if (!kv)
        return NULL;
    kv->below = below;
    kv->taken_up = table_new();
    return kv;
}

void store_kv_close(struct store_kv *kv)
{
    if (!kv)
        return;
    store_lane_close(&kv->writer);
    table_free(kv->taken_up);
    free(kv);
}

/* Keys of legs that were delivered though their sender was told to come again. */
#include "internal.h"

struct keys {
    struct store *store;
    const struct str *keys;
    size_t count;
    uint64_t ms; /* their end, or now */
    bool *found;
};

static int add_key(struct store_database *database, struct str key, uint64_t expires_ms)
{
    struct store_query query = store_query_begin(
        database, "INSERT INTO ledger(key, expires_ms) VALUES(?, ?)"
                  " ON CONFLICT(key) DO UPDATE SET expires_ms = excluded.expires_ms");
    store_query_blob(&query, key);
    store_query_number(&query, expires_ms);
    return store_query_run(&query);
}

/* The flag is raised before the rows are committed: no host looks past a row that is there. */
static int add_keys(struct store_database *database, void *arg)
{
    const struct keys *keys = arg;
    store_shared_set(keys->store->shared, STORE_FLAG_LEDGER_USED, true);
    int result = 0;
    for (size_t i = 0; result == 0 && i < keys->count; i++)
        result = add_key(database, keys->keys[i], keys->ms);
    return result;
}

int store_ledger_add(struct store *store, const struct str keys[], size_t count,
                     uint64_t expires_ms)
{
    struct keys adding = {store, keys, count, expires_ms, NULL};
    return count ? store_lane_run(&store->queue_writer, add_keys, &adding) : 0;
}

static int find_keys(struct store_database *database, void *arg)
{
    const struct keys *keys = arg;
    for (size_t i = 0; i < keys->count; i++) {
        struct store_query query =
            store_query_begin(database, "SELECT expires_ms FROM ledger WHERE key = ?");
        store_query_blob(&query, keys->keys[i]);
        uint64_t expires_ms;
        int result = store_query_get_number(&query, &expires_ms, 0);
        if (result < 0)
            return result;
        keys->found[i] = expires_ms > keys->ms;
    }
    return 0;
}

int store_ledger_find(struct store *store, const struct str keys[], size_t count,
                      uint64_t now_ms, bool found[])
{
    struct keys finding = {store, keys, count, now_ms, NULL};
    finding.found = found;
    return count ? store_lane_run(&store->queue_reader, find_keys, &finding) : 0;
}

bool store_ledger_is_used(struct store *store)
{
    return store_shared_get(store->shared, STORE_FLAG_LEDGER_USED);
}

/* --- upkeep --- */

int store_ledger_look(struct store_database *database, bool *is_used)
{
    struct store_query query =
        store_query_begin(database, "SELECT EXISTS(SELECT 1 FROM ledger)");
    uint64_t found;
    int result = store_query_get_number(&query, &found, 0);
    *is_used = found != 0;
    return result;
}

int store_ledger_purge(struct store_database *database, void *arg)
{
    struct store_purge *purge = arg;
    struct store_query query = store_query_begin(
        database, "DELETE FROM ledger WHERE key IN"
                  " (SELECT key FROM ledger WHERE expires_ms <= ? LIMIT 500)");
    store_query_number(&query, purge->before_ms);
    int result = store_query_run(&query);
    purge->count = (size_t)sqlite3_changes(database->handle);
    return result;
}

#include "owner.h"

#include "query.h"

int store_owner_renew(struct store_database *database, void *arg)
{
    const struct store_lease *lease = arg;
    struct store_query query = store_query_begin(
        database, "INSERT INTO owner(name, until_ms) VALUES(?, ?)"
                  " ON CONFLICT(name) DO UPDATE SET until_ms = excluded.until_ms");
    store_query_text(&query, lease->owner);
    store_query_number(&query, lease->until_ms);
    return store_query_run(&query);
}

int store_owner_find(struct store_database *database, struct str name, uint64_t *number)
{
    struct store_query query =
        store_query_begin(database, "SELECT number FROM owner WHERE name = ?");
    store_query_text(&query, name);
    return store_query_get_number(&query, number, UINT64_MAX);
}

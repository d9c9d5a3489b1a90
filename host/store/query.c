#include "query.h"

#include <errno.h>

struct store_query store_query_begin(struct store_database *database, const char *sql)
{
    struct store_query query = {.database = database};
    query.statement = store_database_statement(database, sql, &query.code);
    return query;
}

void store_query_end(struct store_query *query)
{
    if (!query->statement)
        return;
    sqlite3_reset(query->statement);
    sqlite3_clear_bindings(query->statement);
    query->statement = NULL;
}

static void fail(struct store_query *query, int code)
{
    query->code = store_database_error(query->database, code);
    store_query_end(query);
}

static void check(struct store_query *query, int code)
{
    if (code != SQLITE_OK)
        fail(query, code);
}

/* An empty view may have no address, which would be a NULL to SQLite. */
static const char *address_of(struct str value)
{
    return value.at ? value.at : "";
}

void store_query_text(struct store_query *query, struct str value)
{
    if (query->statement)
        check(query,
              sqlite3_bind_text64(query->statement, ++query->bound, address_of(value),
                                  value.length, SQLITE_STATIC, SQLITE_UTF8));
}

void store_query_blob(struct store_query *query, struct str value)
{
    if (query->statement)
        check(query, sqlite3_bind_blob64(query->statement, ++query->bound,
                                         address_of(value), value.length, SQLITE_STATIC));
}

void store_query_null(struct store_query *query)
{
    if (query->statement)
        check(query, sqlite3_bind_null(query->statement, ++query->bound));
}

void store_query_number(struct store_query *query, uint64_t value)
{
    if (query->statement)
        check(query,
              sqlite3_bind_int64(query->statement, ++query->bound,
                                 value > INT64_MAX ? INT64_MAX : (sqlite3_int64)value));
}

void store_query_real(struct store_query *query, double value)
{
    if (query->statement)
        check(query, sqlite3_bind_double(query->statement, ++query->bound, value));
}

int store_query_next(struct store_query *query)
{
    if (!query->statement)
        return query->code;
    int code = sqlite3_step(query->statement);
    query->taken = 0;
    if (code == SQLITE_ROW)
        return 1;
    fail(query, code);
    return query->code;
}

int store_query_run(struct store_query *query)
{
    int result;
    while ((result = store_query_next(query)) > 0)
        ;
    return result;
}

int store_query_change(struct store_query *query)
{
    sqlite3 *handle = query->database->handle;
    int result = store_query_run(query);
    return result == 0 && sqlite3_changes(handle) == 0 ? -ESTALE : result;
}

int store_query_get_number(struct store_query *query, uint64_t *value, uint64_t missing)
{
    *value = missing;
    int result = store_query_next(query);
    if (result <= 0)
        return result;
    if (!store_query_is_null_next(query))
        *value = store_query_take_number(query);
    store_query_end(query);
    return 0;
}

struct str store_query_take_bytes(struct store_query *query)
{
    int column = query->taken++;
    const char *at = sqlite3_column_blob(query->statement, column);
    return (struct str){at, (size_t)sqlite3_column_bytes(query->statement, column)};
}

struct str store_query_take_str(struct store_query *query, struct arena *arena)
{
    return arena_str(arena, store_query_take_bytes(query));
}

uint64_t store_query_take_number(struct store_query *query)
{
    sqlite3_int64 value = sqlite3_column_int64(query->statement, query->taken++);
    if (value == INT64_MAX)
        return UINT64_MAX;
    return value < 0 ? 0 : (uint64_t)value;
}

double store_query_take_real(struct store_query *query)
{
    return sqlite3_column_double(query->statement, query->taken++);
}

bool store_query_is_null_next(const struct store_query *query)
{
    return sqlite3_column_type(query->statement, query->taken) == SQLITE_NULL;
}

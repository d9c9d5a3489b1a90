/* A statement under way: values are bound, and columns taken, from left to right. After a failure all that follows
 * does nothing, and the end tells of it:
 *
 *     struct store_query query = store_query_begin(database, "UPDATE t SET a = ? WHERE b = ?");
 *     store_query_text(&query, a);
 *     store_query_number(&query, b);
 *     return store_query_run(&query);
 *
 * Bound bytes are not copied: they stay until the query has ended. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "database.h"

#include "base/arena.h"
#include "base/str.h"

struct store_query {
    struct store_database *database;
    sqlite3_stmt *statement; /* NULL after a failure */
    int code;                /* of that failure: a negative errno value */
    int bound, taken;
};

struct store_query store_query_begin(struct store_database *database, const char *sql);

/* SQLite keeps the bytes of a text as they are, whether they are UTF-8 or not, and compares bytes. */
void store_query_text(struct store_query *query, struct str value);
void store_query_blob(struct store_query *query, struct str value);
void store_query_null(struct store_query *query);
/* What is above INT64_MAX is kept as that, and read as UINT64_MAX. */
void store_query_number(struct store_query *query, uint64_t value);
void store_query_real(struct store_query *query, double value);

/* The next row: 1; 0 when there is none more, and the query has ended; a negative errno value when it failed, and
 * has ended. */
int store_query_next(struct store_query *query);
/* For a reader that wants no more rows. */
void store_query_end(struct store_query *query);
/* Runs it to its end: 0 or a negative errno value. */
int store_query_run(struct store_query *query);
/* As store_query_run, but -ESTALE when it changed no row. */
int store_query_change(struct store_query *query);
/* The first column of its only row; `missing` when there is no row, or a NULL in it. */
int store_query_get_number(struct store_query *query, uint64_t *value, uint64_t missing);

/* The next column of the row. */
struct str store_query_take_str(struct store_query *query, struct arena *arena);
/* The bytes are the row's: valid until its query goes on. */
struct str store_query_take_bytes(struct store_query *query);
uint64_t store_query_take_number(struct store_query *query);
double store_query_take_real(struct store_query *query);
bool store_query_is_null_next(const struct store_query *query);

/* One SQLite connection, used by one thread at a time, with the statements it has prepared. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/err.h"

#define STORE_STATEMENTS_MAX 64
/* How long another process's transaction is waited for. */
#define STORE_BUSY_MS        15000

struct store_statement {
    const char *sql; /* a literal: known by its address */
    sqlite3_stmt *prepared;
};

struct store_database {
    sqlite3 *handle;
    struct store_statement statements[STORE_STATEMENTS_MAX];
    size_t statement_count;
    uint64_t busy_since_ms;
    int log_pages;   /* of a writer with a struct store_log: in the write-ahead log */
    bool is_corrupt; /* SQLite has said so: told to the administrator by whoever sees it */
};

enum store_durability {
    STORE_SYNC_COMMITS, /* each commit is on stable storage */
    STORE_SYNC_NEVER,   /* a power failure may lose the last commits, but breaks nothing */
};

/* Returns 0, or -EBADMSG when the file is no database or a broken one, or another negative errno value. */
int store_database_open(struct store_database *database, const char *path,
                        enum store_durability durability, struct err *err);
/* A zeroed one is ignored. */
void store_database_close(struct store_database *database);

/* The statement, reset and without values; NULL with *code set when it cannot be prepared. `sql` is a literal. */
sqlite3_stmt *store_database_statement(struct store_database *database, const char *sql,
                                       int *code);
/* Runs SQL that returns nothing; the second, a literal that is run often: it stays prepared. */
int store_database_run(struct store_database *database, const char *sql);
int store_database_step(struct store_database *database, const char *sql);
/* The negative errno value of what SQLite has returned; 0 for its successes. */
int store_database_error(struct store_database *database, int code);
/* As store_database_error, with SQLite's words. */
int store_database_explain(struct store_database *database, int code, const char *what,
                           struct err *err);

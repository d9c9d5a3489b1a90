#include "salvage.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "query.h"
#include "worker_queue_rows.h"

/* Up to this size everything, the indexes too, is looked at at each start: some tenths of a second. A larger one, only after SQLite has
 * met damage in it. */
#define CHECKED_BYTES ((off_t)16 * 1024 * 1024)

/* --- whether it is sound --- */

static int check_pages(struct store_database *database, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(database->handle, "PRAGMA integrity_check(1)", -1,
                                  &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    int result = store_database_error(database, code);
    const char *words =
        code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (result == 0 && (!words || strcmp(words, "ok") != 0))
        result =
            err_set(err, -EBADMSG, "%s", words ? words : "no answer to integrity_check");
    sqlite3_finalize(statement);
    return database->is_corrupt ? -EBADMSG : result;
}

/* By what texts SQLite reads the tables; sqlite3_free. */
static char *read_schema(sqlite3 *handle)
{
    sqlite3_stmt *statement = NULL;
    char *text = NULL;
    sqlite3_prepare_v2(handle,
                       "SELECT group_concat(type || name || tbl_name || ifnull(sql, ''))"
                       " FROM (SELECT * FROM sqlite_schema ORDER BY type, name)",
                       -1, &statement, NULL);
    if (statement && sqlite3_step(statement) == SQLITE_ROW)
        text = sqlite3_mprintf("%s", sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return text;
}

/* An integrity check believes those texts, whatever they say. */
static int check_schema(struct store_database *database, const struct store_schema *schema,
                        struct err *err)
{
    struct store_database fresh = {0};
    sqlite3_open_v2(":memory:", &fresh.handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                    NULL);
    int result = store_schema_migrate(&fresh, schema, err);
    char *wanted = read_schema(fresh.handle), *found = read_schema(database->handle);
    if (result == 0 && (!wanted || !found || strcmp(wanted, found) != 0))
        result = err_set(err, -EBADMSG, "its tables are not as they were made");
    sqlite3_free(wanted);
    sqlite3_free(found);
    store_database_close(&fresh);
    return result;
}

int store_salvage_check(struct store_database *database, const char *path,
                        const struct store_schema *schema, bool thoroughly, struct err *err)
{
    struct stat file;
    if (stat(path, &file) < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    int result = check_schema(database, schema, err);
    if (result < 0)
        return result;
    return thoroughly || file.st_size <= CHECKED_BYTES ? check_pages(database, err) : 0;
}

/* --- setting aside --- */

static int rename_one(const char *path, const char *aside, const char *suffix)
{
    char from[PATH_MAX], to[PATH_MAX];
    if (snprintf(from, sizeof from, "%s%s", path, suffix) >= PATH_MAX ||
        snprintf(to, sizeof to, "%s%s", aside, suffix) >= PATH_MAX)
        return -ENAMETOOLONG;
    return rename(from, to) < 0 && errno != ENOENT ? -errno : 0;
}

/* Its log goes with it: SQLite finds it by its name. */
static int set_aside(const char *path, const char *aside)
{
    static const char *const suffixes[] = {"-wal", "-shm", ""};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        int result = rename_one(path, aside, suffixes[i]);
        if (result < 0)
            return result;
    }
    return 0;
}

static void choose_name(const char *name, char aside[static 64])
{
    time_t now = time(NULL);
    struct tm utc;
    char when[32];
    strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    snprintf(aside, 64, "%s.corrupt-%s", name, when);
}

/* --- taking over --- */

struct transfer {
    struct store_database *from, *to;
    sqlite3_stmt *read, *insert;
    int columns;
    uint64_t rows;
};

/* "a", "b", …: the columns as the new table has them, since a damaged one may call them otherwise. It may have more than the
 * one set aside: what a later step adds comes last. NULL without memory; sqlite3_free. */
static char *list_columns(sqlite3 *handle, const char *table, int count)
{
    sqlite3_stmt *statement = NULL;
    char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"", table);
    if (sql)
        sqlite3_prepare_v2(handle, sql, -1, &statement, NULL);
    sqlite3_free(sql);
    sqlite3_str *list = sqlite3_str_new(handle);
    for (int i = 0; i < count && i < sqlite3_column_count(statement); i++)
        sqlite3_str_appendf(list, "%s\"%w\"", i ? ", " : "",
                            sqlite3_column_name(statement, i));
    sqlite3_finalize(statement);
    return sqlite3_str_finish(list);
}

static int prepare_insert(struct transfer *transfer, const char *table)
{
    sqlite3 *handle = transfer->to->handle;
    sqlite3_str *sql = sqlite3_str_new(handle);
    char *columns = list_columns(handle, table, transfer->columns);
    sqlite3_str_appendf(sql, "INSERT OR IGNORE INTO \"%w\"(%s) VALUES(?", table, columns);
    for (int i = 1; i < transfer->columns; i++)
        sqlite3_str_appendall(sql, ", ?");
    sqlite3_str_appendall(sql, ")");
    char *whole = sqlite3_str_finish(sql);
    int code = whole ? sqlite3_prepare_v2(handle, whole, -1, &transfer->insert, NULL)
                     : SQLITE_NOMEM;
    sqlite3_free(columns);
    sqlite3_free(whole);
    return code;
}

static void copy_row(struct transfer *transfer)
{
    for (int i = 0; i < transfer->columns; i++)
        sqlite3_bind_value(transfer->insert, i + 1,
                           sqlite3_column_value(transfer->read, i));
    int changes = sqlite3_total_changes(transfer->to->handle);
    sqlite3_step(transfer->insert);
    sqlite3_reset(transfer->insert);
    transfer->rows += (uint64_t)(sqlite3_total_changes(transfer->to->handle) - changes);
}

/* Up to the first that cannot be read. */
static void copy_rows(struct transfer *transfer, const char *table, const char *order)
{
    char *sql = sqlite3_mprintf("SELECT * FROM \"%w\"%s", table, order);
    int code =
        sql ? sqlite3_prepare_v2(transfer->from->handle, sql, -1, &transfer->read, NULL)
            : SQLITE_NOMEM;
    sqlite3_free(sql);
    if (code != SQLITE_OK)
        return;
    transfer->columns = sqlite3_column_count(transfer->read);
    if (prepare_insert(transfer, table) == SQLITE_OK)
        while (sqlite3_step(transfer->read) == SQLITE_ROW)
            copy_row(transfer);
    sqlite3_finalize(transfer->read);
    sqlite3_finalize(transfer->insert);
    transfer->read = transfer->insert = NULL;
}

/* From both ends, so that one unreadable page between them takes no more along than it must. */
static uint64_t copy_table(struct store_database *from, struct store_database *to,
                           const char *table, bool has_rowid)
{
    struct transfer transfer = {.from = from, .to = to};
    copy_rows(&transfer, table, has_rowid ? " NOT INDEXED ORDER BY rowid" : "");
    if (has_rowid)
        copy_rows(&transfer, table, " NOT INDEXED ORDER BY rowid DESC");
    return transfer.rows;
}

static void open_aside(struct store_database *from, const char *aside)
{
    *from = (struct store_database){0};
    sqlite3_open_v2(aside, &from->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                    NULL);
    sqlite3_db_config(from->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(from->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
}

static int count_changes(struct store_database *database, const char *sql, uint64_t *count)
{
    int result = store_database_run(database, sql);
    *count = result == 0 ? (uint64_t)sqlite3_changes(database->handle) : 0;
    return result;
}

static int count_rows(struct store_database *database, const char *sql, uint64_t *count)
{
    struct store_query query = store_query_begin(database, sql);
    return store_query_get_number(&query, count, 0);
}

/* The queue is made whole again: nobody sends anything, and each leg has its message. */
static int mend_queue(struct store_database *database, struct store_salvage *salvage)
{
    uint64_t ignored;
    int result = count_changes(database,
                               "DELETE FROM leg WHERE message NOT IN"
                               " (SELECT number FROM message)",
                               &salvage->lost_legs);
    if (result == 0)
        result = count_changes(database,
                               "DELETE FROM message WHERE number NOT IN"
                               " (SELECT message FROM leg)",
                               &salvage->lost_messages);
    if (result == 0)
        result = count_changes(database, "UPDATE leg SET owner = NULL", &ignored);
    if (result == 0)
        result = count_changes(database,
                               "INSERT INTO destination(name, next_ms, turn)"
                               " SELECT destination, min(next_ms), 0 FROM leg"
                               " WHERE state = 0 GROUP BY destination",
                               &ignored);
    if (result == 0)
        result = count_rows(database, "SELECT count(*) FROM message", &salvage->messages);
    if (result == 0)
        result = count_rows(database, "SELECT count(*) FROM leg", &salvage->legs);
    return result;
}

static int take_over(struct store_database *database, const char *aside,
                     const struct store_schema *schema, struct store_salvage *salvage)
{
    static const struct {
        const char *table;
        const struct store_schema *schema;
        bool has_rowid;
    } tables[] = {{"message", &store_queue_schema, true},
                  {"content", &store_queue_schema, true},
                  {"leg", &store_queue_schema, true},
                  {"ledger", &store_queue_schema, false},
                  {"activity", &store_activity_schema, true},
                  {"attempt", &store_activity_schema, true},
                  {"pair", &store_kv_schema, true},
                  {"schedule", &store_kv_schema, false},
                  {"kept", &store_kept_schema, true},
                  {"message", &store_worker_queue_schema, true}};
    struct store_database from;
    open_aside(&from, aside);
    int result = store_database_run(database, "BEGIN IMMEDIATE");
    for (size_t i = 0; result == 0 && i < sizeof tables / sizeof *tables; i++)
        if (tables[i].schema == schema)
            salvage->rows +=
                copy_table(&from, database, tables[i].table, tables[i].has_rowid);
    if (result == 0 && schema == &store_queue_schema)
        result = mend_queue(database, salvage);
    if (result == 0 && schema == &store_worker_queue_schema)
        result = store_worker_queue_mend(database);
    if (result == 0)
        result = store_database_run(database, "COMMIT");
    store_database_close(&from);
    return result;
}

int store_salvage_run(struct store_database *database, const char *path,
                      const struct store_schema *schema, enum store_durability durability,
                      struct store_salvage *salvage, struct err *err)
{
    *salvage = (struct store_salvage){0};
    choose_name(schema->name, salvage->aside);
    char aside[PATH_MAX];
    int directory_length = (int)(strlen(path) - strlen(schema->name));
    snprintf(aside, sizeof aside, "%.*s%s", directory_length, path, salvage->aside);
    int result = set_aside(path, aside);
    if (result < 0)
        return err_set(err, result, "%s is corrupt and cannot be set aside: %s", path,
                       strerror(-result));
    result = store_database_open(database, path, durability, err);
    if (result == 0)
        result = store_schema_migrate(database, schema, err);
    if (result < 0)
        return result;
    result = take_over(database, aside, schema, salvage);
    return result < 0
               ? err_set(err, result, "%s: what was read of %s cannot be written: %s", path,
                         salvage->aside, strerror(-result))
               : 0;
}

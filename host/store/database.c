#include "database.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

/* Pages of the write-ahead log after which a commit moves them into the database. */
#define CHECKPOINT_PAGES 8000
#define BUSY_SLEEP_US    200

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Short and even naps: SQLite's own grow to 100 ms, in which another host commits ten times. */
static int wait_for_others(void *arg, int count)
{
    struct store_database *database = arg;
    if (count == 0)
        database->busy_since_ms = monotonic_ms();
    if (monotonic_ms() - database->busy_since_ms > STORE_BUSY_MS)
        return 0;
    nanosleep(&(struct timespec){.tv_nsec = BUSY_SLEEP_US * 1000L}, NULL);
    return 1;
}

int store_database_error(struct store_database *database, int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        database->is_corrupt = true;
        return -EIO;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CONSTRAINT:
        return -EEXIST;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return -EROFS;
    case SQLITE_TOOBIG:
        return -EMSGSIZE;
    default:
        return -EIO;
    }
}

int store_database_explain(struct store_database *database, int code, const char *what,
                           struct err *err)
{
    int result = store_database_error(database, code);
    if (result < 0)
        err_set(err, result, "%s: %s", what,
                database->handle ? sqlite3_errmsg(database->handle) : sqlite3_errstr(code));
    return result;
}

int store_database_run(struct store_database *database, const char *sql)
{
    return store_database_error(database,
                                sqlite3_exec(database->handle, sql, NULL, NULL, NULL));
}

sqlite3_stmt *store_database_statement(struct store_database *database, const char *sql,
                                       int *code)
{
    for (size_t i = 0; i < database->statement_count; i++)
        if (database->statements[i].sql == sql)
            return database->statements[i].prepared;
    invariant(database->statement_count < STORE_STATEMENTS_MAX,
              "store: more statements than room");
    sqlite3_stmt *prepared = NULL;
    int result = sqlite3_prepare_v3(database->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
                                    &prepared, NULL);
    if (result != SQLITE_OK) {
        *code = store_database_error(database, result);
        return NULL;
    }
    database->statements[database->statement_count++] =
        (struct store_statement){sql, prepared};
    return prepared;
}

int store_database_step(struct store_database *database, const char *sql)
{
    int result = 0;
    sqlite3_stmt *statement = store_database_statement(database, sql, &result);
    if (!statement)
        return result;
    result = store_database_error(database, sqlite3_step(statement));
    sqlite3_reset(statement);
    return result;
}

/* What a database file, which may be anybody's, must not do. */
static void distrust_file(sqlite3 *handle)
{
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
}

static int set_up(struct store_database *database, enum store_durability durability)
{
    sqlite3_extended_result_codes(database->handle, 1);
    sqlite3_busy_handler(database->handle, wait_for_others, database);
    distrust_file(database->handle);
    int code = sqlite3_exec(database->handle,
                            "PRAGMA journal_mode = WAL;"
                            "PRAGMA temp_store = MEMORY;"
                            "PRAGMA secure_delete = OFF;"
                            "PRAGMA cache_size = -16384;"
                            "PRAGMA cell_size_check = ON;"
                            "PRAGMA journal_size_limit = 67108864;",
                            NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return code;
    sqlite3_wal_autocheckpoint(database->handle, CHECKPOINT_PAGES);
    return sqlite3_exec(database->handle,
                        durability == STORE_SYNC_COMMITS ? "PRAGMA synchronous = FULL"
                                                         : "PRAGMA synchronous = NORMAL",
                        NULL, NULL, NULL);
}

static bool is_in_memory(const char *path)
{
    return strcmp(path, ":memory:") == 0;
}

/* SQLite would make it readable by all, and its log with the same rights. Only a file that is not there yet: to close one
 * that is in use would give up this process's locks on it. */
static void make_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
}

/* Its counts of memory, which nobody asks for, cost a lock in each allocation. To be said before SQLite's first use. */
static void set_up_library(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int store_database_open(struct store_database *database, const char *path,
                        enum store_durability durability, struct err *err)
{
    *database = (struct store_database){0};
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up_library);
    if (!is_in_memory(path))
        make_private(path);
    int code = sqlite3_open_v2(
        path, &database->handle,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK)
        code = set_up(database, durability);
    if (code == SQLITE_OK)
        return 0;
    int result = store_database_explain(database, code, path, err);
    bool is_corrupt = database->is_corrupt;
    store_database_close(database);
    return is_corrupt ? err_set(err, -EBADMSG, "%s is not a sound database", path) : result;
}

void store_database_close(struct store_database *database)
{
    for (size_t i = 0; i < database->statement_count; i++)
        sqlite3_finalize(database->statements[i].prepared);
    sqlite3_close_v2(database->handle);
    *database = (struct store_database){0};
}

#include "lane.h"

#include <errno.h>

#include "base/mem.h"

/* Bounds what one transaction writes: all of it may have to be written again. */
#define BATCH_MAX 1024

struct store_operation {
    struct store_operation *next;
    store_operation_fn *run;
    void *arg;
    int result;
    struct task_wait done;
};

struct batch {
    struct store_lane *lane;
    struct store_operation *first;
    size_t count;
    int result; /* of the transaction */
};

/* --- on the thread pool --- */

static bool is_in_transaction(const struct store_database *database)
{
    return sqlite3_get_autocommit(database->handle) == 0;
}

static int begin_transaction(struct store_lane *lane)
{
    if (lane->shared) {
        int result = store_shared_take_turn(lane->shared);
        if (result < 0)
            return result;
    }
    int result = store_database_step(&lane->database, "BEGIN IMMEDIATE");
    if (lane->shared)
        store_shared_end_turn(lane->shared);
    return result;
}

/* The pages of a commit whose fsync has failed are in the log: a host that is killed now would find them valid when it
 * opens the log again, though their tasks were told that nothing was kept. What is written next takes their place. */
static void overwrite_failed_commit(struct store_database *database)
{
    int version = 0;
    sqlite3_stmt *statement =
        store_database_statement(database, "PRAGMA user_version", &version);
    if (!statement)
        return;
    if (sqlite3_step(statement) == SQLITE_ROW)
        version = sqlite3_column_int(statement, 0);
    sqlite3_reset(statement);
    char *sql = sqlite3_mprintf("PRAGMA user_version = %d", version);
    if (sql)
        store_database_run(database, sql);
    sqlite3_free(sql);
}

static int commit(struct store_database *database)
{
    int result = store_database_step(database, "COMMIT");
    if (result < 0) {
        if (is_in_transaction(database))
            store_database_step(database, "ROLLBACK");
        overwrite_failed_commit(database);
    }
    return result;
}

/* Runs those of which nothing has failed, one after the other, straight in the transaction: a savepoint would cost each
 * of them a copy of every page that it touches. Returns false when one has failed after it had changed something: all is
 * to be taken back, and done again with savepoints. */
static bool run_all(struct batch *batch)
{
    sqlite3 *handle = batch->lane->database.handle;
    struct store_operation *operation = batch->first;
    for (size_t i = 0; i < batch->count; i++, operation = operation->next) {
        sqlite3_int64 changes = sqlite3_total_changes64(handle);
        operation->result = operation->run(&batch->lane->database, operation->arg);
        if (!is_in_transaction(&batch->lane->database) ||
            (operation->result < 0 && sqlite3_total_changes64(handle) != changes))
            return false;
    }
    return true;
}

/* SQLite may have ended the whole transaction with the failure: then that is the batch's. */
static int run_in_savepoint(struct store_database *database,
                            struct store_operation *operation)
{
    int result = store_database_step(database, "SAVEPOINT operation");
    if (result < 0)
        return result;
    operation->result = operation->run(database, operation->arg);
    if (!is_in_transaction(database))
        return operation->result < 0 ? operation->result : -EIO;
    if (operation->result < 0)
        result = store_database_step(database, "ROLLBACK TO operation");
    return result < 0 ? result : store_database_step(database, "RELEASE operation");
}

static int run_all_in_savepoints(struct batch *batch)
{
    struct store_operation *operation = batch->first;
    for (size_t i = 0; i < batch->count; i++, operation = operation->next) {
        int result = run_in_savepoint(&batch->lane->database, operation);
        if (result < 0)
            return result;
    }
    return 0;
}

static int run_again_in_savepoints(struct batch *batch)
{
    struct store_database *database = &batch->lane->database;
    int result = 0;
    if (is_in_transaction(database))
        result = store_database_step(database, "ROLLBACK");
    if (result == 0)
        result = begin_transaction(batch->lane);
    return result < 0 ? result : run_all_in_savepoints(batch);
}

static void write_batch(void *arg)
{
    struct batch *batch = arg;
    struct store_database *database = &batch->lane->database;
    batch->result = begin_transaction(batch->lane);
    if (batch->result < 0)
        return;
    if (!run_all(batch))
        batch->result = run_again_in_savepoints(batch);
    if (batch->result == 0)
        batch->result = commit(database);
    else if (is_in_transaction(database))
        store_database_step(database, "ROLLBACK");
}

static void read_batch(void *arg)
{
    struct batch *batch = arg;
    struct store_operation *operation = batch->first;
    for (size_t i = 0; i < batch->count; i++, operation = operation->next)
        operation->result = operation->run(&batch->lane->database, operation->arg);
}

/* --- in the loop's thread --- */

static struct batch take_batch(struct store_lane *lane)
{
    struct batch batch = {.lane = lane, .first = lane->first};
    struct store_operation *last = NULL;
    while (lane->first && batch.count < BATCH_MAX) {
        last = lane->first;
        lane->first = last->next;
        batch.count++;
    }
    if (last)
        last->next = NULL;
    if (!lane->first)
        lane->last = NULL;
    return batch;
}

/* An operation is on the stack of its task: it is gone as soon as that one runs. */
static void wake_all(const struct batch *batch)
{
    struct store_operation *next;
    for (struct store_operation *operation = batch->first; operation; operation = next) {
        next = operation->next;
        if (batch->result < 0)
            operation->result = batch->result;
        task_wake(&operation->done, operation->result);
    }
}

static void tell_failure(struct store_lane *lane, int result)
{
    bool is_corrupt = lane->database.is_corrupt;
    lane->database.is_corrupt = false;
    if (lane->failed && (result < 0 || is_corrupt))
        lane->failed(lane->failed_arg, result, is_corrupt);
}

static int serve_lane(void *arg)
{
    struct store_lane *lane = arg;
    task_stage(lane->is_writing ? "writing to the store" : "reading from the store");
    while (lane->first) {
        struct batch batch = take_batch(lane);
        lane->batch_count++;
        task_work(lane->is_writing ? write_batch : read_batch, &batch);
        tell_failure(lane, batch.result);
        wake_all(&batch);
        if (lane->log)
            store_log_keep(lane->log);
    }
    lane->is_busy = false;
    return 0;
}

int store_lane_run(struct store_lane *lane, store_operation_fn *run, void *arg)
{
    struct store_operation operation = {.run = run, .arg = arg};
    if (lane->last)
        lane->last->next = &operation;
    else
        lane->first = &operation;
    lane->last = &operation;
    if (!lane->is_busy) {
        lane->is_busy = true;
        task_detach(
            task_start(lane->is_writing ? "store.commit" : "store.read", serve_lane, lane));
    }
    return task_wait_surely(&operation.done);
}

static int do_nothing(struct store_database *database, void *arg)
{
    (void)database;
    (void)arg;
    return 0;
}

static void close_connection(void *arg)
{
    store_database_close(arg);
}

void store_lane_close(struct store_lane *lane)
{
    while (lane->is_busy)
        store_lane_run(lane, do_nothing, NULL);
    task_work(close_connection, &lane->database);
}

#include "schema.h"

#include <errno.h>
#include <stdio.h>

#include "owner.h"
#include "query.h"

/* queue.db.
 *
 * A leg comes with `owner` 0 (STORE_ARRIVALS) until it is due. It is free when `state` = 0 (waiting) and `owner` is NULL;
 * leg_due has the free ones only. `destination` has a row
 * for each destination with free legs: `next_ms` is not later than the earliest of theirs (it may be earlier: a claim
 * that finds nothing there sets it right), so that a claim looks at no destination where nothing is due, however many
 * legs wait there; `turn` is when it was last served, on a clock that counts turns.
 *
 * Leg and owner numbers are never used twice (AUTOINCREMENT): a host that is late must not end another's leg. */
static const char *const queue_steps[] = {
    "CREATE TABLE message("
    " number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, created_ms INTEGER NOT NULL,"
    " reverse_path TEXT NOT NULL, return_path TEXT NOT NULL, envid TEXT NOT NULL,"
    " ret INTEGER NOT NULL, is_8bit INTEGER NOT NULL, is_utf8 INTEGER NOT NULL,"
    " activity_id TEXT NOT NULL, bytes INTEGER NOT NULL, checksum BLOB NOT NULL,"
    " is_file INTEGER NOT NULL);" /* its content is in bodies/<id> */
    "CREATE TABLE content(message INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TABLE leg("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, message INTEGER NOT NULL, recipient TEXT NOT "
    "NULL,"
    " destination TEXT NOT NULL, original TEXT NOT NULL, orcpt TEXT NOT NULL,"
    " notify INTEGER NOT NULL, next_ms INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " is_delay_told INTEGER NOT NULL, state INTEGER NOT NULL, last_reply TEXT NOT NULL,"
    " last_peer TEXT NOT NULL, created_ms INTEGER NOT NULL, owner INTEGER,"
    " checksum BLOB NOT NULL);" /* of what does not change: store_leg_checksum() */
    "CREATE INDEX leg_message ON leg(message);"
    "CREATE INDEX leg_due ON leg(destination, next_ms, created_ms)"
    " WHERE state = 0 AND owner IS NULL;"
    "CREATE INDEX leg_owner ON leg(owner, next_ms) WHERE owner IS NOT NULL;"
    "CREATE TABLE destination(name TEXT PRIMARY KEY, next_ms INTEGER NOT NULL,"
    " turn INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX destination_due ON destination(next_ms, turn);" STORE_OWNER_TABLE
    "CREATE TABLE ledger(key BLOB PRIMARY KEY, expires_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX ledger_expiry ON ledger(expires_ms);",
};

/* activity.db. An attempt belongs to the row with its message_id and recipient, which may come later. */
static const char *const activity_steps[] = {
    "CREATE TABLE activity("
    " number INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL, recipient TEXT "
    "NOT NULL,"
    " time_ms INTEGER NOT NULL, sender TEXT, subject TEXT, header_message_id TEXT, client "
    "TEXT,"
    " helo TEXT, bytes INTEGER, spf TEXT, dkim TEXT, dmarc TEXT, arc TEXT, spam_score REAL,"
    " rule TEXT, worker TEXT, worker_version TEXT, worker_outcome TEXT, action TEXT,"
    " status TEXT NOT NULL, reply TEXT, trail TEXT, UNIQUE(message_id, recipient));"
    "CREATE INDEX activity_time ON activity(time_ms);"
    "CREATE TABLE attempt("
    " number INTEGER PRIMARY KEY, message_id TEXT NOT NULL, recipient TEXT NOT NULL,"
    " time_ms INTEGER NOT NULL, destination TEXT, peer TEXT, tls TEXT, reply TEXT,"
    " failure_class TEXT, status TEXT, duration_ms INTEGER);"
    "CREATE INDEX attempt_row ON attempt(message_id, recipient);",
    "ALTER TABLE activity ADD COLUMN actions TEXT;",
};

/* kv.db. A value comes last: who lists keys reads none of it. `expires_s` 0: never. A schedule's `state` is schedule.c's. */
static const char *const kv_steps[] = {
    "CREATE TABLE pair("
    " number INTEGER PRIMARY KEY, space BLOB NOT NULL, key BLOB NOT NULL,"
    " expires_s INTEGER NOT NULL, metadata BLOB NOT NULL, value BLOB NOT NULL,"
    " UNIQUE(space, key));"
    "CREATE INDEX pair_expiry ON pair(expires_s) WHERE expires_s > 0;",
    "CREATE TABLE schedule("
    " worker TEXT NOT NULL, cron TEXT NOT NULL, state INTEGER NOT NULL,"
    " decided_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL DEFAULT 0,"
    " started_ms INTEGER NOT NULL DEFAULT 0, until_ms INTEGER NOT NULL DEFAULT 0,"
    " ended_ms INTEGER NOT NULL DEFAULT 0, outcome TEXT NOT NULL DEFAULT '',"
    " PRIMARY KEY(worker, cron)) WITHOUT ROWID;",
};

/* messages.db. The content comes last: who looks for a message reads none of it. */
static const char *const kept_steps[] = {
    "CREATE TABLE kept("
    " number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, time_ms INTEGER"
    " NOT NULL, checksum BLOB NOT NULL, envelope BLOB NOT NULL, content BLOB NOT NULL);"
    "CREATE INDEX kept_time ON kept(time_ms);",
};

/* queues.db. A message is free when `owner` is NULL; else it is in the batch of that number. `origin` is the queue that gave
 * it up, empty for one that was sent here. The body, a value as worker/wire.h writes it, comes last: who lists reads none of
 * it. `queue` has what is in each, summed up by whoever changes it. */
static const char *const worker_queue_steps[] = {
    "CREATE TABLE message("
    " number INTEGER PRIMARY KEY AUTOINCREMENT, queue BLOB NOT NULL, id TEXT NOT NULL,"
    " sent_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, origin BLOB NOT NULL, owner INTEGER, batch INTEGER,"
    " bytes INTEGER NOT NULL, body BLOB NOT NULL);"
    "CREATE INDEX message_queue ON message(queue);"
    "CREATE INDEX message_due ON message(queue, due_ms) WHERE owner IS NULL;"
    "CREATE INDEX message_held ON message(owner, queue, batch) WHERE owner IS NOT NULL;"
    "CREATE INDEX message_expiry ON message(expires_ms) WHERE owner IS NULL;"
    "CREATE TABLE queue(name BLOB PRIMARY KEY, messages INTEGER NOT NULL, bytes INTEGER NOT"
    " NULL, dead INTEGER NOT NULL) WITHOUT ROWID;" STORE_OWNER_TABLE,
};

const struct store_schema store_queue_schema = {"queue.db", queue_steps,
                                                sizeof queue_steps / sizeof *queue_steps};
const struct store_schema store_activity_schema = {
    "activity.db", activity_steps, sizeof activity_steps / sizeof *activity_steps};
const struct store_schema store_kv_schema = {"kv.db", kv_steps,
                                             sizeof kv_steps / sizeof *kv_steps};
const struct store_schema store_kept_schema = {"messages.db", kept_steps,
                                               sizeof kept_steps / sizeof *kept_steps};

const struct store_schema store_worker_queue_schema = {"queues.db", worker_queue_steps,
                                                       sizeof worker_queue_steps /
                                                           sizeof *worker_queue_steps};

static int take_steps(struct store_database *database, const struct store_schema *schema,
                      uint64_t taken)
{
    for (size_t i = (size_t)taken; i < schema->step_count; i++) {
        int result = store_database_run(database, schema->steps[i]);
        if (result < 0)
            return result;
    }
    char version[64];
    snprintf(version, sizeof version, "PRAGMA user_version = %zu", schema->step_count);
    return store_database_run(database, version);
}

static int migrate(struct store_database *database, const struct store_schema *schema,
                   struct err *err)
{
    struct store_query query = store_query_begin(database, "PRAGMA user_version");
    uint64_t taken;
    int result = store_query_get_number(&query, &taken, 0);
    if (result < 0)
        return result;
    if (taken > schema->step_count)
        return err_set(
            err, -ENOTSUP,
            "%s was made by a newer Postern (its version is %llu, this one knows "
            "up to %zu)",
            schema->name, (unsigned long long)taken, schema->step_count);
    return taken == schema->step_count ? 0 : take_steps(database, schema, taken);
}

int store_schema_migrate(struct store_database *database, const struct store_schema *schema,
                         struct err *err)
{
    int result = store_database_run(database, "BEGIN IMMEDIATE");
    if (result == 0)
        result = migrate(database, schema, err);
    if (result == 0)
        result = store_database_run(database, "COMMIT");
    if (result == 0 || result == -ENOTSUP) {
        if (result < 0)
            store_database_run(database, "ROLLBACK");
        return result;
    }
    err_set(err, result, "%s: %s", schema->name, sqlite3_errmsg(database->handle));
    store_database_run(database, "ROLLBACK");
    return database->is_corrupt ? -EBADMSG : result;
}

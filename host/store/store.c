#include "store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "internal.h"
#include "salvage.h"
#include "schema.h"

#include "base/mem.h"

#define FAILURE_TOLD_EVERY_MS 60000
#define UPKEEP_EVERY_MS       3600000
/* Of what waits to be written. */
#define ACTIVITY_BYTES        ((size_t)16 * 1024 * 1024)
#define KEPT_BYTES            ((size_t)32 * 1024 * 1024)

uint64_t store_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void store_tell(const struct store *store, struct str what, const char *detail, ...)
{
    if (!store->options.report)
        return;
    char text[sizeof((struct err *)0)->text];
    va_list args;
    va_start(args, detail);
    vsnprintf(text, sizeof text, detail, args);
    va_end(args);
    store->options.report(store->options.report_arg, what, str_of(text));
}

/* A disk that is full fails each batch: once a minute is enough. */
static void tell_failure(void *arg, int result, bool is_corrupt)
{
    struct store *store = arg;
    if (is_corrupt)
        store_shared_set(store->shared, STORE_FLAG_SUSPECT, true);
    uint64_t now_ms = task_now_ms();
    if (store->failure_told_ms && now_ms - store->failure_told_ms < FAILURE_TOLD_EVERY_MS)
        return;
    store->failure_told_ms = now_ms ? now_ms : 1;
    if (is_corrupt)
        store_tell(
            store, STR("the store is corrupt"),
            "%s: stop all hosts; the next start sets the database aside and takes over "
            "what can be read",
            store->directory);
    else
        store_tell(store, STR("the store cannot be written"), "%s: %s", store->directory,
                   strerror(-result));
}

static char *join_path(const char *directory, const char *name)
{
    size_t bytes = strlen(directory) + strlen(name) + 2;
    char *path = mem_alloc(bytes);
    snprintf(path, bytes, "%s/%s", directory, name);
    return path;
}

static int make_directory(const char *path, struct err *err)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return 0;
    return err_set(err, -errno, "%s: %s", path, strerror(errno));
}

static int open_and_check(struct store *store, struct store_database *database,
                          const char *path, const struct store_schema *schema,
                          enum store_durability durability, struct err *err)
{
    int result = store_database_open(database, path, durability, err);
    if (result == 0)
        result = store_schema_migrate(database, schema, err);
    if (result == 0 && store_shared_is_alone(store->shared))
        result =
            store_salvage_check(database, path, schema,
                                store_shared_get(store->shared, STORE_FLAG_SUSPECT), err);
    return result;
}

static int set_aside(struct store *store, struct store_database *database, const char *path,
                     const struct store_schema *schema, enum store_durability durability,
                     struct err *err)
{
    if (!store_shared_is_alone(store->shared))
        return err_set(
            err, -EBADMSG,
            "%s is corrupt, and is set aside once no host uses it: stop all of them", path);
    struct store_salvage salvage;
    int result = store_salvage_run(database, path, schema, durability, &salvage, err);
    if (result < 0)
        return result;
    store_tell(
        store, STR("a database of the store was corrupt and was set aside"),
        "%s is now %s; taken over: %llu rows (%llu messages, %llu legs); of no use: %llu "
        "legs without their message, %llu messages without a leg",
        path, salvage.aside, (unsigned long long)salvage.rows,
        (unsigned long long)salvage.messages, (unsigned long long)salvage.legs,
        (unsigned long long)salvage.lost_legs, (unsigned long long)salvage.lost_messages);
    store->bodies.keep_orphans = true;
    return 0;
}

static int open_writer(struct store *store, struct store_lane *lane,
                       const struct store_schema *schema, enum store_durability durability,
                       struct err *err)
{
    char *path = join_path(store->directory, schema->name);
    int result = open_and_check(store, &lane->database, path, schema, durability, err);
    if (result == -EBADMSG) {
        store_database_close(&lane->database);
        result = set_aside(store, &lane->database, path, schema, durability, err);
        if (result == 0)
            *err = (struct err){0};
    }
    free(path);
    lane->is_writing = true;
    lane->failed = tell_failure;
    lane->failed_arg = store;
    return result;
}

static int open_reader(struct store *store, struct store_lane *lane,
                       const struct store_schema *schema, struct err *err)
{
    char *path = join_path(store->directory, schema->name);
    int result = store_database_open(&lane->database, path, STORE_SYNC_NEVER, err);
    free(path);
    lane->failed = tell_failure;
    lane->failed_arg = store;
    return result;
}

static int open_log(struct store *store, struct store_log *log, struct store_lane *writer,
                    const struct store_schema *schema, struct err *err)
{
    char *path = join_path(store->directory, schema->name);
    int result = store_log_open(log, path, &writer->database, err);
    free(path);
    writer->log = log;
    return result;
}

/* Only a host that is alone may say that nobody needs the flags any more. */
static int set_flags(struct store *store, struct err *err)
{
    bool is_used = false;
    int result = store_ledger_look(&store->queue_writer.database, &is_used);
    if (result < 0)
        return err_set(err, result, "%s: the ledger cannot be read", store->directory);
    if (!store_shared_is_alone(store->shared))
        return 0;
    store_shared_set(store->shared, STORE_FLAG_LEDGER_USED, is_used);
    store_shared_set(store->shared, STORE_FLAG_SUSPECT, false);
    return 0;
}

static int open_pair(struct store *store, struct store_lane *writer,
                     struct store_lane *reader, const struct store_schema *schema,
                     enum store_durability durability, struct err *err)
{
    int result = open_writer(store, writer, schema, durability, err);
    return result < 0 ? result : open_reader(store, reader, schema, err);
}

static int open_databases(struct store *store, struct err *err)
{
    int result = open_pair(store, &store->queue_writer, &store->queue_reader,
                           &store_queue_schema, STORE_SYNC_COMMITS, err);
    store->queue_writer.shared = store->shared;
    if (result == 0)
        result = open_log(store, &store->queue_log, &store->queue_writer,
                          &store_queue_schema, err);
    if (result == 0)
        result = open_pair(store, &store->activity_writer, &store->activity_reader,
                           &store_activity_schema, STORE_SYNC_NEVER, err);
    if (result == 0)
        result = open_pair(store, &store->kv.writer, &store->kv_reader, &store_kv_schema,
                           STORE_SYNC_COMMITS, err);
    if (result == 0)
        result = open_pair(store, &store->kept_writer, &store->kept_reader,
                           &store_kept_schema, STORE_SYNC_NEVER, err);
    if (result == 0)
        result = open_pair(store, &store->worker_queue_writer, &store->worker_queue_reader,
                           &store_worker_queue_schema, STORE_SYNC_COMMITS, err);
    store->kv.reader = &store->kv_reader;
    return result == 0 ? set_flags(store, err) : result;
}

static void open_backlogs(struct store *store)
{
    store->activity =
        (struct store_backlog){.store = store,
                               .lane = &store->activity_writer,
                               .write = store_activity_write,
                               .bytes_max = ACTIVITY_BYTES,
                               .dropped = STR("rows of the activity log were dropped")};
    store->kept = (struct store_backlog){.store = store,
                                         .lane = &store->kept_writer,
                                         .write = store_kept_write,
                                         .bytes_max = KEPT_BYTES,
                                         .dropped = STR("messages were not kept")};
}

/* Those that are read, first: the last connection to be closed empties the log. */
static struct store_lane *lane_of(struct store *store, size_t i)
{
    struct store_lane *lanes[] = {&store->worker_queue_reader, &store->worker_queue_writer,
                                  &store->kept_reader,         &store->kept_writer,
                                  &store->kv_reader,           &store->kv.writer,
                                  &store->activity_reader,     &store->activity_writer,
                                  &store->queue_reader,        &store->queue_writer};
    return i < sizeof lanes / sizeof *lanes ? lanes[i] : NULL;
}

static int open_all(struct store *store, struct err *err)
{
    int result = make_directory(store->directory, err);
    if (result == 0)
        result = make_directory(store->bodies.directory, err);
    if (result < 0)
        return result;
    store->shared = store_shared_open(store->directory, err);
    if (!store->shared)
        return err->code;
    result = store_shared_begin_open(store->shared, err);
    if (result < 0)
        return result;
    result = open_databases(store, err);
    store_shared_end_open(store->shared);
    return result;
}

/* --- upkeep --- */

static int is_message(struct store_database *database, void *arg)
{
    struct store_body_listing *listing = arg;
    for (size_t i = 0; i < listing->count; i++) {
        struct store_query query =
            store_query_begin(database, "SELECT count(*) FROM message WHERE id = ?");
        store_query_text(&query, listing->ids[i]);
        uint64_t found;
        int result = store_query_get_number(&query, &found, 0);
        if (result < 0)
            return result;
        listing->is_kept[i] = found != 0;
    }
    return 0;
}

static void list_old_files(void *arg)
{
    struct store_body_listing *listing = arg;
    store_body_list(listing);
}

static void remove_orphans(void *arg)
{
    const struct store_body_listing *listing = arg;
    for (size_t i = 0; i < listing->count; i++)
        if (!listing->is_kept[i])
            store_body_remove(listing->bodies, listing->ids[i]);
}

/* Files whose message was never committed, or has ended, when a host was killed between. Those of a database that was set
 * aside stay for the administrator. */
static void sweep_files(struct store *store)
{
    if (store->bodies.keep_orphans)
        return;
    struct store_body_listing listing = {.bodies = &store->bodies, .arena = arena_new()};
    task_work(list_old_files, &listing);
    if (listing.count && store_lane_run(&store->queue_reader, is_message, &listing) == 0)
        task_work(remove_orphans, &listing);
    arena_free(listing.arena);
}

static void purge_ledger(struct store *store)
{
    struct store_purge purge = {.before_ms = store_clock_ms()};
    bool is_done = false;
    while (!is_done)
        is_done = store_lane_run(&store->queue_writer, store_ledger_purge, &purge) < 0 ||
                  purge.count == 0;
}

static void purge_pairs(struct store *store)
{
    size_t count = 1;
    while (count && store_kv_purge(&store->kv, store_clock_ms() / 1000, &count) == 0)
        ;
}

static int run_upkeep(void *arg)
{
    struct store *store = arg;
    sweep_files(store);
    if (store_ledger_is_used(store))
        purge_ledger(store);
    purge_pairs(store);
    return 0;
}

void store_keep_up(struct store *store)
{
    if (store->upkeep && task_now_ms() - store->upkeep_ms < UPKEEP_EVERY_MS)
        return;
    if (store->upkeep)
        task_join(store->upkeep);
    store->upkeep_ms = task_now_ms();
    store->upkeep = task_start("store.upkeep", run_upkeep, store);
}

static void free_store(struct store *store)
{
    store_shared_close(store->shared);
    free(store->bodies.directory);
    free(store->directory);
    free(store);
}

struct store *store_open(const struct store_options *options, struct err *err)
{
    struct store *store = mem_zero(1, sizeof *store);
    store->options = *options;
    store->directory = mem_copy_text(options->directory, strlen(options->directory));
    store->options.directory = store->directory;
    store->bodies =
        (struct store_bodies){.directory = join_path(store->directory, "bodies"),
                              .inline_bytes = options->body_inline_bytes};
    open_backlogs(store);
    struct err ignored;
    if (open_all(store, err ? err : &ignored) == 0)
        return store;
    for (size_t i = 0; lane_of(store, i); i++)
        store_database_close(&lane_of(store, i)->database);
    store_database_close(&store->queue_log.mover);
    free_store(store);
    return NULL;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    if (store->upkeep)
        task_join(store->upkeep);
    store_backlog_close(&store->activity);
    store_backlog_close(&store->kept);
    for (size_t i = 0; lane_of(store, i); i++)
        store_lane_close(lane_of(store, i));
    store_log_close(&store->queue_log);
    free_store(store);
}

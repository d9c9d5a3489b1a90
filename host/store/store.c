#include "store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "internal.h"
#include "schema.h"

#include "base/mem.h"

#define FAILURE_TOLD_EVERY_MS 60000

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

static int open_lane(struct store *store, struct store_lane *lane,
                     const struct store_schema *schema, enum store_durability durability,
                     struct err *err)
{
    char *path = join_path(store->directory, schema->name);
    int result = store_database_open(&lane->database, path, durability, err);
    if (result == 0)
        result = store_schema_migrate(&lane->database, schema, err);
    free(path);
    lane->failed = tell_failure;
    lane->failed_arg = store;
    return result;
}

static int open_databases(struct store *store, struct err *err)
{
    store->queue_writer.is_writing = true;
    store->queue_writer.shared = store->shared;
    int result = open_lane(store, &store->queue_writer, &store_queue_schema,
                           STORE_SYNC_COMMITS, err);
    if (result == 0)
        result = open_lane(store, &store->queue_reader, &store_queue_schema,
                           STORE_SYNC_COMMITS, err);
    store->activity_writer.is_writing = true;
    if (result == 0)
        result = open_lane(store, &store->activity_writer, &store_activity_schema,
                           STORE_SYNC_NEVER, err);
    if (result == 0)
        result = open_lane(store, &store->activity_reader, &store_activity_schema,
                           STORE_SYNC_NEVER, err);
    return result;
}

/* Those that are read, first: the last connection to be closed empties the log. */
static struct store_lane *lane_of(struct store *store, size_t i)
{
    struct store_lane *lanes[] = {&store->activity_reader, &store->activity_writer,
                                  &store->queue_reader, &store->queue_writer};
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
    struct err ignored;
    if (open_all(store, err ? err : &ignored) == 0)
        return store;
    for (size_t i = 0; lane_of(store, i); i++)
        store_database_close(&lane_of(store, i)->database);
    free_store(store);
    return NULL;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store_activity_close(store);
    for (size_t i = 0; lane_of(store, i); i++)
        store_lane_close(lane_of(store, i));
    free_store(store);
}

#include "kept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#include "base/mem.h"

/* One transaction's worth: a message may be large. */
#define PURGED_AT_ONCE 16

/* --- added --- */

struct pending {
    struct store_backlog_item item;
    struct store_kept kept;
    uint64_t bytes_max;
    char text[];
};

static struct str copy_text(char **at, struct str text)
{
    char *copy = *at;
    if (text.length)
        memcpy(copy, text.at, text.length);
    *at += text.length;
    return (struct str){copy, text.length};
}

void store_kept_add(struct store *store, const struct store_kept *kept, uint64_t bytes_max)
{
    size_t bytes = sizeof(struct pending) + kept->id.length + kept->envelope.length +
                   kept->content.length;
    struct pending *pending = mem_alloc(bytes);
    char *at = pending->text;
    pending->item = (struct store_backlog_item){.bytes = bytes};
    pending->bytes_max = bytes_max;
    pending->kept = (struct store_kept){.id = copy_text(&at, kept->id),
                                        .time_ms = kept->time_ms,
                                        .envelope = copy_text(&at, kept->envelope),
                                        .content = copy_text(&at, kept->content)};
    store_backlog_add(&store->kept, &pending->item);
}

static void checksum_of(const struct store_kept *kept,
                        unsigned char checksum[STORE_CHECKSUM_BYTES])
{
    const struct str parts[] = {kept->id, STR("\n"), kept->envelope, STR("\n"),
                                kept->content};
    store_checksum(parts, sizeof parts / sizeof *parts, checksum);
}

static int write_one(struct store_database *database, const struct store_kept *kept)
{
    unsigned char checksum[STORE_CHECKSUM_BYTES];
    checksum_of(kept, checksum);
    struct store_query query = store_query_begin(
        database, "INSERT INTO kept(id, time_ms, checksum, envelope, content)"
                  " VALUES(?, ?, ?, ?, ?) ON CONFLICT(id) DO NOTHING");
    store_query_text(&query, kept->id);
    store_query_number(&query, kept->time_ms);
    store_query_blob(&query, (struct str){(const char *)checksum, sizeof checksum});
    store_query_blob(&query, kept->envelope);
    store_query_blob(&query, kept->content);
    return store_query_run(&query);
}

/* --- bounded --- */

static int ask_number(struct store_database *database, const char *sql, uint64_t *number)
{
    struct store_query query = store_query_begin(database, sql);
    return store_query_get_number(&query, number, 0);
}

/* Pages that are free again are not counted: what comes next takes them. */
static int measure(struct store_database *database, uint64_t *bytes)
{
    uint64_t pages = 0, free_pages = 0, page_bytes = 0;
    int result = ask_number(database, "PRAGMA page_count", &pages);
    if (result == 0)
        result = ask_number(database, "PRAGMA freelist_count", &free_pages);
    if (result == 0)
        result = ask_number(database, "PRAGMA page_size", &page_bytes);
    *bytes = (pages - free_pages) * page_bytes;
    return result;
}

static int remove_oldest(struct store_database *database)
{
    struct store_query query = store_query_begin(
        database, "DELETE FROM kept WHERE number = (SELECT min(number) FROM kept)");
    return store_query_change(&query);
}

static int make_room(struct store_database *database, uint64_t bytes_max)
{
    uint64_t bytes;
    int result = measure(database, &bytes);
    while (result == 0 && bytes > bytes_max) {
        result = remove_oldest(database);
        if (result == -ESTALE) /* nothing is left, and an empty database takes this much */
            return 0;
        if (result == 0)
            result = measure(database, &bytes);
    }
    return result;
}

int store_kept_write(struct store_database *database, void *arg)
{
    int result = 0;
    uint64_t bytes_max = 0;
    for (const struct store_backlog_item *item = arg; result == 0 && item;
         item = item->next) {
        const struct pending *pending = (const struct pending *)item;
        result = write_one(database, &pending->kept);
        bytes_max = pending->bytes_max;
    }
    return result < 0 ? result : make_room(database, bytes_max);
}

/* --- read --- */

struct listing {
    const struct store_kept_filter *filter;
    struct arena *arena;
    struct store_kept *kept;
    size_t count, capacity;
};

static struct store_kept *add_listed(struct listing *listing)
{
    if (listing->count == listing->capacity) {
        listing->capacity = listing->capacity ? 2 * listing->capacity : 64;
        struct store_kept *grown =
            arena_array(listing->arena, struct store_kept, listing->capacity);
        if (listing->count)
            memcpy(grown, listing->kept, listing->count * sizeof *grown);
        listing->kept = grown;
    }
    return &listing->kept[listing->count++];
}

static int list(struct store_database *database, void *arg)
{
    struct listing *listing = arg;
    const struct store_kept_filter *filter = listing->filter;
    struct store_query query = store_query_begin(
        database, "SELECT id, time_ms FROM kept WHERE time_ms >= ? AND time_ms < ?"
                  " ORDER BY time_ms DESC, number DESC LIMIT ?");
    store_query_number(&query, filter->since_ms);
    store_query_number(&query, filter->until_ms ? filter->until_ms : UINT64_MAX);
    store_query_number(&query, filter->limit);
    int result;
    listing->count = 0;
    while ((result = store_query_next(&query)) > 0) {
        struct store_kept *kept = add_listed(listing);
        kept->id = store_query_take_str(&query, listing->arena);
        kept->time_ms = store_query_take_number(&query);
    }
    return result;
}

int store_kept_list(struct store *store, const struct store_kept_filter *filter,
                    struct arena *arena, struct store_kept **kept, size_t *count)
{
    struct listing listing = {.filter = filter, .arena = arena};
    int result = store_lane_run(&store->kept_reader, list, &listing);
    *kept = listing.kept;
    *count = result == 0 ? listing.count : 0;
    return result;
}

struct reading {
    struct str id;
    struct arena *arena;
    struct store_kept *kept;
};

static int read_one(struct store_database *database, void *arg)
{
    const struct reading *reading = arg;
    struct store_kept *kept = reading->kept;
    unsigned char checksum[STORE_CHECKSUM_BYTES];
    struct store_query query = store_query_begin(
        database, "SELECT checksum, time_ms, envelope, content FROM kept WHERE id = ?");
    store_query_text(&query, reading->id);
    int result = store_query_next(&query);
    if (result <= 0)
        return result < 0 ? result : -ENOENT;
    struct str found = store_query_take_str(&query, reading->arena);
    kept->id = reading->id;
    kept->time_ms = store_query_take_number(&query);
    kept->envelope = store_query_take_str(&query, reading->arena);
    kept->content = store_query_take_str(&query, reading->arena);
    store_query_end(&query);
    checksum_of(kept, checksum);
    bool is_sound = str_equal(found, (struct str){(const char *)checksum, sizeof checksum});
    return is_sound ? 0 : -EBADMSG;
}

int store_kept_read(struct store *store, struct str id, struct arena *arena,
                    struct store_kept *kept)
{
    struct reading reading = {id, arena, kept};
    return store_lane_run(&store->kept_reader, read_one, &reading);
}

/* --- removed --- */

static int purge_piece(struct store_database *database, void *arg)
{
    struct store_purge *purge = arg;
    struct store_query query =
        store_query_begin(database, "DELETE FROM kept WHERE number IN"
                                    " (SELECT number FROM kept WHERE time_ms < ? LIMIT ?)");
    store_query_number(&query, purge->before_ms);
    store_query_number(&query, PURGED_AT_ONCE);
    int result = store_query_run(&query);
    purge->count = result == 0 ? (size_t)sqlite3_changes(database->handle) : 0;
    return result;
}

int store_kept_purge(struct store *store, uint64_t before_ms)
{
    struct store_purge purge = {.before_ms = before_ms};
    int result;
    do {
        result = store_lane_run(&store->kept_writer, purge_piece, &purge);
    } while (result == 0 && purge.count);
    return result;
}

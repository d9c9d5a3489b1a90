/* The activity log's reading side, and its purge. */
#include <errno.h>

#include "activity_fields.h"
#include "internal.h"

#define TEXT_MAX 200

struct activity_listing {
    const struct store_activity_filter *filter;
    struct str pattern; /* of the filter's text, for LIKE */
    struct arena *arena;
    struct store_activity_row *rows; /* the youngest first */
    size_t count, capacity;
};

/* --- rows --- */

#define MATCHES                                                                            \
    " (?2 = '' OR recipient = ?2) AND (?3 = '' OR sender = ?3)"                            \
    " AND (?4 = '' OR status = ?4) AND (?5 = '' OR rule = ?5) AND (?6 = '' OR worker = "   \
    "?6)"                                                                                  \
    " AND (?7 = '' OR sender LIKE ?7 ESCAPE '\\' OR recipient LIKE ?7 ESCAPE '\\'"         \
    " OR subject LIKE ?7 ESCAPE '\\') AND time_ms >= ?8 AND time_ms < ?9 AND number > ?10" \
    " AND sender IS NOT NULL"
#define SELECT_ROWS "SELECT " STORE_ACTIVITY_COLUMNS ", number FROM activity"

/* The index that suits the filter best: SQLite cannot know which of its values are empty. */
static const char *sql_for(const struct store_activity_filter *filter)
{
    if (filter->message_id.length)
        return SELECT_ROWS " WHERE message_id = ?1 AND" MATCHES
                           " ORDER BY number DESC LIMIT ?11";
    if (filter->after_row)
        return SELECT_ROWS " NOT INDEXED WHERE ?1 = '' AND" MATCHES
                           " ORDER BY number DESC LIMIT ?11";
    return SELECT_ROWS " INDEXED BY activity_time WHERE ?1 = '' AND" MATCHES
                       " ORDER BY time_ms DESC, number DESC LIMIT ?11";
}

static void bind_filter(struct store_query *query, const struct activity_listing *listing)
{
    const struct store_activity_filter *filter = listing->filter;
    store_query_text(query, filter->message_id);
    store_query_text(query, filter->recipient);
    store_query_text(query, filter->from);
    store_query_text(query, filter->status);
    store_query_text(query, filter->rule);
    store_query_text(query, filter->worker);
    store_query_text(query, listing->pattern);
    store_query_number(query, filter->since_ms);
    store_query_number(query, filter->until_ms ? filter->until_ms : UINT64_MAX);
    store_query_number(query, filter->after_row);
    store_query_number(query, filter->limit);
}

static void take_texts(struct store_query *query, const struct store_fields *fields,
                       struct arena *arena, void *thing)
{
    for (size_t i = 0; i < fields->count; i++)
        *store_field_of_copy(thing, &fields->fields[i]) =
            store_query_take_str(query, arena);
}

static struct store_activity_row *add_row(struct activity_listing *listing)
{
    if (listing->count == listing->capacity) {
        listing->capacity = listing->capacity ? 2 * listing->capacity : 16;
        struct store_activity_row *grown =
            arena_array(listing->arena, struct store_activity_row, listing->capacity);
        if (listing->count)
            memcpy(grown, listing->rows, listing->count * sizeof *grown);
        listing->rows = grown;
    }
    return &listing->rows[listing->count++];
}

static int find_rows(struct store_database *database, struct activity_listing *listing)
{
    struct store_query query = store_query_begin(database, sql_for(listing->filter));
    bind_filter(&query, listing);
    int result;
    while ((result = store_query_next(&query)) > 0) {
        struct store_activity_row *row = add_row(listing);
        take_texts(&query, &store_activity_fields, listing->arena, &row->activity);
        row->activity.time_ms = store_query_take_number(&query);
        row->activity.bytes = store_query_take_number(&query);
        row->activity.spam_score = store_query_take_real(&query);
        row->row = store_query_take_number(&query);
    }
    return result;
}

/* --- their attempts --- */

static int count_attempts(struct store_database *database, struct store_activity_row *row)
{
    struct store_query query = store_query_begin(
        database, "SELECT count(*) FROM attempt WHERE message_id = ? AND recipient = ?");
    store_query_text(&query, row->activity.message_id);
    store_query_text(&query, row->activity.recipient);
    uint64_t count;
    int result = store_query_get_number(&query, &count, 0);
    row->attempt_count = (size_t)count;
    return result;
}

static int find_attempts(struct store_database *database, struct store_activity_row *row,
                         struct arena *arena)
{
    int result = count_attempts(database, row);
    if (result < 0 || row->attempt_count == 0)
        return result;
    row->attempts = arena_array(arena, struct store_attempt, row->attempt_count);
    struct store_query query = store_query_begin(
        database,
        "SELECT " STORE_ATTEMPT_COLUMNS " FROM attempt"
        " WHERE message_id = ? AND recipient = ? ORDER BY time_ms, number LIMIT ?");
    store_query_text(&query, row->activity.message_id);
    store_query_text(&query, row->activity.recipient);
    store_query_number(&query, row->attempt_count);
    row->attempt_count = 0;
    while ((result = store_query_next(&query)) > 0) {
        struct store_attempt *attempt = &row->attempts[row->attempt_count++];
        take_texts(&query, &store_attempt_fields, arena, attempt);
        attempt->time_ms = store_query_take_number(&query);
        attempt->duration_ms = store_query_take_number(&query);
    }
    return result;
}

static int list_rows(struct store_database *database, void *arg)
{
    struct activity_listing *listing = arg;
    int result = find_rows(database, listing);
    for (size_t i = 0; result == 0 && i < listing->count; i++)
        result = find_attempts(database, &listing->rows[i], listing->arena);
    return result;
}

static void put_oldest_first(struct store_activity_row *rows, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct store_activity_row row = rows[i];
        rows[i] = rows[count - 1 - i];
        rows[count - 1 - i] = row;
    }
}

/* "50%" becomes "%50\%%". */
static struct str pattern_of(struct str text, struct arena *arena)
{
    if (text.length == 0)
        return text;
    char *pattern = arena_alloc(arena, 2 * text.length + 3);
    size_t length = 0;
    pattern[length++] = '%';
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] == '%' || text.at[i] == '_' || text.at[i] == '\\')
            pattern[length++] = '\\';
        pattern[length++] = text.at[i];
    }
    pattern[length++] = '%';
    return (struct str){pattern, length};
}

int store_activity_list(struct store *store, const struct store_activity_filter *filter,
                        struct arena *arena, struct store_activity_row **rows,
                        size_t *count)
{
    *rows = NULL;
    *count = 0;
    if (filter->text.length > TEXT_MAX)
        return -EINVAL;
    struct activity_listing listing = {
        .filter = filter, .pattern = pattern_of(filter->text, arena), .arena = arena};
    int result = store_lane_run(&store->activity_reader, list_rows, &listing);
    if (result < 0)
        return result;
    put_oldest_first(listing.rows, listing.count);
    *rows = listing.rows;
    *count = listing.count;
    return 0;
}

/* --- purge --- */

/* Attempts are numbered in the order of their times, or nearly so: their times need no index. */
static int purge_piece(struct store_database *database, void *arg)
{
    struct store_purge *purge = arg;
    struct store_query query = store_query_begin(
        database, "DELETE FROM activity WHERE number IN"
                  " (SELECT number FROM activity WHERE time_ms < ? LIMIT 500)");
    store_query_number(&query, purge->before_ms);
    int result = store_query_run(&query);
    if (result < 0)
        return result;
    purge->count = (size_t)sqlite3_changes(database->handle);
    query = store_query_begin(database,
                              "DELETE FROM attempt WHERE time_ms < ? AND number IN"
                              " (SELECT number FROM attempt ORDER BY number LIMIT 500)");
    store_query_number(&query, purge->before_ms);
    result = store_query_run(&query);
    purge->count += (size_t)sqlite3_changes(database->handle);
    return result;
}

int store_activity_purge(struct store *store, uint64_t before_ms)
{
    struct store_purge purge = {.before_ms = before_ms};
    int result;
    do {
        result = store_lane_run(&store->activity_writer, purge_piece, &purge);
    } while (result == 0 && purge.count);
    return result;
}

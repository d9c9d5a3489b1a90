/* The activity log's writing side: what is added is copied to a list in memory, which a task writes a few times a
 * second, each time in one transaction. A queued message may be delivered by another host before its row is written
 * here: a status or an attempt may come first, and a status then makes the row, without a sender, that waits for the
 * rest. */
#include "activity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "activity_fields.h"
#include "internal.h"

#include "base/mem.h"

#define FLUSH_MS      250
#define PENDING_MAX   10000
#define PENDING_BYTES ((size_t)16 * 1024 * 1024)
#define RETRY_MS      1000

enum kind { PENDING_ROW, PENDING_ATTEMPT, PENDING_STATUS };

struct store_pending {
    struct store_pending *next;
    size_t bytes;
    enum kind kind;
    union {
        struct store_activity row;
        struct store_attempt
            attempt; /* of a status: message_id, recipient, status and time */
    } of;
    char text[];
};

/* --- the list --- */

static void drop_oldest(struct store_activity_log *log)
{
    struct store_pending *oldest = log->first;
    log->first = oldest->next;
    if (!log->first)
        log->last = NULL;
    log->count--;
    log->bytes -= oldest->bytes;
    log->dropped_count++;
    free(oldest);
}

static void bound_list(struct store_activity_log *log)
{
    while (log->count > PENDING_MAX || log->bytes > PENDING_BYTES)
        drop_oldest(log);
}

static int write_now_and_then(void *arg);

static void append(struct store *store, struct store_pending *pending)
{
    struct store_activity_log *log = &store->activity;
    if (log->last)
        log->last->next = pending;
    else
        log->first = pending;
    log->last = pending;
    log->count++;
    log->bytes += pending->bytes;
    bound_list(log);
    if (log->is_writing)
        return;
    if (log->writer)
        task_join(log->writer); /* has ended */
    log->is_writing = true;
    log->writer = task_start("store.activity", write_now_and_then, store);
}

/* Whole characters of at most so many bytes. */
static struct str bound_text(struct str text, const struct store_field *field)
{
    if (text.length <= field->length_max)
        return text;
    if (field->is_whole)
        return (struct str){NULL, 0};
    size_t length = field->length_max;
    while (length && ((unsigned char)text.at[length] & 0xc0) == 0x80)
        length--;
    return str_part(text, 0, length);
}

/* A copy of `thing`, whose texts are at these places, in one block of memory. */
static struct store_pending *copy(enum kind kind, const void *thing, size_t thing_bytes,
                                  const struct store_fields *fields)
{
    struct str texts[STORE_FIELDS_MAX] = {0};
    size_t bytes = 0;
    for (size_t i = 0; i < fields->count; i++) {
        texts[i] =
            bound_text(*store_field_of(thing, &fields->fields[i]), &fields->fields[i]);
        bytes += texts[i].length;
    }
    struct store_pending *pending = mem_alloc(sizeof *pending + bytes);
    *pending = (struct store_pending){.bytes = sizeof *pending + bytes, .kind = kind};
    memcpy(&pending->of, thing, thing_bytes);
    char *at = pending->text;
    for (size_t i = 0; i < fields->count; i++) {
        if (texts[i].length)
            memcpy(at, texts[i].at, texts[i].length);
        *store_field_of_copy(&pending->of, &fields->fields[i]) =
            (struct str){at, texts[i].length};
        at += texts[i].length;
    }
    return pending;
}

void store_activity_add(struct store *store, const struct store_activity *activity)
{
    append(store, copy(PENDING_ROW, activity, sizeof *activity, &store_activity_fields));
}

void store_activity_attempt(struct store *store, const struct store_attempt *attempt)
{
    append(store, copy(PENDING_ATTEMPT, attempt, sizeof *attempt, &store_attempt_fields));
}

void store_activity_status(struct store *store, struct str message_id, struct str recipient,
                           struct str status)
{
    struct store_attempt end = {.message_id = message_id,
                                .recipient = recipient,
                                .status = status,
                                .time_ms = store_clock_ms()};
    append(store, copy(PENDING_STATUS, &end, sizeof end, &store_attempt_fields));
}

/* --- writing, on the thread pool --- */

static void bind_fields(struct store_query *query, const void *thing,
                        const struct store_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++)
        store_query_text(query, *store_field_of(thing, &fields->fields[i]));
}

static int write_row(struct store_database *database, const struct store_activity *row)
{
    struct store_query query = store_query_begin(
        database,
        "INSERT INTO activity(" STORE_ACTIVITY_COLUMNS ")"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(message_id, recipient) DO UPDATE SET sender = excluded.sender,"
        " subject = excluded.subject, header_message_id = excluded.header_message_id,"
        " client = excluded.client, helo = excluded.helo, spf = excluded.spf,"
        " dkim = excluded.dkim, dmarc = excluded.dmarc, arc = excluded.arc,"
        " rule = excluded.rule, worker = excluded.worker,"
        " worker_version = excluded.worker_version,"
        " worker_outcome = excluded.worker_outcome, action = excluded.action,"
        " reply = excluded.reply, actions = excluded.actions, trail = excluded.trail,"
        " status = CASE WHEN activity.sender IS NULL AND excluded.status = 'queued'"
        " THEN activity.status ELSE excluded.status END,"
        " time_ms = excluded.time_ms, bytes = excluded.bytes,"
        " spam_score = excluded.spam_score");
    bind_fields(&query, row, &store_activity_fields);
    store_query_number(&query, row->time_ms);
    store_query_number(&query, row->bytes);
    store_query_real(&query, row->spam_score);
    return store_query_run(&query);
}

static int write_attempt(struct store_database *database,
                         const struct store_attempt *attempt)
{
    struct store_query query =
        store_query_begin(database, "INSERT INTO attempt(" STORE_ATTEMPT_COLUMNS ")"
                                    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    bind_fields(&query, attempt, &store_attempt_fields);
    store_query_number(&query, attempt->time_ms);
    store_query_number(&query, attempt->duration_ms);
    return store_query_run(&query);
}

/* Of a row that waits, or of one that is still to come. A failure of one leg stays, whatever becomes of another; and a
 * row waits for each destination that was last told to come again. */
static int write_status(struct store_database *database, const struct store_attempt *end)
{
    struct store_query query = store_query_begin(
        database, "INSERT INTO activity(message_id, recipient, status, time_ms)"
                  " VALUES(?1, ?2, ?3, ?4) ON CONFLICT(message_id, recipient)"
                  " DO UPDATE SET status = excluded.status"
                  " WHERE activity.status IN ('queued', 'forwarded') AND"
                  " (excluded.status <> 'forwarded' OR NOT EXISTS"
                  " (SELECT 1 FROM attempt AS last WHERE message_id = ?1 AND recipient = ?2"
                  " AND status = 'deferred' AND NOT EXISTS"
                  " (SELECT 1 FROM attempt WHERE message_id = ?1 AND recipient = ?2"
                  " AND destination = last.destination AND status <> 'deferred')))");
    store_query_text(&query, end->message_id);
    store_query_text(&query, end->recipient);
    store_query_text(&query, end->status);
    store_query_number(&query, end->time_ms);
    return store_query_run(&query);
}

static int write_pending(struct store_database *database,
                         const struct store_pending *pending)
{
    switch (pending->kind) {
    case PENDING_ROW:
        return write_row(database, &pending->of.row);
    case PENDING_ATTEMPT:
        return write_attempt(database, &pending->of.attempt);
    case PENDING_STATUS:
        return write_status(database, &pending->of.attempt);
    }
    return 0;
}

static int write_list(struct store_database *database, void *arg)
{
    int result = 0;
    for (const struct store_pending *pending = arg; result == 0 && pending;
         pending = pending->next)
        result = write_pending(database, pending);
    return result;
}

/* --- the writer --- */

static void free_list(struct store_pending *first)
{
    while (first) {
        struct store_pending *next = first->next;
        free(first);
        first = next;
    }
}

static void put_back(struct store_activity_log *log, const struct store_activity_log *taken)
{
    taken->last->next = log->first;
    log->first = taken->first;
    if (!log->last)
        log->last = taken->last;
    log->count += taken->count;
    log->bytes += taken->bytes;
    bound_list(log);
}

static int write_what_waits(struct store *store)
{
    struct store_activity_log *log = &store->activity;
    struct store_activity_log taken = *log;
    if (!taken.first)
        return 0;
    log->first = log->last = NULL;
    log->count = log->bytes = 0;
    int result = store_lane_run(&store->activity_writer, write_list, taken.first);
    if (result == 0)
        free_list(taken.first);
    else
        put_back(log, &taken);
    return result;
}

static void tell_dropped(struct store *store)
{
    size_t count = store->activity.dropped_count;
    store->activity.dropped_count = 0;
    if (count)
        store_tell(store, STR("rows of the activity log were dropped"),
                   "%zu, since they could not be written in time", count);
}

static int write_now_and_then(void *arg)
{
    struct store *store = arg;
    uint64_t pause_ms = FLUSH_MS;
    while (store->activity.first && task_sleep(pause_ms) == 0) {
        pause_ms = write_what_waits(store) == 0 ? FLUSH_MS : RETRY_MS;
        tell_dropped(store);
    }
    store->activity.is_writing = false;
    return 0;
}

void store_activity_close(struct store *store)
{
    struct store_activity_log *log = &store->activity;
    if (!log->writer)
        return;
    task_cancel(log->writer);
    task_join(log->writer);
    if (write_what_waits(store) < 0) {
        log->dropped_count += log->count;
        free_list(log->first);
    }
    tell_dropped(store);
}

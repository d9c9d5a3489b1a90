/* The activity log's writing side: what is added is copied, and written by and by (backlog.h). A queued message may be
 * delivered by another host before its row is written here: a status or an attempt may come first, and a status then
 * makes the row, without a sender, that waits for the rest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "activity_fields.h"
#include "internal.h"

#include "base/mem.h"

enum kind { PENDING_ROW, PENDING_ATTEMPT, PENDING_STATUS };

struct pending {
    struct store_backlog_item item;
    enum kind kind;
    union {
        struct store_activity row;
        struct store_attempt
            attempt; /* of a status: message_id, recipient, status and time */
    } of;
    char text[];
};

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
static struct pending *copy(enum kind kind, const void *thing, size_t thing_bytes,
                            const struct store_fields *fields)
{
    struct str texts[STORE_FIELDS_MAX] = {0};
    size_t bytes = 0;
    for (size_t i = 0; i < fields->count; i++) {
        texts[i] =
            bound_text(*store_field_of(thing, &fields->fields[i]), &fields->fields[i]);
        bytes += texts[i].length;
    }
    struct pending *pending = mem_alloc(sizeof *pending + bytes);
    *pending = (struct pending){.item.bytes = sizeof *pending + bytes, .kind = kind};
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

static void add(struct store *store, struct pending *pending)
{
    store_backlog_add(&store->activity, &pending->item);
}

void store_activity_add(struct store *store, const struct store_activity *activity)
{
    add(store, copy(PENDING_ROW, activity, sizeof *activity, &store_activity_fields));
}

void store_activity_attempt(struct store *store, const struct store_attempt *attempt)
{
    add(store, copy(PENDING_ATTEMPT, attempt, sizeof *attempt, &store_attempt_fields));
}

void store_activity_status(struct store *store, struct str message_id, struct str recipient,
                           struct str status)
{
    struct store_attempt end = {.message_id = message_id,
                                .recipient = recipient,
                                .status = status,
                                .time_ms = store_clock_ms()};
    add(store, copy(PENDING_STATUS, &end, sizeof end, &store_attempt_fields));
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

static int write_pending(struct store_database *database, const struct pending *pending)
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

int store_activity_write(struct store_database *database, void *arg)
{
    int result = 0;
    for (const struct store_backlog_item *item = arg; result == 0 && item;
         item = item->next)
        result = write_pending(database, (const struct pending *)item);
    return result;
}

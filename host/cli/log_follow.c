/* What happens from now on: rows that are added, and what becomes of those that wait in the queue. The latter are
 * looked at one by one, since nothing in the store tells what has changed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/task.h"
#include "cli/log.h"

#define POLL_MS     500
#define PIECE_MAX   10000 /* rows that are read at once */
#define WATCHED_MAX 1000

/* A row that waits. */
struct watched {
    struct list node;
    size_t attempt_count;
    char *id, *recipient;
};

struct follower {
    struct store *store;
    const struct store_activity_filter *filter;
    const struct log_form *form;
    struct list watched;
    size_t watched_count;
    uint64_t last_row;
};

/* --- the rows that wait --- */

static void forget(struct follower *follower, struct watched *watched)
{
    list_remove(&watched->node);
    follower->watched_count--;
    free(watched->id);
    free(watched->recipient);
    free(watched);
}

static bool is_queued(const struct store_activity_row *row)
{
    return str_equal(row->activity.status, STR("queued"));
}

static void watch(struct follower *follower, const struct store_activity_row *row)
{
    const struct store_activity *activity = &row->activity;
    if (!is_queued(row))
        return;
    if (follower->watched_count == WATCHED_MAX) /* the oldest */
        forget(follower, list_entry(follower->watched.next, struct watched, node));
    struct watched *watched = mem_zero(1, sizeof *watched);
    watched->attempt_count = row->attempt_count;
    watched->id = mem_copy_text(activity->message_id.at, activity->message_id.length);
    watched->recipient = mem_copy_text(activity->recipient.at, activity->recipient.length);
    list_append(&follower->watched, &watched->node);
    follower->watched_count++;
}

static bool is_wanted(const struct follower *follower, const struct store_activity_row *row)
{
    return follower->filter->status.length == 0 ||
           str_equal(follower->filter->status, row->activity.status);
}

static int look_at(struct follower *follower, struct watched *watched, struct arena *arena)
{
    const struct store_activity_filter filter = {.message_id = str_of(watched->id),
                                                 .recipient = str_of(watched->recipient),
                                                 .limit = 1};
    struct store_activity_row *row;
    size_t count;
    int result = store_activity_list(follower->store, &filter, arena, &row, &count);
    if (result < 0)
        return result;
    bool has_ended = count == 0 || !is_queued(row);
    bool has_news = count && (has_ended || row->attempt_count != watched->attempt_count);
    if (has_news && is_wanted(follower, row))
        log_print_news(follower->form, row, watched->attempt_count, arena);
    if (has_news)
        watched->attempt_count = row->attempt_count;
    if (has_ended)
        forget(follower, watched);
    return 0;
}

static int look_at_watched(struct follower *follower, struct arena *arena)
{
    int result = 0;
    for (struct list *node = follower->watched.next;
         result == 0 && node != &follower->watched;) {
        struct watched *watched = list_entry(node, struct watched, node);
        node = node->next;
        result = look_at(follower, watched, arena);
        arena_reset(arena);
    }
    return result;
}

/* Those that wait already. */
static int watch_queued(struct follower *follower, struct arena *arena)
{
    struct store_activity_filter filter = *follower->filter;
    struct store_activity_row *rows;
    size_t count;
    filter.status = STR("queued");
    filter.since_ms = 0;
    filter.limit = WATCHED_MAX;
    int result = store_activity_list(follower->store, &filter, arena, &rows, &count);
    for (size_t i = 0; result == 0 && i < count; i++)
        watch(follower, &rows[i]);
    arena_reset(arena);
    return result;
}

/* --- the rows that are added --- */

/* Moves last_row to the youngest of all; 1 if there is a younger one. */
static int find_last_row(struct follower *follower, struct arena *arena)
{
    const struct store_activity_filter filter = {.after_row = follower->last_row,
                                                 .limit = 1};
    struct store_activity_row *row;
    size_t count;
    int result = store_activity_list(follower->store, &filter, arena, &row, &count);
    if (result < 0 || count == 0)
        return result;
    follower->last_row = row->row;
    return 1;
}

static void show_row(struct follower *follower, const struct store_activity_row *row,
                     struct arena *arena)
{
    if (is_wanted(follower, row))
        log_print_rows(follower->form, row, 1, arena);
    if (row->row > follower->last_row)
        follower->last_row = row->row;
}

static int look_at_new(struct follower *follower, struct arena *arena)
{
    struct store_activity_filter filter = *follower->filter;
    struct store_activity_row *rows;
    size_t count;
    filter.after_row = follower->last_row;
    filter.status = STR(""); /* one that is not wanted yet can become so */
    filter.since_ms = 0;
    filter.limit = PIECE_MAX;
    int result = find_last_row(follower, arena);
    if (result > 0)
        result = store_activity_list(follower->store, &filter, arena, &rows, &count);
    else
        count = 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        show_row(follower, &rows[i], arena);
        watch(follower, &rows[i]);
    }
    arena_reset(arena);
    return result;
}

/* --- from what has been to what comes --- */

static int begin(struct follower *follower, struct arena *arena)
{
    struct store_activity_row *rows;
    size_t count;
    int result = find_last_row(follower, arena); /* the last by its time */
    if (result > 0)
        result = find_last_row(follower, arena);
    if (result >= 0)
        result =
            store_activity_list(follower->store, follower->filter, arena, &rows, &count);
    for (size_t i = 0; result == 0 && i < count; i++)
        show_row(follower, &rows[i], arena);
    arena_reset(arena);
    return result == 0 ? watch_queued(follower, arena) : result;
}

/* False: nobody reads it any more. */
static bool flush(void)
{
    return fflush(stdout) == 0 && !ferror(stdout);
}

int log_follow(struct store *store, const struct store_activity_filter *filter,
               const struct log_form *form)
{
    struct follower follower = {.store = store, .filter = filter, .form = form};
    struct arena *arena = arena_new();
    list_init(&follower.watched);
    loop_signals_open();
    int result = begin(&follower, arena);
    while (result == 0 && flush() && loop_signal_wait(task_in_ms(POLL_MS)) == -ETIMEDOUT) {
        result = look_at_watched(&follower, arena);
        if (result == 0)
            result = look_at_new(&follower, arena);
    }
    while (!list_empty(&follower.watched))
        forget(&follower, list_entry(follower.watched.next, struct watched, node));
    arena_free(arena);
    return result;
}

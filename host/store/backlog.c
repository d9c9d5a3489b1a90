#include "backlog.h"

#include <stdlib.h>

#include "internal.h"

#define FLUSH_MS  250
#define RETRY_MS  1000
#define ITEMS_MAX 10000

/* --- the list --- */

static void drop_oldest(struct store_backlog *backlog)
{
    struct store_backlog_item *oldest = backlog->first;
    backlog->first = oldest->next;
    if (!backlog->first)
        backlog->last = NULL;
    backlog->count--;
    backlog->bytes -= oldest->bytes;
    backlog->dropped_count++;
    free(oldest);
}

static void bound_list(struct store_backlog *backlog)
{
    while (backlog->count > ITEMS_MAX || backlog->bytes > backlog->bytes_max)
        drop_oldest(backlog);
}

static int write_now_and_then(void *arg);

void store_backlog_add(struct store_backlog *backlog, struct store_backlog_item *item)
{
    item->next = NULL;
    if (backlog->last)
        backlog->last->next = item;
    else
        backlog->first = item;
    backlog->last = item;
    backlog->count++;
    backlog->bytes += item->bytes;
    bound_list(backlog);
    if (backlog->is_writing)
        return;
    if (backlog->writer)
        task_join(backlog->writer); /* has ended */
    backlog->is_writing = true;
    backlog->writer = task_start("store.backlog", write_now_and_then, backlog);
}

static void free_list(struct store_backlog_item *first)
{
    while (first) {
        struct store_backlog_item *next = first->next;
        free(first);
        first = next;
    }
}

static void put_back(struct store_backlog *backlog, const struct store_backlog *taken)
{
    taken->last->next = backlog->first;
    backlog->first = taken->first;
    if (!backlog->last)
        backlog->last = taken->last;
    backlog->count += taken->count;
    backlog->bytes += taken->bytes;
    bound_list(backlog);
}

/* --- the writer --- */

static int write_what_waits(struct store_backlog *backlog)
{
    struct store_backlog taken = *backlog;
    if (!taken.first)
        return 0;
    backlog->first = backlog->last = NULL;
    backlog->count = backlog->bytes = 0;
    int result = store_lane_run(backlog->lane, backlog->write, taken.first);
    if (result == 0)
        free_list(taken.first);
    else
        put_back(backlog, &taken);
    return result;
}

static void tell_dropped(struct store_backlog *backlog)
{
    size_t count = backlog->dropped_count;
    backlog->dropped_count = 0;
    if (count)
        store_tell(backlog->store, backlog->dropped,
                   "%zu, since they could not be written in time", count);
}

static int write_now_and_then(void *arg)
{
    struct store_backlog *backlog = arg;
    uint64_t pause_ms = FLUSH_MS;
    while (backlog->first && task_sleep(pause_ms) == 0) {
        pause_ms = write_what_waits(backlog) == 0 ? FLUSH_MS : RETRY_MS;
        tell_dropped(backlog);
    }
    backlog->is_writing = false;
    return 0;
}

void store_backlog_close(struct store_backlog *backlog)
{
    if (!backlog->writer)
        return;
    task_cancel(backlog->writer);
    task_join(backlog->writer);
    if (write_what_waits(backlog) < 0) {
        backlog->dropped_count += backlog->count;
        free_list(backlog->first);
    }
    tell_dropped(backlog);
}

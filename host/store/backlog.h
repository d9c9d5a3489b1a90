/* What is written soon, and not waited for: a list in memory, which a task writes a few times a second, each time in one
 * transaction. When writing cannot keep up, the oldest are dropped, and that is told with their count. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lane.h"

#include "base/str.h"
#include "base/task.h"

struct store;

/* The first member of what waits, which is one block of memory. */
struct store_backlog_item {
    struct store_backlog_item *next;
    size_t bytes; /* of the block */
};

struct store_backlog {
    struct store *store;
    struct store_lane *lane;
    store_operation_fn *write; /* its argument: the first item, the others follow */
    struct str dropped;        /* what is told then */
    size_t bytes_max;
    struct store_backlog_item *first, *last;
    size_t count, bytes;
    size_t dropped_count; /* and not yet told */
    struct task *writer;  /* lives while something waits */
    bool is_writing;
};

/* Takes over the item. */
void store_backlog_add(struct store_backlog *backlog, struct store_backlog_item *item);
/* Writes what waits, and waits for that. */
void store_backlog_close(struct store_backlog *backlog);

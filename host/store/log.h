/* The write-ahead log's way into the database (a checkpoint), beside the commits: a connection of its own moves what the
 * log holds while the writer goes on; what came meanwhile, the writer moves between two of its transactions, whereafter
 * the log begins anew. A log that grows faster than it can be moved holds the writer up. */
#pragma once

#include <stdbool.h>

#include "database.h"

#include "base/task.h"

struct store_log {
    struct store_database mover;
    struct store_database *writer;
    struct task *moving; /* the last one; NULL: none yet */
    bool is_moving;
    bool is_moved; /* but for what came meanwhile */
};

/* Blocks. After the writer's connection. */
int store_log_open(struct store_log *log, const char *path, struct store_database *writer,
                   struct err *err);
/* After each commit, in the writer's task. */
void store_log_keep(struct store_log *log);
/* Waits in a task, after the writer's lane was closed. */
void store_log_close(struct store_log *log);

/* A connection and the operations that wait for it: tasks hand theirs in and wait, a task of the lane takes all that
 * wait and runs them on the thread pool in their order; meanwhile the next collect.
 *
 * A writing lane runs what it has taken as one transaction and one fsync. One operation that fails takes no other along:
 * should it have changed something, all are taken back and run again, each in a savepoint. A task is woken when the
 * transaction is committed, or has failed as a whole. */
#pragma once

#include <stdbool.h>

#include "database.h"
#include "log.h"
#include "shared.h"

#include "base/task.h"

/* On the thread pool: returns 0, or a negative errno value, whereupon nothing of it is kept. It may be run twice, and
 * must then do the same again: what it leaves in `arg` is set anew by each run. */
typedef int store_operation_fn(struct store_database *database, void *arg);

struct store_operation;

struct store_lane {
    struct store_database database;
    bool is_writing;
    struct store_log *log;       /* NULL: the commits themselves keep it short */
    struct store_shared *shared; /* for the turn; NULL: no turns are taken */
    struct store_operation *first, *last;
    bool is_busy; /* its task lives */
    size_t batch_count;
    /* Told, in the loop's thread, when a transaction as a whole has failed, or the database was found corrupt. */
    void (*failed)(void *arg, int result, bool is_corrupt);
    void *failed_arg;
};

/* Waits in a task, whatever happens to it meanwhile; returns what `run` returned, or why it was not committed. */
int store_lane_run(struct store_lane *lane, store_operation_fn *run, void *arg);
/* Waits in a task until it has nothing to do, and closes the connection. */
void store_lane_close(struct store_lane *lane);

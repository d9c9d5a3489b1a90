/* Runs workers' `scheduled` handlers when their `cron:` says so.
 *
 *     planned --a time has come--> taken in the store --by another host--> over
 *                                     |    `-----------the run before has not ended--> skipped
 *                                     `--run, once, whatever becomes of it--> ended
 *
 * Each host has one; for each time of a line they all ask the store, which gives it to one of them (store/schedule.h). A time is
 * taken before it is run: a host that dies in between, or while it runs, has had that run. What failed is told, and
 * waits for its next time. A time that has passed up to SCHEDULER_MISSED_MS ago with nobody to take it (no host ran, the
 * machine slept) is made up for, the last one of each line; earlier ones are gone. */
#pragma once

#include "scheduled_run.h"

#include "store/schedule.h"

#define SCHEDULER_MISSED_MS ((uint64_t)3600 * 1000)

struct scheduler;

struct scheduler_options {
    struct store *store;
    struct router *router;
    /* For tests; NULL: the clock, and scheduled_run. */
    uint64_t (*now_ms)(void);
    int (*run)(struct router *router, const struct scheduled_run *what, struct arena *arena,
               struct worker_outcome *outcome);
};

struct scheduler *scheduler_open(const struct scheduler_options *options);
/* This snapshot's lines from now on; what runs goes on with its own. */
void scheduler_plan(struct scheduler *scheduler, struct config *config);
/* Begins what is due, and says how long to wait (TASK_FOREVER: for another snapshot) until it is to be called again. In a
 * task. */
uint64_t scheduler_turn(struct scheduler *scheduler);
/* Takes turns, in a task of its own. */
void scheduler_start(struct scheduler *scheduler);
/* Begins nothing any more. In a task; NULL is ignored, as below. */
void scheduler_stop(struct scheduler *scheduler);
/* Then waits for what runs, until the deadline or until it is hastened. */
void scheduler_wait(struct scheduler *scheduler, uint64_t deadline_ms);
void scheduler_hasten(struct scheduler *scheduler);
/* When nothing can run any longer (worker_stop_all); waits until that is written down. */
void scheduler_close(struct scheduler *scheduler);

/* For `postern status`: the lines, in the arena. Waits in a task. */
struct scheduler_line {
    uint64_t next_ms; /* CRON_NEVER: none */
    struct store_schedule known;
};
struct scheduler_line *scheduler_lines(struct scheduler *scheduler, struct arena *arena,
                                       size_t *count);

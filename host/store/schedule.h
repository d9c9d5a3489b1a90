/* Which times of workers' schedules are taken, so that of all hosts one runs each: a row of <directory>/kv.db for each worker
 * and cron line. Functions wait, and promise what store.h says. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct store;

/* A row that is further in the future was written when a clock was wrong, and counts as none; so does a run that would
 * take longer. */
#define STORE_SCHEDULE_AHEAD_MS ((uint64_t)2 * 3600 * 1000)

struct store_schedule {
    struct str worker, cron; /* together they name the row */
    /* Up to here every time was decided about: taken, skipped, or past when the line was first seen. */
    uint64_t decided_ms;
    uint64_t due_ms;     /* the last run's; 0: there was none */
    uint64_t started_ms; /* when it began */
    uint64_t
        until_ms; /* 0: it has ended; else it will have by then, or its host has died */
    uint64_t ended_ms;
    struct str outcome; /* empty until it has ended */
};

/* The lines that there are from now on: sets `decided_ms` of each. One that was not there before, or was not among those given
 * last, begins now. What is known of others is forgotten after a day. */
int store_schedule_begin(struct store *store, struct store_schedule lines[], size_t count,
                         uint64_t now_ms);

struct store_schedule_claim {
    struct str worker, cron;
    uint64_t due_ms; /* the time */
    uint64_t now_ms;
    uint64_t until_ms; /* when the run will have ended, whatever becomes of it */
    bool is_running; /* the answer: the run before has not ended, so this time is skipped */
};
/* Decides about a time: 0 for exactly one of those who ask, who is to run it unless `is_running` says no. -EEXIST: it was decided
 * about already. */
int store_schedule_claim(struct store *store, struct store_schedule_claim *claim);
/* The run of this time has ended. -ESTALE: another has begun since. */
int store_schedule_end(struct store *store, const struct store_schedule *run);

/* What is known of these lines, whose names are given; nothing but the names of one that has no row. In the arena. */
int store_schedule_read(struct store *store, struct store_schedule rows[], size_t count,
                        struct arena *arena);

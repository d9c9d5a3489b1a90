/* One run of a worker's `scheduled` handler. */
#pragma once

#include "event_run.h"

struct scheduled_run {
    struct config *config;              /* the snapshot that it runs with */
    const struct config_worker *worker; /* of that snapshot */
    struct str cron;                    /* the line of its `cron:` */
    uint64_t due_ms;                    /* the time, since 1970 */
};

/* What the script is told, in the arena. */
struct worker_event scheduled_event(struct str cron, uint64_t due_ms, struct arena *arena);
/* As event_run. */
int scheduled_run(struct router *router, const struct scheduled_run *what,
                  struct arena *arena, struct worker_outcome *outcome);

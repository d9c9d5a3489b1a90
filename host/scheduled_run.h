/* One run of a worker's `scheduled` handler. */
#pragma once

#include "event_run.h"

struct scheduled_run {
    struct config *config;              /* the snapshot that it runs with */
    const struct config_worker *worker; /* of that snapshot */
    struct str cron;                    /* the line of its `cron:` */
    uint64_t due_ms;                    /* the time, since 1970 */
    struct trail *trail;                /* as event_run's; may be NULL */
};

/* As event_run. */
int scheduled_run(struct router *router, const struct scheduled_run *what,
                  struct arena *arena, struct worker_outcome *outcome);

/* What happens to a worker beside mail (a time of its cron, a batch of a queue, an HTTP request): one run of that handler,
 * with the bindings that the worker has, its log, and a name under which the log tells of it. */
#pragma once

#include "config.h"
#include "route.h"

#include "worker/worker.h"

struct event_run {
    struct router *router;
    struct config *config;              /* the snapshot that it runs with */
    const struct config_worker *worker; /* of that snapshot */
    struct worker_event event;
    /* What of the worker's it is, for the log: FIELD("cron", …); zeroed: nothing to be told. */
    struct status_field about, also;
    /* Where its log goes as well; stays until everything has ended. NULL: one of its own. */
    struct trail *trail;
    /* May be NULL: what events.lua asks for itself, in calls that name no binding; and that nothing will be asked any more,
     * which may come after the run's end. */
    void (*call)(void *arg, const struct worker_call *call, struct arena *arena,
                 struct worker_answer *answer);
    void (*ended)(void *arg);
    void *arg;
};

/* Runs it and waits for its outcome, as worker_run_event; texts of the outcome are in the arena, without the worker's
 * secrets. waitUntil functions may go on after it has returned. */
int event_run(const struct event_run *what, struct arena *arena,
              struct worker_outcome *outcome);

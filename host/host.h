/* A host process: owns the loop, the configuration, the SMTP server, delivery and workers; reloads, and
 * ends gracefully. */
#pragma once

#include "route.h"
#include "scheduler.h"
#include "supervised.h"

#include "http/front.h"
#include "smtp/server.h"

/* What came of the last change of the rules directory. */
struct host_reload_report {
    uint64_t time_ms;
    struct problem_list problems; /* empty: it is in effect */
};

struct host {
    struct router router; /* router.config is the present snapshot */
    struct smtp_server *server;
    struct http_front *http;
    struct dns *dns; /* NULL with dev */
    uint64_t started_at;
    struct host_reload_report last_reload;
    struct scheduler *scheduler;
    struct shared *shared; /* with the other hosts of the service */
    unsigned number;       /* its place there */
};

struct host_options {
    const char *directory;
    enum config_mode mode;
    /* Called in a task of its own once all listeners are open; may be NULL. */
    void (*when_listening)(struct host *host);
    const struct inherited *inherited; /* from a supervisor; NULL: there is none */
};

/* Serves until SIGTERM or SIGINT, then finishes what is in flight; the process's exit code. */
int host_serve(const struct host_options *options);

/* Prints "file:line:column: text" for each problem to standard error. */
void host_print_problems(const struct problem_list *problems);

/* Of the snapshot's new versions of workers, before they take messages, in a task: loads each in an isolate; runs the tests
 * beside their scripts, for which `place` (may be NULL) lets one host do the work of all. Reports what fails.
 * host_test_workers returns false when scripts have changed meanwhile, so that nothing is known of them. */
void host_try_workers(const struct config *config, struct problem_list *problems);
bool host_test_workers(const struct config *config, const struct shared_place *place,
                       struct problem_list *problems);

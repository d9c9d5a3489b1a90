/* Shared by host.c (start and end) and host_reload.c (snapshots). */
#pragma once

#include "control.h"
#include "host.h"

#include "base/watch.h"

struct serving {
    const struct host_options *options;
    struct host host;
    struct smtp_handler handler;
    struct control *control;
    struct watch *watch;
    struct task *reloader;
    struct task *greeter;
    struct task *tester;
    struct supervised *supervised; /* NULL without a supervisor */
    struct task *heart, *guard;
    bool is_reloading, reload_again;
};

/* A whole new snapshot with workers that load and, when it takes the place of another, pass their tests; or NULL with the
 * problems. */
struct config *host_load_config(const struct serving *serving, const struct config *before,
                                struct problem_list *problems);
/* NULL without `err` when there is no certificate. */
struct tls_server *host_open_tls(const struct config *config, struct err *err);
/* All that the snapshot was made of. */
void host_watch_files(struct watch *watch, const struct config *config);
void host_note_rules(const struct config *config);
/* The supervisor must know how long messages in flight may take. */
void host_tell_shutdown(const struct host *host, const struct config *config);

/* For a change of files and for SIGHUP: what comes while one reload is under way makes it run once more. */
void host_reload(struct serving *serving);
/* Tasks, with the struct serving. */
int host_reload_when_changed(void *arg);
/* The tests of what serves from the start: nothing could serve instead, so what fails is told and no more. */
int host_test_first_workers(void *arg);

/* Shared by host.c (start and end) and host_reload.c (snapshots). */
#pragma once

#include "control.h"
#include "host.h"

#include "base/task.h"
#include "base/watch.h"

struct serving {
    const struct host_options *options;
    struct host host;
    struct smtp_handler handler;
    struct control *control;
    struct watch *watch;
    struct task *reloader, *asked_reloader;
    struct task *greeter;
    struct task *tester;
    struct supervised *supervised; /* NULL without a supervisor */
    struct task *heart, *guard;
    bool is_reloading, reload_again;
    bool is_asked; /* for a reload that has not begun */
    struct task_signal asked;
};

/* A whole new snapshot with workers that load and, when it takes the place of another, pass their tests; or NULL with the
 * problems. NULL without problems: files have changed meanwhile, so that it is to be done again. */
struct config *host_load_config(struct serving *serving, const struct config *before,
                                struct problem_list *problems);
/* NULL without `err` when there is no certificate. */
struct tls_server *host_open_tls(const struct config *config, struct err *err);
/* All that the snapshot was made of. */
void host_watch_files(struct watch *watch, const struct config *config);
void host_note_rules(const struct config *config);
/* The supervisor must know how long messages in flight may take. */
void host_tell_shutdown(const struct host *host, const struct config *config);

/* Tasks, with the struct serving: a reload may take as long as the scripts' tests. */
int host_reload_when_changed(void *arg);
int host_reload_when_asked(void *arg);
/* For SIGHUP; does not wait. */
void host_ask_for_reload(struct serving *serving);
/* The tests of what serves from the start: nothing could serve instead, so what fails is told and no more. */
int host_test_first_workers(void *arg);

/* Workers: user scripts, each in an isolate process of its own (DESIGN.md 2), started on first use,
 * stopped when idle, replaced after a crash, a kill or a reload. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "circuit.h"
#include "handler.h"

#include "base/arena.h"
#include "base/err.h"
#include "mail/message.h"
#include "smtp/reply.h"

struct worker_limits {
    uint32_t cpu_soft_ms;  /* per message: 100; an error in the script, with its line */
    uint32_t cpu_hard_ms;  /* per message: 500; the isolate is killed */
    uint32_t wall_ms;      /* per message: 120,000 */
    uint64_t memory_bytes; /* of the Lua heap: 64 MiB */
    uint32_t messages_max; /* in flight in one isolate: 64; others wait their turn */
    uint32_t
        instances_max;    /* isolates at once: 1; another starts when the others are full */
    uint32_t actions_max; /* forward, reply … per message: 32 */
    uint32_t calls_max;   /* of bindings that are no actions, per message: 500 */
    uint32_t log_bytes_max; /* per message: 16 KiB */
    uint32_t idle_ms;       /* an idle isolate is stopped after: 60,000 */
};

struct value;

struct worker_variable {
    struct str name, value;
    bool is_secret; /* for whoever keeps logs: the script sees a variable as any other */
};

/* What a script finds in `env` beside its variables: an object of this kind, whose methods are calls of
 * worker_actions.binding. */
struct worker_binding {
    struct str name, kind; /* "TICKETS", "kv" */
};

struct worker_module {
    struct str name; /* "lib.tickets" for lib/tickets.lua */
    struct str source;
};

/* One version of a worker: what its isolate is loaded with. Copied by worker_new. */
struct worker_options {
    struct str name;               /* "support" */
    struct str script;             /* file name for messages: "support.lua" */
    struct str source;             /* text */
    struct worker_module *modules; /* what `require` finds beside the stdlib */
    size_t module_count;
    struct worker_variable *variables;
    size_t variable_count;
    struct worker_binding *bindings;
    size_t binding_count;
    struct worker_limits limits;
    struct circuit_options circuit;
    struct str label; /* of the version, where people see it */
};

struct worker;

/* Counted: a message keeps the version it started with; the isolate of a version that nobody keeps
 * any more finishes what is in flight and ends. */
struct worker *worker_new(const struct worker_options *options);
struct worker *worker_keep(struct worker *worker);
void worker_release(struct worker *worker);
struct str worker_name(const struct worker *worker);
/* Loads the script in an isolate now (`postern check`, reload): 0, or the script's own error as
 * "support.lua:12: …". */
int worker_try(struct worker *worker, struct err *err);
/* Of a worker that worker_try has found to load, or that has run. */
bool worker_has_handler(const struct worker *worker, enum worker_handler handler);
/* Ends every isolate, and with them what is in flight (WORKER_CRASHED); waits in a task until each
 * `end` has been called. At the end of the process. */
void worker_stop_all(void);
/* For `postern status`: the isolates, and the versions without one whose circuit is not closed. */
struct worker_view {
    struct str name, label;
    int pid; /* 0: no isolate takes messages now */
    size_t in_flight;
    uint64_t lua_bytes;
    enum circuit_state circuit;
};
void worker_each(void (*see)(const struct worker_view *view, void *arg), void *arg);

/* --- one message through a worker --- */

struct worker_capture {
    struct str name, value;
};

struct worker_email {
    const struct message *message;
    struct mailbox recipient;
    const struct worker_capture *captures;
    size_t capture_count;
    bool can_be_forwarded;
    struct str
        auth; /* message.auth as one value (worker/wire.h); empty: nothing was verified */
    double spam_score; /* negative: there is none */
};

/* The answer to a forward, a reply or a binding's method, which the script sees as a result or as an error table. */
struct worker_answer {
    bool is_ok;
    struct str message_id; /* ok: of what was sent */
    bool is_queued;        /* ok: no next hop has taken it yet; it will be tried again */
    struct str
        value; /* ok, of a binding: what its method returns, one value (worker/wire.h) */
    struct str code; /* else: "E_…", as the hosted service names them where it has a name */
    struct str text; /* what is wrong, for a person */
    struct str
        failure; /* what a delivery failed of: "quota", "spam" …; empty for other errors */
    struct reply reply; /* the upstream's reply, code 0 if there was none */
    bool is_permanent;
};

/* A call of a binding's method; the isolate may ask for any, bound or not. */
struct worker_call {
    struct str binding, method;
    const struct value *arguments; /* worker/wire.h */
};

struct worker_header {
    struct str name, value;
};

/* What a forward() asks for. */
struct worker_forward {
    struct str recipient;
    const struct worker_header *headers; /* to add */
    size_t header_count;
    const struct worker_header *set; /* in place of what the message has of these names */
    size_t set_count;
    const struct str *remove;
    size_t remove_count;
    bool rewrites_from;
    struct str from; /* rewrites_from: the address; empty: the recipient's own */
    bool wraps;      /* as an attachment of a message of ours */
    bool anyway;     /* though it cannot pass DMARC at the next hop */
};

struct worker_reply {
    struct str raw; /* a whole message, or empty and the following are used */
    struct str from, to, subject, text,
        html; /* from and to may be empty: the obvious ones */
    const struct worker_header *headers;
    size_t header_count;
};

/* What a worker may ask of the host while it runs. Each call runs in a task of its own and may wait;
 * strings live in `arena`. */
struct worker_actions {
    void *arg;
    /* Of a message only: NULL with worker_run_event. */
    void (*forward)(void *arg, const struct worker_forward *forward, struct arena *arena,
                    struct worker_answer *answer);
    void (*reply)(void *arg, const struct worker_reply *reply, struct arena *arena,
                  struct worker_answer *answer);
    /* NULL: there are no bindings. */
    void (*binding)(void *arg, const struct worker_call *call, struct arena *arena,
                    struct worker_answer *answer);
    /* Whether that call counts as an action (limits.actions_max), as something that is sent does. */
    bool (*is_action)(void *arg, const struct worker_call *call);
    /* level: "debug", "info", "warn", "error" */
    void (*log)(void *arg, struct str level, struct str text);
    /* Everything has ended, waitUntil functions included: called exactly once per worker_run, possibly
     * after it has returned; `arg` may be freed. */
    void (*end)(void *arg);
};

enum worker_result {
    WORKER_OK,        /* the handler returned */
    WORKER_REJECTED,  /* setReject: `text` is the reason */
    WORKER_EXCEPTION, /* uncaught error: `text` is script:line: message, `traceback` */
    WORKER_EXCEEDED_CPU,
    WORKER_EXCEEDED_MEMORY,
    WORKER_EXCEEDED_WALL_TIME,
    WORKER_CRASHED, /* or the isolate was killed because of another message after this one had acted */
    WORKER_BROKEN,       /* the script does not load */
    WORKER_CIRCUIT_OPEN, /* not run: it kept failing, and pauses */
};

struct worker_outcome {
    enum worker_result result;
    struct str text;      /* in the arena */
    struct str traceback; /* in the arena */
    struct reply
        upstream; /* WORKER_EXCEPTION: of who refused a forward() that the script did not catch;
                              code 0: none */
    const struct value
        *value; /* WORKER_OK of an event: what came of it, in the arena; NULL: nothing */
    uint32_t action_count;
    uint64_t cpu_us;
    enum circuit_change circuit; /* that this run has brought about */
};

/* Of the script, or of what runs it; neither its own decision nor an upstream's refusal that it passed on. */
bool worker_has_failed(const struct worker_outcome *outcome);

/* Runs the worker's `email` handler and waits for its outcome. A message whose isolate died of another
 * message's fault is run again in a fresh one if it had taken no action. Returns 0 with the outcome (also
 * for failures of the script); -ECANCELED; -ESHUTDOWN, with what came of it, when worker_stop_all cut it short. */
int worker_run(struct worker *worker, const struct worker_email *email,
               const struct worker_actions *actions, struct arena *arena,
               struct worker_outcome *outcome);

/* Something else that happens to a worker: a time of its cron, a batch of a queue, an HTTP request. */
struct worker_event {
    enum worker_handler handler; /* not WORKER_EMAIL */
    struct str value;            /* what happened, one table (worker/wire.h) */
};
/* The same for that handler; neither asks the circuit, which is about mail, nor counts there. WORKER_BROKEN when the
 * script has no such handler. */
int worker_run_event(struct worker *worker, const struct worker_event *event,
                     const struct worker_actions *actions, struct arena *arena,
                     struct worker_outcome *outcome);

const char *worker_result_name(enum worker_result result); /* "ok", "exceededCpu" … */

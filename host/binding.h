/* Bindings: what a worker finds in `env` beside its variables, each a capability that it has only because host.yaml says
 * so. An object there has a kind; its methods come here as calls (worker/worker.h) and are done by one function each.
 *
 *     script: env.TICKETS:get("17") -> isolate -> worker/call.c -> binding_call() -> binding_kv.c
 *
 * What a call may do is in the snapshot that its message started with; what is kept over snapshots, in struct bindings. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "mail/mailbox.h"
#include "worker/worker.h"

struct config;
struct config_worker;
struct outcome;
struct passage;
struct router;
struct store_kv;
struct trail;

enum binding_kind {
    BINDING_KV,
    BINDING_LIMITER,
    BINDING_SEND,
    BINDING_FETCH,
    BINDING_QUEUE,
    BINDING_KIND_COUNT
};

/* "support@example.com", "*@example.com", or "*". */
struct binding_pattern {
    struct mailbox mailbox;
    bool is_any_local, is_anybody;
};
struct binding_patterns {
    struct binding_pattern *items;
    size_t count;
    bool is_given; /* in host.yaml */
};

/* Whether one of them is that address. */
bool binding_patterns_match(const struct binding_patterns *patterns,
                            const struct mailbox *mailbox);

/* As host.yaml describes it. */
struct binding {
    struct str name;
    enum binding_kind kind;
    struct str
        space; /* KV: the namespace; QUEUE: the queue; other workers may have them as well */
    uint32_t limit;     /* LIMITER: so many … */
    uint64_t period_ms; /* … in so long, for each key */
    /* SEND: whose name may be used (not given: all of our domains), and who may be written to (not given: the
     * destinations of host.yaml). */
    struct binding_patterns from, to;
    /* FETCH: "api.example.com", "*.example.com" (all below it), "192.0.2.1", "*". */
    struct str *hosts;
    size_t host_count;
    bool is_private;  /* addresses that are not public may be asked too */
    struct str roots; /* PEM: in place of the system's trusted roots; may be empty */
};

/* As in LOAD and in messages: "kv". */
struct str binding_kind_name(enum binding_kind kind);

/* --- calls --- */

/* Where a script runs. */
struct binding_place {
    struct router *router;
    struct config *config; /* the snapshot */
    const struct config_worker *worker;
    struct trail *trail;
    /* The message that it runs for, and the recipient; NULL: it runs for none. */
    struct passage *passage;
    const struct outcome *outcome;
};

/* Does it, or says in the answer why not. In a task. */
void binding_call(const struct binding_place *place, const struct worker_call *call,
                  struct arena *arena, struct worker_answer *answer);
/* Whether it counts as an action. */
bool binding_is_action(const struct binding_place *place, const struct worker_call *call);

/* The text with the worker's secrets replaced, for the log: as it is where there are none in it, else in the arena. */
struct str binding_hide_secrets(const struct config_worker *worker, struct str text,
                                struct arena *arena);

/* --- what a host keeps for them --- */

struct bindings;

/* Limits are divided among so many hosts. */
struct bindings *bindings_open(unsigned host_count);
/* When no worker runs any more; in a task. NULL is ignored. */
void bindings_close(struct bindings *bindings);
/* Instead of the network, in a trial: who answers what scripts fetch. 0, or a negative errno value with the reason. */
struct http_request;
struct http_response;
typedef int binding_fetch_fn(void *arg, const struct binding *binding,
                             const struct http_request *request, struct arena *arena,
                             struct http_response *response, struct err *err);
void bindings_set_fetch(struct bindings *bindings, binding_fetch_fn *fetch, void *arg);
/* In a trial: what the time is for KV, in Unix milliseconds; 0: the real one. */
void bindings_set_now(struct bindings *bindings, uint64_t now_ms);
uint64_t bindings_now_ms(const struct bindings *bindings);
/* Likewise, who is told what scripts send to queues. */
struct store_worker_send;
typedef void binding_sent_fn(void *arg, const struct binding *binding,
                             const struct store_worker_send *sent);
void bindings_set_sent(struct bindings *bindings, binding_sent_fn *sent, void *arg);
/* Where KV is kept when there is no store: in memory, from the first call on. NULL with the reason. */
struct store_kv *bindings_memory(struct bindings *bindings, struct err *err);
/* What scripts find there, before they have changed it: for a trial on what is kept. Before the first call. */
void bindings_show_kv(struct bindings *bindings, struct store_kv *below);

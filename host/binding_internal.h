/* Shared by binding.c (which binding, which method) and binding_<kind>.c (what the method does). */
#pragma once

#include "binding.h"
#include "route.h"

#include "base/buf.h"
#include "base/table.h"
#include "store/kv.h"
#include "worker/wire.h"

struct bindings {
    unsigned host_count;
    struct table *limiters;  /* "worker/NAME" -> struct limiter */
    struct store_kv *below;  /* what is seen through `memory`; NULL: nothing */
    binding_fetch_fn *fetch; /* NULL: the network */
    void *fetch_arg;
    binding_sent_fn *sent; /* NULL: the store's queues */
    void *sent_arg;
    struct store_kv *memory; /* where there is no store; NULL until it is asked for */
    uint64_t now_ms;         /* of a trial; 0: the real time */
};

/* One call under way. */
struct binding_request {
    const struct binding_place *place;
    const struct binding *binding;
    const char *method;
    const struct value *arguments;
    struct arena *arena;
    struct worker_answer *answer;
    struct buf result; /* what the method returns, as one value; empty: nil */
    bool has_failed;
};

/* A method leaves its result, or calls this. For the script's author: "env.TICKETS:put: <text>". */
void binding_refuse(struct binding_request *request, const char *code, const char *text,
                    ...) __attribute__((format(printf, 3, 4)));
/* The same for what may go well later. */
void binding_fail(struct binding_request *request, const char *code, const char *text, ...)
    __attribute__((format(printf, 3, 4)));

/* Arguments: false, with the refusal, when it is missing or past the limits. */
bool binding_take_text(struct binding_request *request, const char *name, size_t least,
                       size_t most, struct str *text);
/* An optional whole number between these; `missing` where there is none. */
bool binding_take_number(struct binding_request *request, const char *name, int64_t least,
                         int64_t most, int64_t missing, int64_t *number);

/* For the row of the message that it runs for, if for one (route_note_action). */
void binding_note_action(const struct binding_request *request, const char *what,
                         struct str to, struct str detail);

typedef void binding_method_fn(struct binding_request *request);
binding_method_fn binding_kv_get, binding_kv_put, binding_kv_delete, binding_kv_increment,
    binding_kv_list;
binding_method_fn binding_limiter_limit;
binding_method_fn binding_send_send;
binding_method_fn binding_fetch_fetch;
binding_method_fn binding_queue_send;

void binding_limiters_free(struct bindings *bindings);

/* env.LIMITER: a token bucket for each key. Each host has its share of the limit, at least one: mail of one sender that
 * comes in through several hosts is limited by their sum. */
#include <stdlib.h>

#include "binding_internal.h"

#include "base/mem.h"
#include "base/task.h"

#define KEY_BYTES_MAX 512
#define KEYS_MAX      10000

struct limiter {
    uint32_t limit; /* as it was when it was made */
    uint64_t period_ms;
    struct rate *rate;
};

/* A reload may have changed the limit: then all buckets are full again. */
static struct limiter *find_limiter(struct bindings *bindings,
                                    const struct binding *binding, struct str key)
{
    struct limiter *limiter = table_get(bindings->limiters, key);
    if (limiter && limiter->limit == binding->limit &&
        limiter->period_ms == binding->period_ms)
        return limiter;
    if (!limiter) {
        limiter = mem_zero(1, sizeof *limiter);
        table_set(bindings->limiters, key, limiter);
    }
    uint32_t share = binding->limit / bindings->host_count;
    if (share == 0)
        share = 1;
    rate_free(limiter->rate);
    limiter->limit = binding->limit;
    limiter->period_ms = binding->period_ms;
    limiter->rate = rate_new_per(share, binding->period_ms, share, KEYS_MAX);
    return limiter;
}

void binding_limiter_limit(struct binding_request *request)
{
    struct str key;
    struct bindings *bindings = request->place->router->bindings;
    if (!binding_take_text(request, "key", 0, KEY_BYTES_MAX, &key))
        return;
    bool is_free = true;
    if (bindings) {
        const char *name = arena_printf(request->arena, "%.*s/%.*s",
                                        STR_ARG(request->place->worker->options.name),
                                        STR_ARG(request->binding->name));
        struct limiter *limiter = find_limiter(bindings, request->binding, str_of(name));
        is_free = rate_take(limiter->rate, key, task_now_ms());
    }
    value_begin_table(&request->result);
    value_put_bool(&request->result, "success", is_free);
    value_end_table(&request->result);
}

void binding_limiters_free(struct bindings *bindings)
{
    struct str name;
    void *value;
    for (size_t at = 0; table_next(bindings->limiters, &at, &name, &value);) {
        struct limiter *limiter = value;
        rate_free(limiter->rate);
        free(limiter);
    }
    table_free(bindings->limiters);
}

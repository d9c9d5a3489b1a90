#include "binding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "binding_internal.h"

#include "base/mem.h"

static const struct {
    enum binding_kind kind;
    const char *method;
    binding_method_fn *run;
    bool is_action;
} methods[] = {
    {BINDING_KV, "get", binding_kv_get, false},
    {BINDING_KV, "put", binding_kv_put, false},
    {BINDING_KV, "delete", binding_kv_delete, false},
    {BINDING_KV, "increment", binding_kv_increment, false},
    {BINDING_KV, "list", binding_kv_list, false},
    {BINDING_LIMITER, "limit", binding_limiter_limit, false},
    {BINDING_SEND, "send", binding_send_send, true},
    {BINDING_FETCH, "fetch", binding_fetch_fetch, false},
    {BINDING_QUEUE, "send", binding_queue_send, false},
};
#define METHOD_COUNT (sizeof methods / sizeof *methods)

struct str binding_kind_name(enum binding_kind kind)
{
    static const char *const names[BINDING_KIND_COUNT] = {
        [BINDING_KV] = "kv",       [BINDING_LIMITER] = "limiter", [BINDING_SEND] = "send",
        [BINDING_FETCH] = "fetch", [BINDING_QUEUE] = "queue",
    };
    return str_of(names[kind]);
}

bool binding_patterns_match(const struct binding_patterns *patterns,
                            const struct mailbox *mailbox)
{
    for (size_t i = 0; i < patterns->count; i++) {
        const struct binding_pattern *pattern = &patterns->items[i];
        if (pattern->is_anybody ||
            (pattern->is_any_local ? str_equal(pattern->mailbox.domain, mailbox->domain)
                                   : mailbox_same(&pattern->mailbox, mailbox)))
            return true;
    }
    return false;
}

/* --- answers --- */

static void set_failure(struct binding_request *request, const char *code,
                        bool is_permanent, const char *text, va_list args)
{
    const char *said = arena_vprintf(request->arena, text, args);
    *request->answer = (struct worker_answer){
        .code = str_of(code),
        .text =
            str_of(arena_printf(request->arena, "env.%.*s:%s: %s",
                                STR_ARG(request->binding->name), request->method, said)),
        .is_permanent = is_permanent,
    };
    request->has_failed = true;
}

void binding_refuse(struct binding_request *request, const char *code, const char *text,
                    ...)
{
    va_list args;
    va_start(args, text);
    set_failure(request, code, true, text, args);
    va_end(args);
}

void binding_fail(struct binding_request *request, const char *code, const char *text, ...)
{
    va_list args;
    va_start(args, text);
    set_failure(request, code, false, text, args);
    va_end(args);
}

void binding_note_action(const struct binding_request *request, const char *what,
                         struct str to, struct str detail)
{
    const struct binding_place *place = request->place;
    if (place->passage)
        route_note_action(place->passage, place->outcome, what, to, detail);
}

/* --- arguments --- */

bool binding_take_text(struct binding_request *request, const char *name, size_t least,
                       size_t most, struct str *text)
{
    const struct value *given = value_get(request->arguments, name);
    if (!given || given->kind != VALUE_STRING) {
        binding_refuse(request, "E_VALIDATION_ERROR", "%s must be a string", name);
        return false;
    }
    *text = given->string;
    if (text->length >= least && text->length <= most)
        return true;
    binding_refuse(request, "E_VALIDATION_ERROR", "%s must have %zu to %zu bytes", name,
                   least, most);
    return false;
}

bool binding_take_number(struct binding_request *request, const char *name, int64_t least,
                         int64_t most, int64_t missing, int64_t *number)
{
    const struct value *given = value_get(request->arguments, name);
    *number = missing;
    if (!given || given->kind == VALUE_NIL)
        return true;
    if (given->kind == VALUE_NUMBER && given->number >= (double)least &&
        given->number <= (double)most) {
        *number = (int64_t)given->number;
        if ((double)*number == given->number)
            return true;
    }
    binding_refuse(request, "E_VALIDATION_ERROR",
                   "%s must be a whole number from %lld to %lld", name, (long long)least,
                   (long long)most);
    return false;
}

/* --- calls --- */

static const struct binding *find_binding(const struct config_worker *worker,
                                          struct str name)
{
    for (size_t i = 0; worker && i < worker->binding_count; i++)
        if (str_equal(worker->bindings[i].name, name))
            return &worker->bindings[i];
    return NULL;
}

/* METHOD_COUNT when there is no such method. */
static size_t find_method(const struct binding *binding, struct str name)
{
    size_t i = 0;
    while (
        binding && i < METHOD_COUNT &&
        (methods[i].kind != binding->kind || !str_equal(str_of(methods[i].method), name)))
        i++;
    return binding ? i : METHOD_COUNT;
}

bool binding_is_action(const struct binding_place *place, const struct worker_call *call)
{
    size_t method = find_method(find_binding(place->worker, call->binding), call->method);
    return method < METHOD_COUNT && methods[method].is_action;
}

void binding_call(const struct binding_place *place, const struct worker_call *call,
                  struct arena *arena, struct worker_answer *answer)
{
    const struct binding *binding = find_binding(place->worker, call->binding);
    size_t method = find_method(binding, call->method);
    if (method == METHOD_COUNT) {
        *answer = (struct worker_answer){
            .code = STR("E_NO_BINDING"),
            .text = STR("this worker has no such binding, or it has no such method"),
            .is_permanent = true};
        return;
    }
    struct binding_request request = {.place = place,
                                      .binding = binding,
                                      .method = methods[method].method,
                                      .arguments = call->arguments,
                                      .arena = arena,
                                      .answer = answer};
    buf_init(&request.result, WIRE_FRAME_BYTES_MAX / 2);
    methods[method].run(&request);
    if (!request.has_failed) {
        answer->is_ok = true;
        answer->value =
            request.result.length ? arena_str(arena, buf_view(&request.result)) : STR("N");
    }
    buf_free(&request.result);
}

/* --- secrets --- */

static bool is_secret_at(const struct config_worker *worker, struct str text,
                         size_t *length)
{
    const struct worker_options *options = &worker->options;
    *length = 0;
    for (size_t i = 0; i < options->variable_count; i++) {
        const struct worker_variable *variable = &options->variables[i];
        if (variable->is_secret && variable->value.length > *length &&
            str_starts(text, variable->value))
            *length = variable->value.length;
    }
    return *length > 0;
}

struct str binding_hide_secrets(const struct config_worker *worker, struct str text,
                                struct arena *arena)
{
    static const struct str hidden = {"[secret]", sizeof "[secret]" - 1};
    struct buf out;
    size_t copied = 0, length;
    buf_init(&out, text.length * hidden.length + 1);
    for (size_t at = 0; worker && at < text.length;) {
        if (!is_secret_at(worker, str_from(text, at), &length)) {
            at++;
            continue;
        }
        buf_append(&out, str_part(text, copied, at - copied));
        buf_append(&out, hidden);
        copied = at += length;
    }
    if (copied) {
        buf_append(&out, str_from(text, copied));
        text = arena_str(arena, buf_view(&out));
    }
    buf_free(&out);
    return text;
}

/* --- what is kept --- */

struct bindings *bindings_open(unsigned host_count)
{
    struct bindings *bindings = mem_zero(1, sizeof *bindings);
    bindings->host_count = host_count ? host_count : 1;
    bindings->limiters = table_new();
    return bindings;
}

void bindings_set_fetch(struct bindings *bindings, binding_fetch_fn *fetch, void *arg)
{
    bindings->fetch = fetch;
    bindings->fetch_arg = arg;
}

void bindings_set_now(struct bindings *bindings, uint64_t now_ms)
{
    bindings->now_ms = now_ms;
}

uint64_t bindings_now_ms(const struct bindings *bindings)
{
    return bindings && bindings->now_ms ? bindings->now_ms : unix_now_ms();
}

void bindings_set_sent(struct bindings *bindings, binding_sent_fn *sent, void *arg)
{
    bindings->sent = sent;
    bindings->sent_arg = arg;
}

struct store_kv *bindings_memory(struct bindings *bindings, struct err *err)
{
    if (!bindings->memory)
        bindings->memory = bindings->below ? store_kv_open_over(bindings->below, err)
                                           : store_kv_open_memory(err);
    return bindings->memory;
}

void bindings_show_kv(struct bindings *bindings, struct store_kv *below)
{
    bindings->below = below;
}

void bindings_close(struct bindings *bindings)
{
    if (!bindings)
        return;
    binding_limiters_free(bindings);
    store_kv_close(bindings->memory);
    free(bindings);
}

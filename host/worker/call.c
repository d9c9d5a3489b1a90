/* What a script asks of the host while it runs: each call is decoded and carried out in a task of its own,
 * which then answers. The isolate is not trusted to have checked anything. */
#include <errno.h>

#include "internal.h"

#include "base/mem.h"
#include "mail/header.h"

#define REFUSED_IN_FLIGHT_MAX                                                              \
    256 /* a run that asks for more beyond its actions is a flood */
#define HEADERS_MAX 100

struct call {
    struct list node; /* in run->calls */
    struct run *run;
    struct task *task;
    struct arena *arena; /* the call itself, its arguments and its answer */
    uint32_t number;
    unsigned attempt; /* of the run that made it */
    const struct value *arguments;
};

static void refuse(struct worker_answer *answer, const char *code, const char *text)
{
    *answer = (struct worker_answer){
        .code = str_of(code), .text = str_of(text), .is_permanent = true};
}

/* --- arguments --- */

/* A list of headers: 0, -EPROTO when it is none, -EINVAL when one may not be sent. */
static int read_headers(const struct call *call, const char *key,
                        struct worker_header **headers, size_t *count)
{
    const struct value *list = value_get(call->arguments, key);
    if (!list || list->kind != VALUE_TABLE)
        return -EPROTO;
    if (list->count > HEADERS_MAX)
        return -EINVAL;
    *headers = arena_array(call->arena, struct worker_header, list->count);
    *count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        struct worker_header *header = &(*headers)[i];
        header->name = value_get_string(&list->items[i], "name", STR(""));
        header->value = value_get_string(&list->items[i], "value", STR(""));
        if (!header_name_is_valid(header->name) || !header_value_is_valid(header->value))
            return -EINVAL;
    }
    return 0;
}

static int read_removals(const struct call *call, struct worker_forward *what)
{
    const struct value *list = value_get(call->arguments, "remove");
    if (!list)
        return 0;
    if (list->kind != VALUE_TABLE || list->count > HEADERS_MAX)
        return -EINVAL;
    struct str *names = arena_array(call->arena, struct str, list->count);
    for (size_t i = 0; i < list->count; i++)
        names[i] = list->items[i].string;
    what->remove = names;
    what->remove_count = list->count;
    return 0;
}

static int read_changes(const struct call *call, struct worker_forward *what)
{
    const struct value *from = value_get(call->arguments, "rewriteFrom");
    struct worker_header *set = NULL;
    what->rewrites_from =
        from && (from->kind == VALUE_STRING || (from->kind == VALUE_BOOL && from->boolean));
    what->from = value_get_string(call->arguments, "rewriteFrom", STR(""));
    what->wraps = value_get_bool(call->arguments, "wrap", false);
    what->anyway = value_get_bool(call->arguments, "anyway", false);
    if (value_get(call->arguments, "set") &&
        read_headers(call, "set", &set, &what->set_count) < 0)
        return -EINVAL;
    what->set = set;
    return read_removals(call, what);
}

static void forward(const struct call *call, const struct worker_header *headers,
                    size_t header_count, struct worker_answer *answer)
{
    const struct worker_actions *actions = &call->run->actions;
    struct worker_forward what = {
        .recipient = value_get_string(call->arguments, "recipient", STR("")),
        .headers = headers,
        .header_count = header_count,
    };
    if (read_changes(call, &what) < 0)
        refuse(answer, "E_HEADER_NOT_ALLOWED",
               "forward: what is to be set or removed is no list of headers");
    else
        actions->forward(actions->arg, &what, call->arena, answer);
}

static void reply(const struct call *call, const struct worker_header *headers,
                  size_t header_count, struct worker_answer *answer)
{
    const struct worker_actions *actions = &call->run->actions;
    const struct value *from = call->arguments;
    const struct worker_reply what = {
        .raw = value_get_string(from, "raw", STR("")),
        .from = value_get_string(from, "from", STR("")),
        .to = value_get_string(from, "to", STR("")),
        .subject = value_get_string(from, "subject", STR("")),
        .text = value_get_string(from, "text", STR("")),
        .html = value_get_string(from, "html", STR("")),
        .headers = headers,
        .header_count = header_count,
    };
    actions->reply(actions->arg, &what, call->arena, answer);
}

/* --- the answer --- */

static int put_smtp(struct buf *out, const struct reply *upstream)
{
    int failed = value_put_table(out, "smtp");
    failed |= value_put_number(out, "code", upstream->code);
    failed |= value_put_string(out, "enhanced", str_of(upstream->enhanced));
    failed |= value_put_string(out, "text", str_of(upstream->text));
    return failed | value_end_table(out);
}

static int encode_answer(const struct worker_answer *answer, struct buf *out)
{
    int failed = value_begin_table(out);
    failed |= value_put_bool(out, "ok", answer->is_ok);
    if (answer->is_ok && answer->value.length) {
        failed |= value_write_string(out, STR("value")) | buf_append(out, answer->value);
    } else if (answer->is_ok) {
        failed |= value_put_string(out, "messageId", answer->message_id);
        failed |= value_put_bool(out, "queued", answer->is_queued);
    } else {
        failed |= value_put_string(out, "code", answer->code);
        failed |= value_put_string(out, "message", answer->text);
        failed |= value_put_bool(out, "permanent", answer->is_permanent);
        if (answer->failure.length)
            failed |= value_put_string(out, "class", answer->failure);
        if (answer->reply.code)
            failed |= put_smtp(out, &answer->reply);
    }
    return failed | value_end_table(out);
}

static void send_answer(const struct call *call, const struct worker_answer *answer)
{
    struct buf out = payload_take();
    invariant(encode_answer(answer, &out) == 0, "worker: an answer without end");
    const struct wire_frame frame = {.type = WIRE_ANSWER,
                                     .run = call->run->number,
                                     .call = call->number,
                                     .payload = buf_view(&out)};
    isolate_send(call->run->isolate, &frame, -1, TASK_FOREVER);
    payload_give_back(&out);
}

/* --- the task --- */

typedef void action_fn(const struct call *call, const struct worker_header *headers,
                       size_t header_count, struct worker_answer *answer);

/* NULL when there is none, or no message that it could be done with. */
static action_fn *action_named(const struct worker_actions *actions, struct str name)
{
    if (str_equal(name, STR("forward")))
        return actions->forward ? forward : NULL;
    return str_equal(name, STR("reply")) && actions->reply ? reply : NULL;
}

static bool take_action(struct run *run, struct worker_answer *answer)
{
    if (run->action_count >= run->worker->limits.actions_max) {
        refuse(answer, "E_TOO_MANY_ACTIONS",
               "this message has had all the actions its worker may take");
        return false;
    }
    run->action_count++;
    return true;
}

/* A binding's method: what is sent is an action, all else counts by itself. Returns 0 or -EPROTO. */
static int call_binding(const struct call *call, struct worker_answer *answer)
{
    struct run *run = call->run;
    const struct worker_actions *actions = &run->actions;
    const struct worker_call what = {
        .binding = value_get_string(call->arguments, "binding", STR("")),
        .method = value_get_string(call->arguments, "method", STR("")),
        .arguments = value_get(call->arguments, "arguments"),
    };
    if (!what.arguments)
        return -EPROTO;
    if (!actions->binding) {
        refuse(answer, "E_NO_BINDING", "there are no bindings here");
    } else if (actions->is_action(actions->arg, &what)) {
        if (take_action(run, answer))
            actions->binding(actions->arg, &what, call->arena, answer);
    } else if (run->binding_call_count >= run->worker->limits.calls_max) {
        refuse(answer, "E_TOO_MANY_CALLS",
               "this message has had all the calls of bindings its worker may make");
    } else {
        run->binding_call_count++;
        actions->binding(actions->arg, &what, call->arena, answer);
    }
    return 0;
}

/* Returns 0 with the answer, or -EPROTO. */
static int act(const struct call *call, struct worker_answer *answer)
{
    struct str name = value_get_string(call->arguments, "name", STR(""));
    if (str_equal(name, STR("binding")))
        return call_binding(call, answer);
    struct worker_header *headers = NULL;
    size_t header_count = 0;
    action_fn *action = action_named(&call->run->actions, name);
    int result = action ? read_headers(call, "headers", &headers, &header_count) : -EPROTO;
    if (result == -EPROTO)
        return result;
    if (result != 0) {
        refuse(answer, "E_HEADER_NOT_ALLOWED", "a header's name or value may not be sent");
    } else if (take_action(call->run, answer)) {
        action(call, headers, header_count, answer);
    }
    return 0;
}

/* The isolate that asked is still there, and has not been told to drop the run. */
static bool is_awaited(const struct call *call)
{
    const struct run *run = call->run;
    return run->isolate && run->attempt_count == call->attempt && !run->is_cancelled;
}

static int call_main(void *arg)
{
    struct call *call = arg;
    struct run *run = call->run;
    struct worker_answer answer = {0};
    /* Cancelled, or its isolate killed, before it began: then it has not acted. */
    if (is_awaited(call) && run->isolate->state == ISOLATE_READY) {
        int result = act(call, &answer);
        if (is_awaited(call) && result == 0)
            send_answer(call, &answer);
        else if (is_awaited(call))
            isolate_kill(run->isolate, ISOLATE_VIOLATION, run->number);
    }
    list_remove(&call->node);
    run->call_count--;
    arena_free(call->arena);
    run_release(run);
    return 0;
}

int call_start(struct run *run, const struct wire_frame *frame)
{
    if (run->call_count >= run->worker->limits.actions_max + REFUSED_IN_FLIGHT_MAX)
        return -EPROTO;
    struct arena *arena = arena_new();
    const struct value *arguments = value_decode(arena_str(arena, frame->payload), arena);
    if (!arguments || arguments->kind != VALUE_TABLE) {
        arena_free(arena);
        return -EPROTO;
    }
    struct call *call = arena_new_of(arena, struct call);
    *call = (struct call){.run = run,
                          .arena = arena,
                          .number = frame->call,
                          .attempt = run->attempt_count,
                          .arguments = arguments};
    list_append(&run->calls, &call->node);
    run->call_count++;
    run->references++;
    call->task = task_start("worker call", call_main, call);
    task_detach(call->task);
    return 0;
}

void calls_cancel(struct run *run)
{
    list_foreach (node, &run->calls)
        task_cancel(list_entry(node, struct call, node)->task);
}

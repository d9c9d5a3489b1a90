#include "cli/run_trial.h"

#include <string.h>

#include "batch.h"
#include "event_run.h"
#include "route.h"

#include "base/task.h"
#include "cli/json.h"
#include "cli/run_batch.h"

#define POLL_MS 5

struct captured {
    const struct trial *trial;
    json_t *forwards, *replies, *sends, *queued;
    struct trial_web web;
};

/* Header lines as an object; a name that stands twice keeps its last value. */
static json_t *json_headers(struct str lines, struct arena *arena)
{
    json_t *object = json_object();
    struct header header;
    header_parse(lines, arena, &header);
    for (size_t i = 0; i < header.count; i++) {
        struct str value = header_unfold(header.fields[i].value, arena);
        json_object_set_new(object, arena_text(arena, header.fields[i].name),
                            cli_json_bytes(value));
    }
    return object;
}

static json_t *json_reply(const struct reply *reply)
{
    return json_pack("{s:i, s:s, s:o}", "code", reply->code, "enhanced", reply->enhanced,
                     "text", cli_json_bytes(str_of(reply->text)));
}

/* --- a forward --- */

/* The values of a field, one per line; empty when there is none. */
static struct str all_values(const struct header *header, struct str name,
                             struct arena *arena)
{
    struct str values = {0};
    const struct header_field *field;
    size_t index = 0;
    while ((field = header_next(header, name, &index)))
        values = str_of(arena_printf(arena, "%.*s%s%.*s", STR_ARG(values),
                                     values.length ? "\n" : "",
                                     STR_ARG(header_unfold(field->value, arena))));
    return values;
}

/* `set`: fields that are new or have another value. `removed`: names of those that are gone. Whether there are any. */
static bool tell_changes(const struct header *before, const struct header *after,
                         json_t *sent, struct arena *arena)
{
    json_t *set = json_object(), *removed = json_array();
    for (size_t i = 0; i < after->count; i++) {
        struct str name = after->fields[i].name, value = all_values(after, name, arena);
        if (!str_equal(value, all_values(before, name, arena)))
            json_object_set_new(set, arena_text(arena, name), cli_json_bytes(value));
    }
    for (size_t i = 0; i < before->count; i++)
        if (header_count(after, before->fields[i].name) == 0)
            json_array_append_new(removed, cli_json_bytes(before->fields[i].name));
    bool is_changed = json_object_size(set) || json_array_size(removed);
    json_object_set_new(sent, "set", set);
    json_object_set_new(sent, "removed", removed);
    return is_changed;
}

static struct str joined(const struct str *parts, size_t count, struct arena *arena)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += parts[i].length;
    char *text = arena_alloc(arena, bytes + 1), *end = text;
    for (size_t i = 0; i < count; i++) {
        memcpy(end, parts[i].at, parts[i].length);
        end += parts[i].length;
    }
    return (struct str){text, bytes};
}

/* What became of the message on its way: its header's changes, or a message of ours around it. Such a one has an id of
 * its own, which no change of a header gives. */
static void tell_forward(const struct message *message, struct str content, json_t *sent,
                         struct arena *arena)
{
    struct str id_name = STR("Message-ID");
    const struct header *before = &message->header;
    struct header after;
    header_parse(content, arena, &after);
    bool is_wrapped =
        !str_equal(all_values(before, id_name, arena), all_values(&after, id_name, arena));
    json_object_set_new(sent, "wrapped", json_boolean(is_wrapped));
    if (is_wrapped || tell_changes(before, &after, sent, arena))
        json_object_set_new(sent, "raw", cli_json_bytes(content));
}

/* --- what is sent --- */

const struct trial_upstream *trial_upstream_answer(const struct trial_upstream upstreams[],
                                                   size_t count,
                                                   const struct delivery_request *request,
                                                   struct delivery_result *result)
{
    const struct trial_upstream *upstream = NULL;
    for (size_t i = 0; !upstream && i < count; i++)
        if (str_equal_nocase(upstreams[i].address.text, request->recipient->text))
            upstream = &upstreams[i];
    result->reply = upstream ? upstream->reply : reply_make(250, "2.0.0", "captured");
    result->status = reply_is_ok(&result->reply)          ? DELIVERY_OK
                     : reply_is_temporary(&result->reply) ? DELIVERY_TEMPORARY
                                                          : DELIVERY_PERMANENT;
    result->is_from_peer = !upstream || !upstream->is_ours;
    if (result->is_from_peer)
        result->peer = request->recipient->domain;
    return upstream;
}

/* What the upstream says; its words are told where the trial has given them. */
static void answer_as_upstream(const struct trial *trial, json_t *sent,
                               const struct delivery_request *request,
                               struct delivery_result *result)
{
    if (trial_upstream_answer(trial->upstreams, trial->upstream_count, request, result))
        json_object_set_new(sent, "upstream", json_reply(&result->reply));
}

/* The message itself has its own id; only replies have no sender. */
static void capture(void *arg, const struct delivery_request *request, struct arena *arena,
                    struct delivery_result *result)
{
    struct captured *captured = arg;
    json_t *sent = json_pack("{s:o}", "to", cli_json_bytes(request->recipient->text));
    if (str_equal(request->message_id, captured->trial->message->id)) {
        json_object_set_new(sent, "headers",
                            json_headers(request->parts[FORWARD_HEADERS], arena));
        tell_forward(captured->trial->message,
                     joined(request->parts + FORWARD_TOP_COUNT,
                            request->part_count - FORWARD_TOP_COUNT, arena),
                     sent, arena);
        json_array_append_new(captured->forwards, sent);
    } else {
        bool is_reply = request->reverse_path->is_null;
        if (!is_reply)
            json_object_set_new(sent, "returnPath",
                                cli_json_bytes(request->reverse_path->text));
        json_object_set_new(sent, "raw", cli_json_bytes(request->parts[REPLY_CONTENT]));
        json_array_append_new(is_reply ? captured->replies : captured->sends, sent);
    }
    answer_as_upstream(captured->trial, sent, request, result);
}

/* --- the report --- */

static json_t *log_of(const struct trail *trail)
{
    json_t *lines = json_array();
    for (const struct trail_entry *entry = trail_first(trail); entry; entry = entry->next)
        if (entry->event == STATUS_WORKER_LOG)
            json_array_append_new(lines,
                                  json_pack("{s:o, s:o}", "level",
                                            cli_json_bytes(entry->fields[0].text), "text",
                                            cli_json_bytes(entry->fields[1].text)));
    return lines;
}

/* What any run has; `reply` is that to a message's sender, else NULL. */
static void tell_run(const struct captured *captured, const struct trail *trail,
                     const struct worker_outcome *outcome, const struct reply *reply,
                     json_t *report)
{
    const struct trial *trial = captured->trial;
    json_object_set_new(report, "sends", captured->sends);
    json_object_set_new(report, "fetches", captured->web.fetches);
    json_object_set_new(report, "queued", captured->queued);
    json_object_set_new(report, "log", log_of(trail));
    if (reply)
        json_object_set_new(report, "smtpReply", json_reply(reply));
    json_object_set_new(report, "cpuUs", json_integer((json_int_t)outcome->cpu_us));
    if (outcome->result != WORKER_OK && outcome->result != WORKER_REJECTED)
        json_object_set_new(report, "error", cli_json_bytes(outcome->text));
    json_object_set_new(report, "kv",
                        trial_kv(trial->worker, trial->bindings, trial->message->arena));
    if (outcome->traceback.length)
        json_object_set_new(report, "traceback", cli_json_bytes(outcome->traceback));
}

static json_t *report_of(const struct captured *captured, const struct passage *passage,
                         const struct worker_outcome *outcome, const struct reply *reply)
{
    json_t *report =
        json_pack("{s:s, s:o, s:o}", "outcome", worker_result_name(outcome->result),
                  "forwards", captured->forwards, "replies", captured->replies);
    if (outcome->result == WORKER_REJECTED)
        json_object_set_new(report, "rejectReason", cli_json_bytes(outcome->text));
    tell_run(captured, passage->trail, outcome, reply, report);
    return report;
}

/* --- the trial --- */

static void begin(struct trial *trial, struct captured *captured, struct router *router)
{
    *captured =
        (struct captured){trial,        json_array(), json_array(),
                          json_array(), json_array(), {trial->web, json_array(), 0}};
    *router = (struct router){.config = trial->config,
                              .delivery = delivery_open_capture(capture, captured),
                              .bindings = trial->bindings,
                              .is_reply_unchecked = !trial->is_verified,
                              .is_trial = true};
    bindings_set_fetch(trial->bindings, trial_fetch, &captured->web);
    bindings_set_sent(trial->bindings, trial_sent, captured->queued);
}

static void end(const struct trial *trial, const struct router *router)
{
    bindings_set_fetch(trial->bindings, NULL, NULL);
    bindings_set_sent(trial->bindings, NULL, NULL);
    delivery_close(router->delivery);
}

json_t *trial_run(struct trial *trial, enum worker_result *result)
{
    struct captured captured;
    struct router router;
    begin(trial, &captured, &router);
    struct passage *passage = passage_new(&router, trial->message);
    route_verify_message(passage);
    trial->verdict.spam_score = trial->spam_score;
    trial->config->auth.scores_spam = trial->spam_score >= 0;
    if (trial->is_verified || trial->spam_score >= 0)
        passage->verdict = &trial->verdict;
    struct rule_match match = {.captures = trial->captures,
                               .capture_count = trial->capture_count};
    struct worker_outcome ended = {0};
    struct smtp_recipient recipient = {.mailbox = trial->recipient};
    struct outcome outcome = {.recipient = &recipient, .on_soft_failure = RULE_SOFT_QUEUE};
    const struct rollout_choice version = {.worker = trial->worker, .is_new = true};
    struct reply reply = route_through_worker(passage, &outcome, &match, &version, &ended);
    while (passage->references > 1) /* waitUntil functions */
        task_sleep(POLL_MS);
    *result = ended.result;
    json_t *report = report_of(&captured, passage, &ended, &reply);
    passage_release(passage);
    end(trial, &router);
    return report;
}

json_t *trial_run_event(struct trial *trial, const struct worker_event *event,
                        struct worker_outcome *outcome)
{
    struct captured captured;
    struct router router;
    begin(trial, &captured, &router);
    struct arena *arena = trial->message->arena;
    struct event_run what = {.router = &router,
                             .config = trial->config,
                             .worker = trial->worker,
                             .event = *event,
                             .trail = trail_new(arena, trial->message->id)};
    if (trial->batch) {
        what.arg = batch_keep(trial->batch);
        what.call = batch_call;
        what.ended = batch_release;
    }
    size_t references = trial->config->references;
    if (event_run(&what, arena, outcome) < 0)
        outcome->result = WORKER_CRASHED;
    while (trial->config->references > references) /* waitUntil functions */
        task_sleep(POLL_MS);
    json_t *report = json_pack("{s:s}", "outcome", worker_result_name(outcome->result));
    tell_run(&captured, what.trail, outcome, NULL, report);
    json_decref(captured.forwards);
    json_decref(captured.replies);
    end(trial, &router);
    return report;
}

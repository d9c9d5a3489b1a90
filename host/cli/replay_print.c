#include <stdio.h>

#include "cli/json.h"
#include "cli/log.h"
#include "cli/printable.h"
#include "cli/replay.h"

#define TOLD_BYTES 900

static const char *const fate_names[REPLAY_FATE_COUNT] = {"same", "changed",
                                                          "not replayed"};

/* --- the same or not --- */

/* Whatever else the words of an acceptance are: they name the message. Of others as much as the log keeps surely. */
static struct str told(const struct store_activity *activity)
{
    if (str_starts(activity->reply, STR("2")))
        return STR("250");
    size_t length = activity->reply.length;
    return str_part(activity->reply, 0, length < TOLD_BYTES ? length : TOLD_BYTES);
}

static bool is_same(const struct store_activity *before, const struct store_activity *after)
{
    return str_equal(before->rule, after->rule) &&
           str_equal(before->action, after->action) &&
           str_equal(before->worker, after->worker) &&
           str_equal(before->worker_outcome, after->worker_outcome) &&
           str_equal(told(before), told(after)) &&
           str_equal(before->actions, after->actions);
}

/* Why that cannot be known, or NULL. */
static const char *why_unknown(const struct replay_outcome *outcome)
{
    if (!outcome->before || outcome->before->actions.length == 0)
        return "the activity log does not say what became of it";
    if (outcome->is_unsure)
        return "its worker asks the web, where nobody answers now: see --fetch";
    return NULL;
}

static enum replay_fate fate_of(const struct replay_outcome *outcome)
{
    if (why_unknown(outcome))
        return REPLAY_UNKNOWN;
    return is_same(outcome->before, &outcome->after) ? REPLAY_SAME : REPLAY_CHANGED;
}

/* --- for people --- */

/* "forward to ben@dest.test", "dropped", "rejected \"550 5.7.1 no\"": what was done, and what its sender was told. */
static const char *sentence_of(const struct store_activity *activity, struct arena *arena)
{
    const char *sent = printable(log_actions(activity->actions, arena), arena);
    bool is_accepted = str_starts(activity->reply, STR("2"));
    bool is_deferred = str_starts(activity->reply, STR("4"));
    if (is_accepted && *sent)
        return sent;
    if (is_accepted)
        return str_equal(activity->action, STR("drop")) ? "dropped" : "handled";
    return arena_printf(arena, "%s%s%s \"%s\"", sent, *sent ? ", " : "",
                        is_deferred ? "deferred" : "rejected",
                        printable(activity->reply, arena));
}

static void print_change(const char *what, struct str before, struct str after,
                         struct arena *arena)
{
    if (!str_equal(before, after))
        printf("; %s %s -> %s", what, before.length ? printable(before, arena) : "none",
               after.length ? printable(after, arena) : "none");
}

static void print_changes(const struct replay_outcome *outcome, struct arena *arena)
{
    const struct store_activity *before = outcome->before, *after = &outcome->after;
    printf(": %s -> %s", sentence_of(before, arena), sentence_of(after, arena));
    print_change("rule", before->rule, after->rule, arena);
    print_change("action", before->action, after->action, arena);
    print_change("worker", before->worker, after->worker, arena);
    print_change("outcome", before->worker_outcome, after->worker_outcome, arena);
    if (outcome->error.length)
        printf("; %s", printable(outcome->error, arena));
}

static void print_line(const struct replay *replay, const struct replay_outcome *outcome)
{
    const struct message *message = replay->kept.message;
    struct arena *arena = message->arena;
    const char *why = why_unknown(outcome);
    printf("%s  %s -> %s  %s", printable(message->id, arena),
           message->reverse_path.is_null ? "<>"
                                         : printable(message->reverse_path.text, arena),
           printable(outcome->recipient, arena), fate_names[fate_of(outcome)]);
    if (why)
        printf(": %s", why);
    else if (fate_of(outcome) == REPLAY_CHANGED)
        print_changes(outcome, arena);
    puts("");
}

/* --- for programs --- */

static json_t *json_decision(const struct store_activity *activity)
{
    json_t *actions = json_loadb(activity->actions.at, activity->actions.length, 0, NULL);
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o}", "rule", cli_json_bytes(activity->rule), "action",
        cli_json_bytes(activity->action), "worker", cli_json_bytes(activity->worker),
        "worker_outcome", cli_json_bytes(activity->worker_outcome), "reply",
        cli_json_bytes(activity->reply), "actions", actions ? actions : json_null());
}

static void print_line_of_json(json_t *json)
{
    json_dumpf(json, stdout, JSON_COMPACT);
    puts("");
    json_decref(json);
}

static void print_json(const struct replay *replay, const struct replay_outcome *outcome)
{
    const struct message *message = replay->kept.message;
    const char *why = why_unknown(outcome);
    json_t *json = json_pack(
        "{s:o, s:o, s:o, s:s, s:o, s:o}", "id", cli_json_bytes(message->id), "from",
        cli_json_bytes(message->reverse_path.text), "to",
        cli_json_bytes(outcome->recipient), "result", fate_names[fate_of(outcome)],
        "before", outcome->before ? json_decision(outcome->before) : json_null(), "after",
        json_decision(&outcome->after));
    if (outcome->error.length)
        json_object_set_new(json, "error", cli_json_bytes(outcome->error));
    if (why)
        json_object_set_new(json, "why", json_string(why));
    print_line_of_json(json);
}

/* --- either --- */

void replay_print(struct replay_report *report, const struct replay *replay,
                  const struct replay_outcome *outcome)
{
    report->counts[fate_of(outcome)]++;
    if (report->is_json)
        print_json(replay, outcome);
    else
        print_line(replay, outcome);
}

void replay_print_failure(struct replay_report *report, struct str id, const char *why)
{
    report->counts[REPLAY_UNKNOWN]++;
    if (report->is_json)
        print_line_of_json(json_pack("{s:o, s:s, s:s}", "id", cli_json_bytes(id), "result",
                                     fate_names[REPLAY_UNKNOWN], "why", why));
    else
        printf("%.*s  %s: %s\n", STR_ARG(id), fate_names[REPLAY_UNKNOWN], why);
}

void replay_print_totals(const struct replay_report *report)
{
    const size_t *counts = report->counts;
    if (report->is_json)
        print_line_of_json(json_pack(
            "{s:I, s:I, s:I, s:I}", "messages", (json_int_t)report->message_count, "same",
            (json_int_t)counts[REPLAY_SAME], "changed", (json_int_t)counts[REPLAY_CHANGED],
            "not_replayed", (json_int_t)counts[REPLAY_UNKNOWN]));
    else
        printf("%zu message%s: %zu same, %zu changed, %zu not replayed\n",
               report->message_count, report->message_count == 1 ? "" : "s",
               counts[REPLAY_SAME], counts[REPLAY_CHANGED], counts[REPLAY_UNKNOWN]);
}

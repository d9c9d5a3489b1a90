/* The activity log for people: a line for each row, or all of its story. Everything in it may come from strangers. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "config.h"

#include "cli/json.h"
#include "cli/log.h"
#include "cli/printable.h"
#include "cli/when.h"
#include "delivery/failure.h"
#include "mail/decode.h"

#define SUBJECT_CHARACTERS 40
#define PATHS_WIDTH        44
#define STATUS_WIDTH       14
#define RULE_WIDTH         20

struct str log_subject(const struct store_activity *activity, struct arena *arena)
{
    return decode_words(activity->subject, arena);
}

static const char *path_or_null(struct str path, struct arena *arena)
{
    return path.length ? printable(path, arena) : "<>";
}

/* --- a line --- */

static void print_column(const char *text, size_t width)
{
    fputs(text, stdout);
    for (size_t i = printable_width(text); i < width; i++)
        putchar(' ');
    fputs("  ", stdout);
}

static const char *rule_and_worker(const struct store_activity *activity,
                                   struct arena *arena)
{
    const char *rule = activity->rule.length ? printable(activity->rule, arena) : "-";
    return activity->worker.length
               ? arena_printf(arena, "%s/%s", rule, printable(activity->worker, arena))
               : rule;
}

void log_print_line(const struct store_activity *activity, struct arena *arena)
{
    char time[WHEN_BYTES];
    printf("%s  %s  ", when_text(activity->time_ms, time),
           printable(activity->message_id, arena));
    print_column(arena_printf(arena, "%s -> %s", path_or_null(activity->from, arena),
                              path_or_null(activity->recipient, arena)),
                 PATHS_WIDTH);
    print_column(printable_cut(log_subject(activity, arena), SUBJECT_CHARACTERS, arena),
                 SUBJECT_CHARACTERS);
    print_column(printable(activity->status, arena), STATUS_WIDTH);
    print_column(rule_and_worker(activity, arena), RULE_WIDTH);
    puts(printable(activity->reply, arena));
}

/* --- an attempt --- */

static const char *meaning_of(struct str class)
{
    static const struct {
        const char *name, *meaning;
    } meanings[] = {
#define X(id, name, meaning) {name, meaning},
        FAILURE_CLASSES(X)
#undef X
    };
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (str_equal(class, str_of(meanings[i].name)))
            return meanings[i].meaning;
    return NULL;
}

void log_print_attempt(const struct store_attempt *attempt, size_t number,
                       struct arena *arena)
{
    char time[WHEN_BYTES];
    printf("  %s  attempt %zu: %s to %s", when_text_ms(attempt->time_ms, time), number,
           printable(attempt->status, arena), printable(attempt->destination, arena));
    if (attempt->peer.length)
        printf(" by %s", printable(attempt->peer, arena));
    if (attempt->tls.length)
        printf(" (%s)", printable(attempt->tls, arena));
    printf(" in %" PRIu64 " ms", attempt->duration_ms);
    const char *meaning = meaning_of(attempt->failure_class);
    if (attempt->failure_class.length)
        printf("; %s%s%s", printable(attempt->failure_class, arena), meaning ? ": " : "",
               meaning ? meaning : "");
    printf("\n    %s\n", printable(attempt->reply, arena));
}

/* --- the story --- */

static void print_field(const char *name, struct str value, struct arena *arena)
{
    if (value.length)
        printf("%-12s%s\n", name, printable(value, arena));
}

static void print_envelope(const struct store_activity *activity, struct arena *arena)
{
    char time[WHEN_BYTES];
    print_field("id", activity->message_id, arena);
    printf("%-12s%s\n", "came", when_text_ms(activity->time_ms, time));
    printf("%-12s%s\n", "from", path_or_null(activity->from, arena));
    print_field("to", activity->recipient, arena);
    print_field("subject", log_subject(activity, arena), arena);
    print_field("Message-ID", activity->header_message_id, arena);
    printf("%-12s%s, HELO %s\n", "client", printable(activity->client, arena),
           printable(activity->helo, arena));
    printf("%-12s%" PRIu64 " bytes\n", "size", activity->bytes);
}

static void print_verdicts(const struct store_activity *activity, struct arena *arena)
{
    if (activity->spf.length == 0) {
        printf("%-12snothing\n", "verified");
        return;
    }
    printf("%-12sspf=%s dkim=%s dmarc=%s arc=%s", "verified",
           printable(activity->spf, arena), printable(activity->dkim, arena),
           printable(activity->dmarc, arena), printable(activity->arc, arena));
    if (activity->spam_score >= 0)
        printf(" spam score %.1f", activity->spam_score);
    puts("");
}

static void print_decision(const struct store_activity *activity, struct arena *arena)
{
    print_field("rule", activity->rule, arena);
    print_field("action", activity->action, arena);
    print_field("sent", log_actions(activity->actions, arena), arena);
    if (activity->worker.length)
        printf("%-12s%s (script %.*s): %s\n", "worker", printable(activity->worker, arena),
               CONFIG_HASH_DIGITS, printable(activity->worker_version, arena),
               printable(activity->worker_outcome, arena));
    print_field("told", activity->reply, arena);
    print_field("status", activity->status, arena);
}

static void print_stage_field(const char *name, const json_t *value, struct arena *arena)
{
    const char *text = json_string_value(value);
    if (json_is_integer(value))
        printf(" %s=%lld", name, (long long)json_integer_value(value));
    else if (text && *text)
        printf(" %s=\"%s\"", name, printable(str_of(text), arena));
}

static void print_stage(json_t *stage, uint64_t began_ms, struct arena *arena)
{
    char time[WHEN_BYTES];
    const char *event = json_string_value(json_object_get(stage, "event"));
    uint64_t after_ms = (uint64_t)json_integer_value(json_object_get(stage, "after_ms"));
    printf("  %s  %-20s", when_text_ms(began_ms + after_ms, time),
           printable(str_of(event ? event : "?"), arena));
    const char *name;
    json_t *value;
    json_object_foreach(stage, name, value)
    {
        if (!str_equal(str_of(name), STR("event")) &&
            !str_equal(str_of(name), STR("after_ms")))
            print_stage_field(printable(str_of(name), arena), value, arena);
    }
    puts("");
}

static void print_stages(const struct store_activity *activity, struct arena *arena)
{
    json_t *trail = json_loadb(activity->trail.at, activity->trail.length, 0, NULL);
    size_t i;
    json_t *stage;
    puts("stages of the message");
    json_array_foreach(trail, i, stage)
    {
        print_stage(stage, activity->time_ms, arena);
    }
    if (!trail)
        puts("  (too many to keep)");
    json_decref(trail);
}

void log_print_story(const struct store_activity_row *row, struct arena *arena)
{
    print_envelope(&row->activity, arena);
    print_verdicts(&row->activity, arena);
    print_decision(&row->activity, arena);
    print_stages(&row->activity, arena);
    if (row->attempt_count)
        puts("attempts to deliver it for this recipient");
    for (size_t i = 0; i < row->attempt_count; i++)
        log_print_attempt(&row->attempts[i], i + 1, arena);
    puts("");
}

/* --- rows --- */

void log_print_rows(const struct log_form *form, const struct store_activity_row rows[],
                    size_t count, struct arena *arena)
{
    for (size_t i = 0; i < count; i++) {
        if (form->as_json)
            log_print_json(&rows[i], arena);
        else if (form->as_story)
            log_print_story(&rows[i], arena);
        else
            log_print_line(&rows[i].activity, arena);
    }
}

void log_print_news(const struct log_form *form, const struct store_activity_row *row,
                    size_t attempts_shown, struct arena *arena)
{
    if (form->as_json) {
        log_print_json(row, arena);
        return;
    }
    log_print_line(&row->activity, arena);
    for (size_t i = attempts_shown; i < row->attempt_count; i++)
        log_print_attempt(&row->attempts[i], i + 1, arena);
}

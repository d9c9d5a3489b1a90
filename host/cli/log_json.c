/* The activity log for programs: all there is, as a line. */
#include <jansson.h>
#include <stdio.h>

#include "cli/json.h"
#include "cli/log.h"
#include "cli/when.h"

static void put(json_t *json, const char *key, struct str value)
{
    json_object_set_new(json, key, cli_json_bytes(value));
}

static void put_time(json_t *json, uint64_t time_ms)
{
    char text[WHEN_BYTES];
    json_object_set_new(json, "time", json_string(when_text_ms(time_ms, text)));
    json_object_set_new(json, "time_ms", json_integer((json_int_t)time_ms));
}

static json_t *attempt_json(const struct store_attempt *attempt)
{
    json_t *json = json_object();
    put_time(json, attempt->time_ms);
    put(json, "destination", attempt->destination);
    put(json, "peer", attempt->peer);
    put(json, "tls", attempt->tls);
    put(json, "status", attempt->status);
    put(json, "class", attempt->failure_class);
    put(json, "reply", attempt->reply);
    json_object_set_new(json, "ms", json_integer((json_int_t)attempt->duration_ms));
    return json;
}

static json_t *attempts_json(const struct store_activity_row *row)
{
    json_t *list = json_array();
    for (size_t i = 0; i < row->attempt_count; i++)
        json_array_append_new(list, attempt_json(&row->attempts[i]));
    return list;
}

static void put_message(json_t *json, const struct store_activity *activity,
                        struct arena *arena)
{
    put(json, "from", activity->from);
    put(json, "to", activity->recipient);
    put(json, "subject", log_subject(activity, arena));
    put(json, "raw_subject", activity->subject);
    put(json, "message_id", activity->header_message_id);
    put(json, "client", activity->client);
    put(json, "helo", activity->helo);
    json_object_set_new(json, "bytes", json_integer((json_int_t)activity->bytes));
    put(json, "spf", activity->spf);
    put(json, "dkim", activity->dkim);
    put(json, "dmarc", activity->dmarc);
    put(json, "arc", activity->arc);
    json_object_set_new(json, "spam_score",
                        activity->spam_score >= 0 ? json_real(activity->spam_score)
                                                  : json_null());
}

/* As the store has it, or null. */
static void put_kept_json(json_t *json, const char *key, struct str text)
{
    json_t *value = json_loadb(text.at, text.length, 0, NULL);
    json_object_set_new(json, key, value ? value : json_null());
}

static void put_decision(json_t *json, const struct store_activity *activity)
{
    put(json, "rule", activity->rule);
    put(json, "action", activity->action);
    put(json, "worker", activity->worker);
    put(json, "worker_version", activity->worker_version);
    put(json, "worker_outcome", activity->worker_outcome);
    put(json, "status", activity->status);
    put(json, "reply", activity->reply);
    put_kept_json(json, "actions", activity->actions);
}

void log_print_json(const struct store_activity_row *row, struct arena *arena)
{
    const struct store_activity *activity = &row->activity;
    json_t *json = json_object();
    put_time(json, activity->time_ms);
    put(json, "id", activity->message_id);
    put_message(json, activity, arena);
    put_decision(json, activity);
    json_object_set_new(json, "attempts", attempts_json(row));
    put_kept_json(json, "trail", activity->trail);
    json_dumpf(json, stdout, JSON_COMPACT);
    puts("");
    json_decref(json);
}

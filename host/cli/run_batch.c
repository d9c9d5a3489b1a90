#include "cli/run_batch.h"

#include <errno.h>

#include "batch.h"

#include "cli/json.h"
#include "cli/value_json.h"

#define MESSAGES_MAX   100
#define BODY_BYTES_MAX ((size_t)128 * 1024)

static uint64_t count_in(const json_t *object, const char *key, uint64_t missing)
{
    const json_t *number = json_object_get(object, key);
    return json_number_value(number) > 0 ? (uint64_t)json_number_value(number) : missing;
}

static int read_message(const json_t *json, size_t index, struct arena *arena,
                        struct store_worker_message *message, struct err *err)
{
    const json_t *body = json_object_get(json, "body"), *id = json_object_get(json, "id");
    struct buf out;
    buf_init(&out, BODY_BYTES_MAX);
    int result = body ? cli_value_of_json(body, &out) : value_write_nil(&out);
    *message = (struct store_worker_message){
        .id = id ? arena_str(arena, str_of(json_string_value(id)))
                 : str_of(arena_printf(arena, "%zu", index + 1)),
        .sent_ms = count_in(json, "timestamp", unix_now_ms()),
        .attempts = (uint32_t)count_in(json, "attempts", 1),
        .body = arena_str(arena, buf_view(&out)),
    };
    buf_free(&out);
    return result == 0 ? 0
                       : err_set(err, -EMSGSIZE, "message %zu has more than %zu bytes",
                                 index + 1, BODY_BYTES_MAX);
}

static struct batch *read_batch(const struct batch_asked *asked, struct err *err)
{
    size_t count = json_array_size(asked->messages);
    if (count == 0 || count > MESSAGES_MAX) {
        err_set(err, -EINVAL, "a batch has 1 to %d messages, this one %zu", MESSAGES_MAX,
                count);
        return NULL;
    }
    struct arena *arena = arena_new();
    struct store_worker_message *messages =
        arena_array(arena, struct store_worker_message, count);
    for (size_t i = 0; i < count; i++) {
        if (read_message(json_array_get(asked->messages, i), i, arena, &messages[i], err) <
            0) {
            arena_free(arena);
            return NULL;
        }
    }
    return batch_new(asked->queue, messages, count, arena);
}

static json_t *verdicts_of(const struct batch *batch, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        struct batch_verdict verdict = batch_verdict(batch, i);
        json_t *json =
            json_pack("{s:o, s:s}", "id", cli_json_bytes(batch_message(batch, i)->id),
                      "result", verdict.word == BATCH_ACK ? "ack" : "retry");
        if (verdict.has_delay)
            json_object_set_new(json, "delaySeconds",
                                json_real((double)verdict.delay_ms / 1000));
        json_array_append_new(list, json);
    }
    return list;
}

json_t *trial_run_batch(struct trial *trial, const struct batch_asked *asked,
                        struct worker_outcome *outcome, struct err *err)
{
    struct batch *batch = read_batch(asked, err);
    if (!batch)
        return NULL;
    const struct worker_event event = batch_event(batch);
    trial->batch = batch;
    json_t *report = trial_run_event(trial, &event, outcome);
    trial->batch = NULL;
    batch_close(batch, outcome->result == WORKER_OK);
    json_object_set_new(report, "messages",
                        verdicts_of(batch, json_array_size(asked->messages)));
    batch_release(batch);
    return report;
}

void trial_sent(void *queued, const struct binding *binding,
                const struct store_worker_send *sent)
{
    for (size_t i = 0; i < sent->count; i++) {
        const struct store_worker_message *message = &sent->messages[i];
        json_array_append_new(
            queued,
            json_pack("{s:o, s:o, s:o, s:I}", "binding", cli_json_bytes(binding->name),
                      "queue", cli_json_bytes(binding->space), "body",
                      cli_json_of_value_bytes(message->body), "delaySeconds",
                      (json_int_t)((message->due_ms - message->sent_ms) / 1000)));
    }
}

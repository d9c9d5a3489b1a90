#include "batch.h"

#include <stdlib.h>

#include "base/mem.h"
#include "worker/wire.h"

struct batch {
    size_t references;
    struct arena *arena;
    struct str queue;
    const struct store_worker_message *messages;
    size_t count;
    struct batch_verdict *said; /* of each */
    struct batch_verdict all;
    bool is_closed, has_returned;
};

struct batch *batch_new(struct str queue, const struct store_worker_message *messages,
                        size_t count, struct arena *arena)
{
    struct batch *batch = arena_new_of(arena, struct batch);
    *batch = (struct batch){.references = 1,
                            .arena = arena,
                            .queue = arena_str(arena, queue),
                            .messages = messages,
                            .count = count,
                            .said = arena_array(arena, struct batch_verdict, count)};
    return batch;
}

struct batch *batch_keep(struct batch *batch)
{
    batch->references++;
    return batch;
}

void batch_release(void *arg)
{
    struct batch *batch = arg;
    if (--batch->references == 0)
        arena_free(batch->arena);
}

const struct store_worker_message *batch_message(const struct batch *batch, size_t index)
{
    return &batch->messages[index];
}

/* --- what the worker is given --- */

static int put_message(struct buf *out, const struct store_worker_message *message)
{
    int failed = value_begin_table(out);
    failed |= value_put_string(out, "id", message->id);
    failed |= value_put_number(out, "timestamp", (double)message->sent_ms);
    failed |= value_put_number(out, "attempts", message->attempts);
    failed |= value_put_string(out, "body", message->body);
    return failed | value_end_table(out);
}

struct worker_event batch_event(const struct batch *batch)
{
    struct buf out;
    buf_init(&out, WIRE_FRAME_BYTES_MAX);
    int failed = value_begin_table(&out);
    failed |= value_put_string(&out, "queue", batch->queue);
    failed |= value_put_table(&out, "messages");
    for (size_t i = 0; i < batch->count; i++) {
        failed |= value_write_number(&out, (double)(i + 1));
        failed |= put_message(&out, &batch->messages[i]);
    }
    failed |= value_end_table(&out);
    failed |= value_end_table(&out);
    invariant(!failed, "batch: longer than a frame");
    struct worker_event event = {.handler = WORKER_QUEUE,
                                 .value = arena_str(batch->arena, buf_view(&out))};
    buf_free(&out);
    return event;
}

/* --- what the worker says --- */

static void refuse(struct worker_answer *answer, const char *code, const char *text)
{
    *answer = (struct worker_answer){
        .code = str_of(code), .text = str_of(text), .is_permanent = true};
}

/* False, with the refusal, when it is not understood. */
static bool read_verdict(const struct worker_call *call, struct batch_verdict *verdict,
                         struct worker_answer *answer)
{
    const struct value *delay = value_get(call->arguments, "delaySeconds");
    bool is_retry = str_equal(call->method, STR("retry"));
    *verdict =
        (struct batch_verdict){.word = is_retry ? BATCH_RETRY : BATCH_ACK, .is_said = true};
    if (!is_retry && !str_equal(call->method, STR("ack"))) {
        refuse(answer, "E_NO_BINDING", "a batch has no such method");
        return false;
    }
    if (!is_retry || !delay || delay->kind == VALUE_NIL)
        return true;
    verdict->has_delay = true;
    if (delay->kind == VALUE_NUMBER && delay->number >= 0 &&
        delay->number <= (double)BATCH_DELAY_MS_MAX / 1000) {
        verdict->delay_ms = (uint64_t)(delay->number * 1000);
        return true;
    }
    refuse(answer, "E_VALIDATION_ERROR", "delaySeconds is a number from 0 to 86400");
    return false;
}

/* Where the word goes; NULL for a message that is not in the batch. */
static struct batch_verdict *place_of(struct batch *batch, const struct value *arguments)
{
    const struct value *message = value_get(arguments, "message");
    if (!message || message->kind == VALUE_NIL)
        return &batch->all;
    uint64_t number = value_get_count(arguments, "message", batch->count, 0);
    return number ? &batch->said[number - 1] : NULL;
}

void batch_call(void *arg, const struct worker_call *call, struct arena *arena,
                struct worker_answer *answer)
{
    struct batch *batch = arg;
    struct batch_verdict verdict, *place = place_of(batch, call->arguments);
    (void)arena;
    if (!read_verdict(call, &verdict, answer))
        return;
    if (!place) {
        refuse(answer, "E_VALIDATION_ERROR", "the batch has no such message");
        return;
    }
    if (batch->is_closed) {
        refuse(answer, "E_BATCH_SETTLED",
               "the handler of this batch has ended: what becomes of its messages is "
               "settled");
        return;
    }
    if (place->word == BATCH_UNSAID)
        *place = verdict;
    answer->is_ok = true;
    answer->value = STR("N");
}

/* --- what comes of it --- */

void batch_close(struct batch *batch, bool has_returned)
{
    batch->is_closed = true;
    batch->has_returned = has_returned;
}

struct batch_verdict batch_verdict(const struct batch *batch, size_t index)
{
    if (batch->said[index].word != BATCH_UNSAID)
        return batch->said[index];
    if (batch->all.word != BATCH_UNSAID)
        return batch->all;
    return (struct batch_verdict){.word = batch->has_returned ? BATCH_ACK : BATCH_RETRY};
}

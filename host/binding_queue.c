/* env.JOBS: messages for another worker. Once send() returns they are on stable storage. The limits are the hosted
 * service's. A trial, which has no store, keeps what is sent for its report. */
#include <errno.h>
#include <string.h>

#include "binding_internal.h"
#include "consumers.h"

#include "store/worker_queue.h"

#define MESSAGES_MAX      100
#define BODY_BYTES_MAX    ((size_t)128 * 1024)
#define BATCH_BYTES_MAX   ((size_t)256 * 1024)
#define DELAY_SECONDS_MAX 86400

/* Without options in host.yaml, as of a trial. */
static uint64_t preset_delay_ms(const struct config_queue *queue)
{
    return queue ? queue->delay_ms : 0;
}

static bool take_body(struct binding_request *request, struct str *body)
{
    if (!binding_take_text(request, "body", 1, BODY_BYTES_MAX, body))
        return false;
    if (value_decode(*body, request->arena))
        return true;
    binding_refuse(request, "E_VALIDATION_ERROR", "the body is no value");
    return false;
}

/* One of the list. */
static bool take_message(struct binding_request *request, const struct value *given,
                         const struct config_queue *queue,
                         struct store_worker_message *message)
{
    struct binding_request item = *request;
    int64_t delay_s;
    uint64_t now_ms = unix_now_ms();
    item.arguments = given;
    bool is_good =
        take_body(&item, &message->body) &&
        binding_take_number(&item, "delaySeconds", 0, DELAY_SECONDS_MAX, -1, &delay_s);
    request->has_failed = item.has_failed;
    if (!is_good)
        return false;
    message->id = message_new_id(request->arena);
    message->sent_ms = now_ms;
    message->due_ms =
        now_ms + (delay_s < 0 ? preset_delay_ms(queue) : (uint64_t)delay_s * 1000);
    message->expires_ms = now_ms + (queue ? queue->retention_ms : 0);
    message->bytes = message->body.length;
    return true;
}

static bool take_messages(struct binding_request *request, const struct config_queue *queue,
                          struct store_worker_send *sent)
{
    const struct value *list = value_get(request->arguments, "messages");
    if (!list || list->kind != VALUE_TABLE || list->count == 0 ||
        list->count > MESSAGES_MAX) {
        binding_refuse(request, "E_VALIDATION_ERROR", "1 to %d messages are sent at once",
                       MESSAGES_MAX);
        return false;
    }
    struct store_worker_message *messages =
        arena_array(request->arena, struct store_worker_message, list->count);
    size_t bytes = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (!take_message(request, &list->items[i], queue, &messages[i]))
            return false;
        bytes += messages[i].body.length;
    }
    sent->messages = messages;
    sent->count = list->count;
    if (bytes <= BATCH_BYTES_MAX)
        return true;
    binding_refuse(request, "E_VALIDATION_ERROR",
                   "the bodies of one sendBatch have %zu bytes at most, these %zu",
                   BATCH_BYTES_MAX, bytes);
    return false;
}

static void tell_result(struct binding_request *request, int result,
                        const struct config_queue *queue)
{
    if (result == -EDQUOT)
        binding_fail(request, "E_QUEUE_FULL", "the queue %.*s is full",
                     STR_ARG(queue->name));
    else if (result < 0)
        binding_fail(request, "E_STORE", "the store cannot do it now: %s",
                     strerror(-result));
}

static void store_messages(struct binding_request *request,
                           const struct config_queue *queue,
                           const struct store_worker_send *sent)
{
    struct router *router = request->place->router;
    if (router->space && space_is_low(router->space)) {
        binding_fail(request, "E_STORE", "the disk is almost full: nothing more is kept");
        return;
    }
    tell_result(request, store_worker_queue_send(router->store, sent), queue);
    if (!request->has_failed)
        consumers_wake(router->consumers);
}

void binding_queue_send(struct binding_request *request)
{
    const struct binding_place *place = request->place;
    const struct router *router = place->router;
    const struct config_queue *queue =
        table_get(place->config->queues, request->binding->space);
    struct store_worker_send sent = {.queue = request->binding->space};
    if (!take_messages(request, queue, &sent))
        return;
    binding_note_action(request, "queue", sent.queue,
                        str_of(arena_printf(request->arena, "%zu message%s", sent.count,
                                            sent.count == 1 ? "" : "s")));
    if (router->store && queue) {
        sent.messages_max = queue->messages_max;
        sent.bytes_max = queue->bytes_max;
        store_messages(request, queue, &sent);
    } else if (router->bindings && router->bindings->sent) {
        router->bindings->sent(router->bindings->sent_arg, request->binding, &sent);
    } else {
        binding_fail(request, "E_STORE", "nothing is kept here");
    }
}

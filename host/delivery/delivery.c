/* One call for all ways of delivery: by SMTP (engine.c), into a directory (outbox.c), into a function
 * (capture.c). */
#include "delivery.h"

#include "base/mem.h"
#include "base/task.h"
#include "delivery/internal.h"

void delivery_result_say(struct delivery_result *result, struct reply reply)
{
    result->reply = reply;
    result->is_from_peer = false;
    result->status = reply_is_ok(&reply)          ? DELIVERY_OK
                     : reply_is_permanent(&reply) ? DELIVERY_PERMANENT
                                                  : DELIVERY_TEMPORARY;
}

void delivery_send(struct delivery *delivery, const struct delivery_request *request,
                   struct arena *arena, struct delivery_result *result)
{
    uint64_t started_ms = task_now_ms();
    *result = (struct delivery_result){.peer = STR(""), .tls = STR("")};
    delivery->way->send(delivery, request, arena, result);
    invariant(result->reply.code != 0, "delivery: ended without an answer");
    result->duration_ms = task_now_ms() - started_ms;
}

void delivery_close(struct delivery *delivery)
{
    if (delivery)
        delivery->way->close(delivery);
}

int delivery_reconfigure(struct delivery *delivery, const struct delivery_options *options,
                         struct err *err)
{
    if (!delivery->way->reconfigure)
        return 0;
    return delivery->way->reconfigure(delivery, options, err);
}

void delivery_each_connection(const struct delivery *delivery,
                              void (*see)(struct str peer, bool is_idle, size_t messages,
                                          void *arg),
                              void *arg)
{
    if (delivery->way->each_connection)
        delivery->way->each_connection(delivery, see, arg);
}

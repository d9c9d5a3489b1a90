/* Delivery into a function: for tests, and for `postern run`, which shows what a worker would send. */
#include <stdlib.h>

#include "base/mem.h"
#include "delivery/internal.h"

struct capture {
    struct delivery base;
    delivery_capture_fn *fn;
    void *arg;
};

static void capture_send(struct delivery *delivery, const struct delivery_request *request,
                         struct arena *arena, struct delivery_result *result)
{
    const struct capture *capture = (const struct capture *)delivery;
    capture->fn(capture->arg, request, arena, result);
}

static void capture_close(struct delivery *delivery)
{
    free(delivery);
}

struct delivery *delivery_open_capture(delivery_capture_fn *capture, void *arg)
{
    static const struct delivery_way way = {.send = capture_send, .close = capture_close};
    struct capture *opened = mem_zero(1, sizeof *opened);
    *opened = (struct capture){.base = {&way}, .fn = capture, .arg = arg};
    return &opened->base;
}

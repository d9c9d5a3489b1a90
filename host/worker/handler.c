#include "handler.h"

const char *worker_handler_name(enum worker_handler handler)
{
    static const char *const names[WORKER_HANDLER_COUNT] = {
        [WORKER_EMAIL] = "email",
        [WORKER_SCHEDULED] = "scheduled",
        [WORKER_QUEUE] = "queue",
        [WORKER_FETCH] = "fetch",
    };
    return names[handler];
}

/* What a script can do, each by a function of this name in the table that it returns. */
#pragma once

enum worker_handler {
    WORKER_EMAIL,     /* email(message, env, ctx): a message has come */
    WORKER_SCHEDULED, /* scheduled(event, env, ctx): a time of its `cron:` has come */
    WORKER_QUEUE,     /* queue(batch, env, ctx): a queue that it consumes has messages */
    WORKER_FETCH,     /* fetch(request, env, ctx): somebody has asked for its URL */
    WORKER_HANDLER_COUNT
};

const char *worker_handler_name(enum worker_handler handler);

#include "scheduled_run.h"

#include "worker/wire.h"

#define VALUE_BYTES_MAX 1024

int scheduled_run(struct router *router, const struct scheduled_run *what,
                  struct arena *arena, struct worker_outcome *outcome)
{
    struct buf value;
    buf_init(&value, VALUE_BYTES_MAX);
    value_begin_table(&value);
    value_put_string(&value, "cron", what->cron);
    value_put_number(&value, "scheduledTime", (double)what->due_ms);
    value_end_table(&value);
    const struct event_run event = {
        .router = router,
        .config = what->config,
        .worker = what->worker,
        .event = {WORKER_SCHEDULED, buf_view(&value)},
        .about = FIELD("cron", what->cron),
        .trail = what->trail,
    };
    int result = event_run(&event, arena, outcome);
    buf_free(&value);
    return result;
}

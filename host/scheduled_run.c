#include "scheduled_run.h"

#include "worker/wire.h"

#define VALUE_BYTES_MAX 1024

struct worker_event scheduled_event(struct str cron, uint64_t due_ms, struct arena *arena)
{
    struct buf value;
    buf_init(&value, VALUE_BYTES_MAX);
    value_begin_table(&value);
    value_put_string(&value, "cron", cron);
    value_put_number(&value, "scheduledTime", (double)due_ms);
    value_end_table(&value);
    struct worker_event event = {WORKER_SCHEDULED, arena_str(arena, buf_view(&value))};
    buf_free(&value);
    return event;
}

int scheduled_run(struct router *router, const struct scheduled_run *what,
                  struct arena *arena, struct worker_outcome *outcome)
{
    const struct event_run event = {
        .router = router,
        .config = what->config,
        .worker = what->worker,
        .event = scheduled_event(what->cron, what->due_ms, arena),
        .about = FIELD("cron", what->cron),
    };
    return event_run(&event, arena, outcome);
}

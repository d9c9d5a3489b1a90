/* worker_run: the caller's side of a run. Unless the worker's circuit is open, it waits for a place, says EMAIL (or
 * EVENT) and waits for the decision; once more, in a fresh isolate, when the first died of another message. */
#include <errno.h>
#include <unistd.h>

#include "internal.h"

#include "base/mem.h"

#define SPARE_BYTES_MAX ((size_t)64 * 1024)

/* One of them. */
struct happening {
    const struct worker_email *email;
    const struct worker_event *event;
};

static enum worker_handler handler_of(const struct happening *what)
{
    return what->event ? what->event->handler : WORKER_EMAIL;
}

static struct buf spare;

static struct run *run_new(struct worker *worker, const struct worker_actions *actions,
                           struct arena *arena, struct worker_outcome *outcome)
{
    struct run *run = mem_zero(1, sizeof *run);
    worker_run_begun();
    run->references = 1;
    run->worker = worker_keep(worker);
    run->deadline_ms = task_in_ms(worker->limits.wall_ms);
    run->actions = *actions;
    run->arena = arena;
    run->outcome = outcome;
    run->raw_fd = -1;
    list_init(&run->node);
    list_init(&run->calls);
    return run;
}

static struct str handler_missing(const struct run *run, enum worker_handler handler)
{
    return str_of(arena_printf(run->arena, "the script has no function '%s'",
                               worker_handler_name(handler)));
}

/* It never got to run: the outcome says why. Returns 0, or -ECANCELED. */
static int decide_without_run(struct run *run, const struct happening *what, int why)
{
    switch (why) {
    case -ECANCELED:
        return why;
    case -ETIMEDOUT:
        run_decide(run, WORKER_EXCEEDED_WALL_TIME, STR("no place in an isolate in time"));
        return 0;
    case -ENOEXEC:
        run_decide(run, WORKER_BROKEN, str_of(run->worker->broken.text));
        return 0;
    case -ENOTSUP:
        run_decide(run, WORKER_BROKEN, handler_missing(run, handler_of(what)));
        return 0;
    case -ESHUTDOWN:
        run_decide(run, WORKER_CRASHED, STR("the host is stopping"));
        return 0;
    case -EAGAIN:
        run_decide(run, WORKER_CRASHED, STR("the worker's isolate keeps crashing"));
        return 0;
    default:
        run_decide(run, WORKER_CRASHED, STR("the message could not be handed over"));
        return 0;
    }
}

struct buf payload_take(void)
{
    struct buf payload = spare;
    spare.memory = NULL;
    if (!payload.memory)
        buf_init(&payload, WIRE_FRAME_BYTES_MAX);
    return payload;
}

void payload_give_back(struct buf *payload)
{
    if (spare.memory || payload->capacity > SPARE_BYTES_MAX) {
        buf_free(payload);
        return;
    }
    buf_clear(payload);
    spare = *payload;
}

static uint64_t remaining_ms(const struct run *run)
{
    uint64_t now_ms = task_now_ms();
    return run->deadline_ms > now_ms ? run->deadline_ms - now_ms : 0;
}

static int encode_event(const struct run *run, const struct worker_event *event,
                        struct buf *out)
{
    int failed = value_begin_table(out);
    failed |= value_put_string(out, "handler", str_of(worker_handler_name(event->handler)));
    failed |= value_put_number(out, "remainingMs", (double)remaining_ms(run));
    failed |= value_write_string(out, STR("event")) | buf_append(out, event->value);
    return failed | value_end_table(out);
}

static int send_happening(struct run *run, const struct happening *what,
                          struct isolate_process *isolate)
{
    struct buf payload = payload_take();
    int result = what->event
                     ? encode_event(run, what->event, &payload)
                     : email_encode(what->email, remaining_ms(run), &payload, &run->raw_fd);
    if (result == 0) {
        const struct wire_frame frame = {.type = what->event ? WIRE_EVENT : WIRE_EMAIL,
                                         .run = run->number,
                                         .payload = buf_view(&payload)};
        result = isolate_send(isolate, &frame, run->raw_fd, run->deadline_ms);
    }
    payload_give_back(&payload);
    return result;
}

/* Says what has happened. What did not go out at all is taken back; a dying isolate gives the run its fate itself. */
static int begin(struct run *run, const struct happening *what,
                 struct isolate_process *isolate)
{
    run_enter(run, isolate);
    int result = send_happening(run, what, isolate);
    if (result == 0 || run->isolate != isolate || isolate->state == ISOLATE_ENDING)
        return 0;
    if (result == -EPIPE || result == -ECONNRESET) {
        isolate_kill(isolate, ISOLATE_DIED, 0);
        return 0;
    }
    run_leave(run);
    return result;
}

static int attempt(struct run *run, const struct happening *what)
{
    struct isolate_process *isolate = NULL;
    task_wait_init(&run->decided);
    run->is_again = false;
    int result = worker_place(run->worker, run->deadline_ms, &isolate);
    if (result == 0 && !worker_has_handler(run->worker, handler_of(what))) {
        worker_place_freed(run->worker);
        result = -ENOTSUP;
    }
    if (result == 0)
        result = begin(run, what, isolate);
    if (result != 0)
        return decide_without_run(run, what, result);
    return task_wait(&run->decided, TASK_FOREVER);
}

static int run_admitted(struct worker *worker, const struct happening *what,
                        const struct worker_actions *actions, struct arena *arena,
                        struct worker_outcome *outcome)
{
    struct run *run = run_new(worker, actions, arena, outcome);
    task_stage("running worker %s", worker->name);
    int result;
    do
        result = attempt(run, what);
    while (result == 0 && run->is_again);
    if (run->outcome && result == -ETIMEDOUT) /* the caller's own deadline */
        run_decide(run, WORKER_EXCEEDED_WALL_TIME, STR("the caller's time is over"));
    run->outcome = NULL;
    if (run->raw_fd >= 0)
        close(run->raw_fd);
    run->raw_fd = -1;
    if (run->isolate && !run->is_done && !run->is_cancelled)
        run_cancel(run);
    run_release(run);
    return result == -ECANCELED ? result : 0;
}

static enum circuit_end circuit_end_of(int result, const struct worker_outcome *outcome)
{
    if (result < 0)
        return RUN_UNDECIDED;
    return worker_has_failed(outcome) ? RUN_FAILED : RUN_WENT_WELL;
}

static int run_kept(struct worker *worker, const struct happening *what,
                    const struct worker_actions *actions, struct arena *arena,
                    struct worker_outcome *outcome)
{
    *outcome = (struct worker_outcome){.result = WORKER_CRASHED};
    int result = run_admitted(worker, what, actions, arena, outcome);
    if (result == 0 && outcome->result == WORKER_CRASHED && worker_is_stopping())
        result = -ESHUTDOWN;
    return result;
}

int worker_run(struct worker *worker, const struct worker_email *email,
               const struct worker_actions *actions, struct arena *arena,
               struct worker_outcome *outcome)
{
    enum circuit_admission admission = circuit_admit(&worker->circuit, task_now_ms());
    if (admission == CIRCUIT_REFUSED) {
        *outcome = (struct worker_outcome){.result = WORKER_CIRCUIT_OPEN,
                                           .text = STR("it kept failing, and pauses")};
        actions->end(actions->arg);
        return 0;
    }
    worker_keep(worker);
    const struct happening what = {.email = email};
    int result = run_kept(worker, &what, actions, arena, outcome);
    outcome->circuit = circuit_note(&worker->circuit, admission,
                                    circuit_end_of(result, outcome), task_now_ms());
    worker_release(worker);
    return result;
}

int worker_run_event(struct worker *worker, const struct worker_event *event,
                     const struct worker_actions *actions, struct arena *arena,
                     struct worker_outcome *outcome)
{
    const struct happening what = {.event = event};
    worker_keep(worker);
    int result = run_kept(worker, &what, actions, arena, outcome);
    worker_release(worker);
    return result;
}

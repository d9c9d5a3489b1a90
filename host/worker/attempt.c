/* worker_run: the caller's side of a run. Unless the worker's circuit is open, it waits for a place, says EMAIL and
 * waits for the decision; once more, in a fresh isolate, when the first died of another message. */
#include <errno.h>
#include <unistd.h>

#include "internal.h"

#include "base/mem.h"

#define SPARE_BYTES_MAX ((size_t)64 * 1024)

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

/* It never got to run: the outcome says why. Returns 0, or -ECANCELED. */
static int decide_without_run(struct run *run, int why)
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

/* The memory of the last payload serves for the next one: a send rarely waits. */
static struct buf payload_take(void)
{
    struct buf payload = spare;
    spare.memory = NULL;
    if (!payload.memory)
        buf_init(&payload, WIRE_FRAME_BYTES_MAX);
    return payload;
}

static void payload_give_back(struct buf *payload)
{
    if (spare.memory || payload->capacity > SPARE_BYTES_MAX) {
        buf_free(payload);
        return;
    }
    buf_clear(payload);
    spare = *payload;
}

static int send_email(struct run *run, const struct worker_email *email,
                      struct isolate_process *isolate)
{
    struct buf payload = payload_take();
    int result = email_encode(email, &payload, &run->raw_fd);
    if (result == 0) {
        const struct wire_frame frame = {
            .type = WIRE_EMAIL, .run = run->number, .payload = buf_view(&payload)};
        result = isolate_send(isolate, &frame, run->raw_fd, run->deadline_ms);
    }
    payload_give_back(&payload);
    return result;
}

/* Says EMAIL. What did not go out at all is taken back; a dying isolate gives the run its fate itself. */
static int begin(struct run *run, const struct worker_email *email,
                 struct isolate_process *isolate)
{
    run_enter(run, isolate);
    int result = send_email(run, email, isolate);
    if (result == 0 || run->isolate != isolate || isolate->state == ISOLATE_ENDING)
        return 0;
    if (result == -EPIPE || result == -ECONNRESET) {
        isolate_kill(isolate, ISOLATE_DIED, 0);
        return 0;
    }
    run_leave(run);
    return result;
}

static int attempt(struct run *run, const struct worker_email *email)
{
    task_wait_init(&run->decided);
    run->is_again = false;
    int result = worker_place(run->worker, run->deadline_ms);
    if (result == 0)
        result = begin(run, email, run->worker->isolate);
    if (result != 0)
        return decide_without_run(run, result);
    return task_wait(&run->decided, TASK_FOREVER);
}

static int run_admitted(struct worker *worker, const struct worker_email *email,
                        const struct worker_actions *actions, struct arena *arena,
                        struct worker_outcome *outcome)
{
    struct run *run = run_new(worker, actions, arena, outcome);
    task_stage("running worker %s", worker->name);
    int result;
    do
        result = attempt(run, email);
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

int worker_run(struct worker *worker, const struct worker_email *email,
               const struct worker_actions *actions, struct arena *arena,
               struct worker_outcome *outcome)
{
    *outcome = (struct worker_outcome){.result = WORKER_CRASHED};
    enum circuit_admission admission = circuit_admit(&worker->circuit, task_now_ms());
    if (admission == CIRCUIT_REFUSED) {
        outcome->result = WORKER_CIRCUIT_OPEN;
        outcome->text = STR("it kept failing, and pauses");
        actions->end(actions->arg);
        return 0;
    }
    worker_keep(worker);
    int result = run_admitted(worker, email, actions, arena, outcome);
    if (result == 0 && outcome->result == WORKER_CRASHED && worker_is_stopping())
        result = -ESHUTDOWN;
    outcome->circuit = circuit_note(&worker->circuit, admission,
                                    circuit_end_of(result, outcome), task_now_ms());
    worker_release(worker);
    return result;
}

/* Watches one ready isolate: wall time and CPU time of its runs while there are any, and its idleness.
 *
 * One tick serves all runs, so that a message costs no timer. Whose coroutine runs, and what CPU time the
 * process had used when that was resumed, the isolate itself tells in the gauge; as it may lie, the CPU
 * time of the whole process is held against that of all the runs it was given as well. */
#include <errno.h>

#include "internal.h"

#define TICK_MS   20
#define NS_PER_MS ((uint64_t)1000000)

static bool is_over(const struct isolate_process *isolate, uint64_t used_ns)
{
    return used_ns > isolate->worker->limits.cpu_hard_ms * NS_PER_MS;
}

/* The gauge is changed by another process: only what reads the same before and after the clock counts. */
static uint32_t run_past_limit(const struct isolate_process *isolate)
{
    const struct wire_gauge *gauge = isolate->gauge;
    uint32_t run = gauge->run;
    uint64_t from_ns = gauge->run_cpu_ns;
    uint64_t now_ns = process_cpu_ns(isolate->process);
    if (run == 0 || run != gauge->run || from_ns != gauge->run_cpu_ns)
        return 0;
    return now_ns > from_ns && is_over(isolate, now_ns - from_ns) ? run : 0;
}

static void check_cpu(struct isolate_process *isolate)
{
    uint32_t run = run_past_limit(isolate);
    if (run && isolate_run(isolate, run)) {
        isolate_kill(isolate, ISOLATE_CPU, run);
        return;
    }
    uint64_t used_ns = process_cpu_ns(isolate->process) - isolate->watched_from;
    if (is_over(isolate, used_ns / isolate->watched_runs))
        isolate_kill(isolate, ISOLATE_CPU, 0);
}

static void check_run(struct run *run, uint64_t now_ms)
{
    if (!run->is_cancelled) {
        if (now_ms >= run->deadline_ms)
            run_wall_time_over(run);
    } else if (now_ms >= run->cancel_deadline_ms) {
        isolate_kill(run->isolate, ISOLATE_STUCK, run->number);
    } else if (!run->is_cancel_sent) {
        run_cancel(run);
    }
}

/* Nothing in flight: waits for the next message; 0 when there is one. */
static int wait_until_busy(struct isolate_process *isolate)
{
    isolate->is_unwatched = true;
    int result =
        task_signal_wait(&isolate->busy, task_in_ms(isolate->worker->limits.idle_ms));
    isolate->is_unwatched = false;
    if (result == -ETIMEDOUT)
        isolate_kill(isolate, ISOLATE_STOPPED, 0);
    return result;
}

int isolate_watch(void *arg)
{
    struct isolate_process *isolate = arg;
    isolate->watched_from = process_cpu_ns(isolate->process);
    while (isolate->state == ISOLATE_READY) {
        if (isolate->in_flight == 0) {
            isolate->watched_runs = 0;
            isolate->watched_from = process_cpu_ns(isolate->process);
            if (wait_until_busy(isolate) != 0)
                break;
        }
        if (task_sleep(TICK_MS) != 0)
            break;
        if (isolate->state != ISOLATE_READY)
            break;
        list_foreach (node, &isolate->runs)
            check_run(list_entry(node, struct run, node), task_now_ms());
        if (isolate->in_flight)
            check_cpu(isolate);
    }
    return 0;
}

/* Places for messages in isolates: who comes waits for its turn; nobody's isolate is started for; one that
 * keeps dying is started again after 0, 100, 200, 400 ms … 5 s, and messages wait for that only while it
 * is short. */
#include <errno.h>

#include "internal.h"

#define BACKOFF_FIRST_MS    100
#define BACKOFF_MAX_MS      5000
#define BACKOFF_PATIENCE_MS 1000

void worker_place_freed(struct worker *worker)
{
    task_signal_raise(&worker->place);
}

void worker_places_changed(struct worker *worker)
{
    task_signal_raise_all(&worker->place);
}

void worker_failed(struct worker *worker)
{
    uint64_t delay_ms = 0;
    if (worker->failure_count > 0) {
        unsigned doublings = worker->failure_count - 1 < 6 ? worker->failure_count - 1 : 6;
        delay_ms = (uint64_t)BACKOFF_FIRST_MS << doublings;
    }
    worker->failure_count++;
    worker->start_at_ms = task_in_ms(delay_ms < BACKOFF_MAX_MS ? delay_ms : BACKOFF_MAX_MS);
}

void worker_load_failed(struct worker *worker, const struct err *err)
{
    worker->broken = *err;
    worker->start_at_ms = task_in_ms(BACKOFF_MAX_MS);
}

/* Starts an isolate, or waits a little for the time when that is allowed: 0 means look again. */
static int start_or_wait(struct worker *worker, uint64_t deadline_ms)
{
    if (worker_is_stopping())
        return -ESHUTDOWN;
    uint64_t now = task_now_ms();
    if (now >= worker->start_at_ms) {
        worker->broken.code = 0;
        isolate_start(worker);
        return 0;
    }
    if (worker->broken.code)
        return -ENOEXEC;
    if (worker->start_at_ms - now > BACKOFF_PATIENCE_MS)
        return -EAGAIN;
    if (deadline_ms <= now)
        return -ETIMEDOUT;
    uint64_t until = deadline_ms < worker->start_at_ms ? deadline_ms : worker->start_at_ms;
    int result = task_signal_wait(&worker->place, until);
    return result == -ETIMEDOUT ? 0 : result;
}

/* The ready isolate that has the least to do, if it has a place. */
static struct isolate_process *find_place(const struct worker *worker)
{
    struct isolate_process *best = NULL;
    list_foreach (node, &worker->instances) {
        struct isolate_process *isolate = list_entry(node, struct isolate_process, node);
        if (isolate->state == ISOLATE_READY &&
            isolate->in_flight < worker->limits.messages_max &&
            (!best || isolate->in_flight < best->in_flight))
            best = isolate;
    }
    return best;
}

/* The first isolate is started, or waited for, whatever happens; another when all are full, and none is starting. */
static bool wants_isolate(const struct worker *worker)
{
    size_t count = 0;
    list_foreach (node, &worker->instances) {
        count++;
        if (list_entry(node, struct isolate_process, node)->state == ISOLATE_STARTING)
            return false;
    }
    return count == 0 || (count < worker->limits.instances_max && !worker_is_stopping() &&
                          task_now_ms() >= worker->start_at_ms && !find_place(worker));
}

static int wait_for_place(struct worker *worker, uint64_t deadline_ms,
                          struct isolate_process **isolate)
{
    for (;;) {
        int result = wants_isolate(worker) ? start_or_wait(worker, deadline_ms)
                                           : task_signal_wait(&worker->place, deadline_ms);
        if (result != 0)
            return result;
        *isolate = find_place(worker);
        if (*isolate)
            return 0;
    }
}

/* Whether there is a place beside the one that is about to be taken in `taken`. */
static bool has_another(const struct worker *worker, const struct isolate_process *taken)
{
    list_foreach (node, &worker->instances) {
        const struct isolate_process *isolate =
            list_entry(node, struct isolate_process, node);
        if (isolate->state == ISOLATE_READY &&
            isolate->in_flight + (isolate == taken) < worker->limits.messages_max)
            return true;
    }
    return false;
}

/* Who comes while others wait goes behind them, even if a place is free: it is meant for the first of
 * them, who has been woken and has not run yet. Whoever has waited wakes the next while places are left. */
int worker_place(struct worker *worker, uint64_t deadline_ms,
                 struct isolate_process **isolate)
{
    if (worker->is_too_large)
        return -ENOEXEC;
    *isolate = find_place(worker);
    if (*isolate && worker->waiting_count == 0)
        return 0;
    worker->waiting_count++;
    int result = wait_for_place(worker, deadline_ms, isolate);
    worker->waiting_count--;
    if (result == 0 && has_another(worker, *isolate))
        worker_place_freed(worker);
    return result;
}

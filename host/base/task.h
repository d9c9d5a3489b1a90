/* Tasks: stackful coroutines on one libuv loop, so that asynchronous code reads straight down
 * (DESIGN.md 3). All tasks of a process run on one thread; a task runs until it waits.
 *
 * Times are milliseconds on the loop's clock (task_now_ms). A deadline is a point in time, not a
 * duration; TASK_FOREVER is none. Every wait ends with its result, with -ETIMEDOUT at the earliest
 * of its own deadline and the task's (task_deadline_set), or with -ECANCELED once the task is
 * cancelled; the code then unwinds by its normal error path, and what must still be said on the way
 * out is said with calls that do not wait.
 *
 * A task's stack is TASK_STACK_BYTES: large buffers belong in an arena or on the heap. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#define TASK_STACK_BYTES ((size_t)128 * 1024)
#define TASK_FOREVER     UINT64_MAX

struct task;
typedef int task_fn(void *arg);

/* Once per process, before the first task. The loop is the process's only one. */
void task_runtime_open(uv_loop_t *loop);
/* After the last task has ended: closes timers and frees pooled stacks; runs the loop to do so. */
void task_runtime_close(void);
uv_loop_t *task_loop(void);
uint64_t task_now_ms(void);
/* Now + duration, saturating. */
uint64_t task_in_ms(uint64_t duration_ms);

/* Starts `fn(arg)`. From the loop it runs at once until its first wait; from another task, as soon
 * as that one waits. `name` is a literal. The caller must task_join or task_detach the handle. */
struct task *task_start(const char *name, task_fn *fn, void *arg);
void task_detach(struct task *task);
/* Waits (in a task, unless it has ended) for the end, whatever happens to the waiter, and returns the
 * function's result. */
int task_join(struct task *task);
/* All waits of the task, the present one too, end with -ECANCELED. Its children (task_gather) too. */
void task_cancel(struct task *task);
bool task_cancelled(const struct task *task);

/* NULL outside a task. */
struct task *task_current(void);
int task_sleep(uint64_t duration_ms);

/* The task's own deadline, within which all its waits end: returns the one that stood before, to be
 * set again. */
uint64_t task_deadline_set(uint64_t deadline_ms);

/* Several questions, one wait: runs all jobs as tasks of their own and returns when all have ended;
 * cancelling the caller cancels them. Returns 0, or -ECANCELED when the caller was cancelled; the
 * jobs' results are in `result`. */
struct task_job {
    task_fn *fn;
    void *arg;
    int result;
};
int task_gather(const char *name, struct task_job jobs[], size_t count);

/* Runs `fn(arg)` on libuv's thread pool (file I/O, nothing else) and returns when it has ended,
 * whatever happens to the task meanwhile. */
void task_work(void (*fn)(void *arg), void *arg);

/* What the task is doing now, in words an operator can read: "sending DATA to mx1.dest.test". */
void task_stage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Calls `see` for every live task: its name, stage, and the age of that stage. */
void task_each(void (*see)(const char *name, const char *stage, uint64_t stage_age_ms,
                           void *arg),
               void *arg);
size_t task_count(void);

/* One wait for one event, for code in base/ and net/. The object lives as long as the operation it
 * waits for; task_wake may come before, during or after task_wait. */
struct task_wait {
    struct task *task; /* who waits now, or NULL */
    int result;
    bool done;
};
void task_wait_init(struct task_wait *wait);
int task_wait(struct task_wait *wait, uint64_t deadline_ms);
/* For an event that is sure to come, and comes even if the task is cancelled or late meanwhile. */
int task_wait_surely(struct task_wait *wait);
/* The first wake counts. In a libuv callback the waiter runs at once, within this call: it is the last
 * thing a callback does. */
void task_wake(struct task_wait *wait, int result);

/* A condition that several tasks can wait for. */
struct task_waiter;
struct task_signal {
    struct task_waiter *first, *last;
};
/* A zeroed signal is ready for use. Returns 0 once raised, -ETIMEDOUT, or -ECANCELED. First come,
 * first served. */
int task_signal_wait(struct task_signal *signal, uint64_t deadline_ms);
/* Wakes the one that has waited longest (false: nobody waits), or all. */
bool task_signal_raise(struct task_signal *signal);
void task_signal_raise_all(struct task_signal *signal);

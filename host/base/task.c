/* A task begins through ucontext and is switched by _setjmp and _longjmp, which, unlike swapcontext, make
 * no system call to keep signal masks that nobody changes. Stacks are mmap'ed with a guard page below,
 * committed by the kernel as they are touched, and pooled with their timer. The struct task stands at the top
 * of its own stack, so that an idle task costs one or two pages.
 *
 *     new --resume--> running --suspend--> waiting --(wake, deadline, cancel)--> ready --> running
 *                        `--return of fn--> ended --(handle given back)--> pooled
 *
 * Invariants: `current` is NULL on the loop's stack; only the loop's stack resumes tasks; a task woken
 * from another task goes to the ready queue, which is drained before the loop goes on. */
/* The fortified longjmp takes a change of stacks for an error. */
#undef _FORTIFY_SOURCE

#include "task.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "list.h"
#include "mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define TASK_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TASK_ASAN 1
#endif
#endif
#ifdef TASK_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define POOLED_STACKS_MAX 512

struct task {
    struct list live;   /* in runtime.live, or in runtime.pool */
    struct list ready;  /* in runtime.ready while ready */
    ucontext_t context; /* where it begins */
    jmp_buf jump;       /* where it goes on */
    bool has_begun;
    void *mapping; /* guard page, stack, this struct */
    uv_timer_t timer;
    const char *name;
    task_fn *fn;
    void *arg;
    int result;
    int why; /* how the present wait ended without its event */
    struct task_wait *wait;
    struct task_wait ended;
    uint64_t deadline_ms;
    uint64_t stage_since_ms;
    bool cancelled;
    bool is_ready;
    bool is_ended;
    bool has_handle;                  /* somebody still holds it */
    bool uncancellable;               /* the present wait must see its event */
    struct task_gathering *gathering; /* children of the present task_gather */
    void *asan_stack;
    char stage[104];
};

static struct {
    uv_loop_t *loop;
    struct task *current;
    ucontext_t loop_context;
    jmp_buf loop_jump;
    struct list live, ready, pool;
    size_t live_count, pool_count, open_timer_count;
    size_t page_bytes;
    bool draining;
    const void *loop_stack;
    size_t loop_stack_bytes;
    void *loop_asan_stack;
} runtime;

/* --- switching --- */

static void *stack_bottom(const struct task *task)
{
    return (char *)task->mapping + runtime.page_bytes;
}

static size_t stack_bytes(const struct task *task)
{
    return (size_t)((const char *)task - (const char *)stack_bottom(task));
}

static void before_switch_to_task(struct task *task)
{
#ifdef TASK_ASAN
    __sanitizer_start_switch_fiber(&runtime.loop_asan_stack, stack_bottom(task),
                                   stack_bytes(task));
#else
    (void)task;
#endif
}

static void after_switch_to_loop(void)
{
#ifdef TASK_ASAN
    __sanitizer_finish_switch_fiber(runtime.loop_asan_stack, NULL, NULL);
#endif
}

static void before_switch_to_loop(struct task *task)
{
#ifdef TASK_ASAN
    __sanitizer_start_switch_fiber(&task->asan_stack, runtime.loop_stack,
                                   runtime.loop_stack_bytes);
#else
    (void)task;
#endif
}

static void after_switch_to_task(struct task *task)
{
#ifdef TASK_ASAN
    __sanitizer_finish_switch_fiber(task->asan_stack, &runtime.loop_stack,
                                    &runtime.loop_stack_bytes);
#else
    (void)task;
#endif
}

#ifdef TASK_ASAN

/* ASan follows swapcontext; its longjmp would take the stacks for one. */
static void switch_to_task(struct task *task)
{
    task->has_begun = true;
    swapcontext(&runtime.loop_context, &task->context);
}

static void switch_to_loop(struct task *task)
{
    swapcontext(&task->context, &runtime.loop_context);
}

#else

static __attribute__((noinline)) void switch_to_task(struct task *task)
{
    if (_setjmp(runtime.loop_jump) != 0)
        return;
    if (task->has_begun)
        _longjmp(task->jump, 1);
    task->has_begun = true;
    setcontext(&task->context);
}

static __attribute__((noinline)) void switch_to_loop(struct task *task)
{
    if (_setjmp(task->jump) == 0)
        _longjmp(runtime.loop_jump, 1);
}

#endif

static void suspend(void)
{
    struct task *task = runtime.current;
    before_switch_to_loop(task);
    switch_to_loop(task);
    after_switch_to_task(task);
}

static void task_give_back(struct task *task);

static void resume(struct task *task)
{
    runtime.current = task;
    before_switch_to_task(task);
    switch_to_task(task);
    after_switch_to_loop();
    runtime.current = NULL;
    if (task->is_ended && !task->has_handle)
        task_give_back(task);
}

static void drain_ready(void)
{
    if (runtime.draining)
        return;
    runtime.draining = true;
    while (!list_empty(&runtime.ready)) {
        struct task *task = list_entry(runtime.ready.next, struct task, ready);
        list_remove(&task->ready);
        task->is_ready = false;
        resume(task);
    }
    runtime.draining = false;
}

static void make_ready(struct task *task)
{
    if (!task->is_ready) {
        task->is_ready = true;
        list_append(&runtime.ready, &task->ready);
    }
    if (!runtime.current)
        drain_ready();
}

static void task_main(void)
{
    struct task *task = runtime.current;
    after_switch_to_task(task);
    for (;;) { /* once for every function that this stack is given, out of the pool */
        task->result = task->fn(task->arg);
        task->is_ended = true;
        uv_timer_stop(&task->timer);
        list_remove(&task->live);
        runtime.live_count--;
        task_wake(&task->ended, 0);
        before_switch_to_loop(task);
        switch_to_loop(task);
        after_switch_to_task(task);
    }
}

/* --- stacks --- */

static void on_timer(uv_timer_t *timer)
{
    struct task *task = timer->data;
    if (task->wait) {
        task->why = -ETIMEDOUT;
        make_ready(task);
    }
}

static struct task *task_map(void)
{
    size_t bytes = runtime.page_bytes + TASK_STACK_BYTES;
    char *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    invariant(mapping != MAP_FAILED, "no memory for a task's stack");
    invariant(mprotect(mapping, runtime.page_bytes, PROT_NONE) == 0, "no guard page");
    size_t offset = (bytes - sizeof(struct task)) & ~(size_t)63;
    struct task *task = (struct task *)(void *)(mapping + offset);
    task->mapping = mapping;
    uv_timer_init(runtime.loop, &task->timer);
    task->timer.data = task;
    runtime.open_timer_count++;
    return task;
}

static void on_timer_closed(uv_handle_t *timer)
{
    struct task *task = timer->data;
    runtime.open_timer_count--;
#ifdef TASK_ASAN
    __asan_unpoison_memory_region(stack_bottom(task), stack_bytes(task));
#endif
    munmap(task->mapping, runtime.page_bytes + TASK_STACK_BYTES);
}

static void task_give_back(struct task *task)
{
    if (runtime.pool_count >= POOLED_STACKS_MAX) {
        uv_close((uv_handle_t *)&task->timer, on_timer_closed);
        return;
    }
    list_prepend(&runtime.pool, &task->live);
    runtime.pool_count++;
}

static struct task *task_take(void)
{
    if (list_empty(&runtime.pool))
        return task_map();
    struct task *task = list_entry(runtime.pool.next, struct task, live);
    list_remove(&task->live);
    runtime.pool_count--;
#ifdef TASK_ASAN
    __asan_unpoison_memory_region(stack_bottom(task), stack_bytes(task));
#endif
    return task;
}

/* --- the runtime --- */

void task_runtime_open(uv_loop_t *loop)
{
    memset(&runtime, 0, sizeof runtime);
    runtime.loop = loop;
    runtime.page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    list_init(&runtime.live);
    list_init(&runtime.ready);
    list_init(&runtime.pool);
}

void task_runtime_close(void)
{
    invariant(runtime.live_count == 0, "tasks: runtime closed with live tasks");
    while (!list_empty(&runtime.pool)) {
        struct task *task = list_entry(runtime.pool.next, struct task, live);
        list_remove(&task->live);
        uv_close((uv_handle_t *)&task->timer, on_timer_closed);
    }
    while (runtime.open_timer_count)
        uv_run(runtime.loop, UV_RUN_ONCE);
    runtime.pool_count = 0;
}

uv_loop_t *task_loop(void)
{
    return runtime.loop;
}

uint64_t task_now_ms(void)
{
    return uv_now(runtime.loop);
}

uint64_t task_in_ms(uint64_t duration_ms)
{
    uint64_t now = task_now_ms();
    return duration_ms >= TASK_FOREVER - now ? TASK_FOREVER : now + duration_ms;
}

/* Apart from its caller: getcontext may return twice, and what is inlined around it pays for that. */
static __attribute__((noinline)) void set_up_context(struct task *task)
{
    getcontext(&task->context);
    task->context.uc_stack.ss_sp = stack_bottom(task);
    task->context.uc_stack.ss_size = stack_bytes(task);
    task->context.uc_link = NULL;
    makecontext(&task->context, task_main, 0);
}

struct task *task_start(const char *name, task_fn *fn, void *arg)
{
    struct task *task = task_take();
    task->name = name;
    task->fn = fn;
    task->arg = arg;
    task->result = 0;
    task->why = 0;
    task->wait = NULL;
    task_wait_init(&task->ended);
    task->deadline_ms = TASK_FOREVER;
    task->stage_since_ms = task_now_ms();
    task->cancelled = task->is_ready = task->is_ended = task->uncancellable = false;
    task->has_handle = true;
    task->gathering = NULL;
    task->stage[0] = '\0';
    list_init(&task->ready);
    list_append(&runtime.live, &task->live);
    runtime.live_count++;
    if (!task->has_begun)
        set_up_context(task);
    make_ready(task);
    return task;
}

void task_detach(struct task *task)
{
    invariant(task->has_handle, "tasks: a handle was given back twice");
    task->has_handle = false;
    if (task->is_ended)
        task_give_back(task);
}

int task_wait_surely(struct task_wait *wait)
{
    if (wait->done)
        return wait->result;
    struct task *task = runtime.current;
    invariant(task != NULL, "tasks: a wait outside a task");
    task->uncancellable = true;
    while (!wait->done) {
        wait->task = task;
        task->wait = wait;
        suspend();
        task->wait = NULL;
        wait->task = NULL;
    }
    task->uncancellable = false;
    return wait->result;
}

int task_join(struct task *task)
{
    task_wait_surely(&task->ended);
    int result = task->result;
    task_detach(task);
    return result;
}

struct task_gathering {
    struct task **tasks; /* NULL where already joined */
    size_t count;
};

void task_cancel(struct task *task)
{
    if (task->is_ended || task->cancelled)
        return;
    task->cancelled = true;
    if (task->gathering)
        for (size_t i = 0; i < task->gathering->count; i++)
            if (task->gathering->tasks[i])
                task_cancel(task->gathering->tasks[i]);
    if (task->wait && !task->uncancellable) {
        task->why = -ECANCELED;
        make_ready(task);
    }
}

bool task_cancelled(const struct task *task)
{
    return task->cancelled;
}

struct task *task_current(void)
{
    return runtime.current;
}

uint64_t task_deadline_set(uint64_t deadline_ms)
{
    uint64_t before = runtime.current->deadline_ms;
    runtime.current->deadline_ms = deadline_ms;
    return before;
}

/* --- waiting --- */

void task_wait_init(struct task_wait *wait)
{
    *wait = (struct task_wait){0};
}

int task_wait(struct task_wait *wait, uint64_t deadline_ms)
{
    struct task *task = runtime.current;
    invariant(task != NULL, "tasks: a wait outside a task");
    invariant(wait->task == NULL, "tasks: two tasks wait for one event");
    if (wait->done)
        return wait->result;
    if (task->cancelled)
        return -ECANCELED;
    if (deadline_ms > task->deadline_ms)
        deadline_ms = task->deadline_ms;
    if (deadline_ms != TASK_FOREVER) {
        uint64_t now = task_now_ms();
        uv_timer_start(&task->timer, on_timer, deadline_ms > now ? deadline_ms - now : 0,
                       0);
    }
    task->why = 0;
    task->wait = wait;
    wait->task = task;
    suspend();
    task->wait = NULL;
    wait->task = NULL;
    if (deadline_ms != TASK_FOREVER)
        uv_timer_stop(&task->timer);
    return wait->done ? wait->result : task->why;
}

void task_wake(struct task_wait *wait, int result)
{
    if (wait->done)
        return;
    wait->done = true;
    wait->result = result;
    if (wait->task)
        make_ready(wait->task);
}

/* A timer that is due at once would be served again before any other event of the loop. */
#define SLEEP_MS_MIN 1

int task_sleep(uint64_t duration_ms)
{
    struct task_wait never;
    task_wait_init(&never);
    int result = task_wait(&never, task_in_ms(duration_ms ? duration_ms : SLEEP_MS_MIN));
    return result == -ETIMEDOUT && task_now_ms() < runtime.current->deadline_ms ? 0
                                                                                : result;
}

struct task_waiter {
    struct task_waiter *next;
    struct task_wait wait;
};

static void waiter_leave(struct task_signal *signal, struct task_waiter *leaver)
{
    struct task_waiter *before = NULL;
    for (struct task_waiter *at = signal->first; at; before = at, at = at->next) {
        if (at != leaver)
            continue;
        if (before)
            before->next = at->next;
        else
            signal->first = at->next;
        if (signal->last == at)
            signal->last = before;
        return;
    }
}

int task_signal_wait(struct task_signal *signal, uint64_t deadline_ms)
{
    struct task_waiter self = {0};
    if (signal->last)
        signal->last->next = &self;
    else
        signal->first = &self;
    signal->last = &self;
    int result = task_wait(&self.wait, deadline_ms);
    waiter_leave(signal, &self);
    return result;
}

bool task_signal_raise(struct task_signal *signal)
{
    struct task_waiter *first = signal->first;
    if (!first)
        return false;
    waiter_leave(signal, first);
    task_wake(&first->wait, 0);
    return true;
}

void task_signal_raise_all(struct task_signal *signal)
{
    struct task_waiter *waiter = signal->first;
    signal->first = signal->last = NULL;
    /* None runs before all are woken: a waiter is gone once its task has run, and one task may end the
     * wait of another. */
    bool was_draining = runtime.draining;
    runtime.draining = true;
    for (; waiter; waiter = waiter->next)
        task_wake(&waiter->wait, 0);
    runtime.draining = was_draining;
    if (!runtime.current)
        drain_ready();
}

/* --- several at once --- */

int task_gather(const char *name, struct task_job jobs[], size_t count)
{
    struct task *self = runtime.current;
    struct task_gathering gathering = {.tasks = mem_zero(count, sizeof(struct task *)),
                                       .count = count};
    for (size_t i = 0; i < count; i++) {
        gathering.tasks[i] = task_start(name, jobs[i].fn, jobs[i].arg);
        gathering.tasks[i]->deadline_ms = self->deadline_ms;
        if (self->cancelled)
            task_cancel(gathering.tasks[i]);
    }
    self->gathering = &gathering;
    for (size_t i = 0; i < count; i++) {
        task_wait_surely(&gathering.tasks[i]->ended);
        struct task *ended = gathering.tasks[i];
        gathering.tasks[i] = NULL;
        jobs[i].result = ended->result;
        task_detach(ended);
    }
    self->gathering = NULL;
    free(gathering.tasks);
    return self->cancelled ? -ECANCELED : 0;
}

struct work {
    uv_work_t request;
    void (*fn)(void *arg);
    void *arg;
    struct task_wait wait;
};

static void on_work(uv_work_t *request)
{
    struct work *work = request->data;
    work->fn(work->arg);
}

static void on_work_done(uv_work_t *request, int status)
{
    struct work *work = request->data;
    task_wake(&work->wait, status);
}

void task_work(void (*fn)(void *arg), void *arg)
{
    struct work work = {.fn = fn, .arg = arg};
    work.request.data = &work;
    uv_queue_work(runtime.loop, &work.request, on_work, on_work_done);
    task_wait_surely(&work.wait);
}

/* --- what an operator sees --- */

void task_stage(const char *format, ...)
{
    struct task *task = runtime.current;
    if (!task)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(task->stage, sizeof task->stage, format, args);
    va_end(args);
    task->stage_since_ms = task_now_ms();
}

void task_each(void (*see)(const char *name, const char *stage, uint64_t stage_age_ms,
                           void *arg),
               void *arg)
{
    list_foreach (node, &runtime.live) {
        struct task *task = list_entry(node, struct task, live);
        see(task->name, task->stage, task_now_ms() - task->stage_since_ms, arg);
    }
}

size_t task_count(void)
{
    return runtime.live_count;
}

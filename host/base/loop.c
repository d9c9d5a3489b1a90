#include "base/loop.h"

#include <errno.h>
#include <signal.h>

#include "base/mem.h"
#include "base/task.h"

enum { SIGNAL_KINDS = 3, SIGNALS_QUEUED_MAX = 16 };

static struct {
    uv_loop_t uv;
    uv_prepare_t turn;
    void (*each_turn)(void);
    uv_signal_t signals[SIGNAL_KINDS];
    bool has_signals;
    int queue[SIGNALS_QUEUED_MAX];
    size_t queued;
    struct task_signal arrived;
} loop;

void loop_open(void)
{
    loop.each_turn = NULL;
    loop.has_signals = false;
    loop.queued = 0;
    signal(SIGPIPE, SIG_IGN);
    invariant(uv_loop_init(&loop.uv) == 0, "no event loop");
    task_runtime_open(&loop.uv);
}

void loop_run(void)
{
    uv_run(&loop.uv, UV_RUN_DEFAULT);
}

void loop_close(void)
{
    if (loop.each_turn)
        uv_close((uv_handle_t *)&loop.turn, NULL);
    for (size_t i = 0; loop.has_signals && i < SIGNAL_KINDS; i++)
        uv_close((uv_handle_t *)&loop.signals[i], NULL);
    task_runtime_close();
    uv_run(&loop.uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop.uv);
}

static void on_turn(uv_prepare_t *turn)
{
    (void)turn;
    loop.each_turn();
}

void loop_each_turn(void (*fn)(void))
{
    loop.each_turn = fn;
    uv_prepare_init(&loop.uv, &loop.turn);
    uv_prepare_start(&loop.turn, on_turn);
    uv_unref((uv_handle_t *)&loop.turn);
}

int loop_run_task(const char *name, int (*fn)(void *arg), void *arg)
{
    loop_open();
    struct task *task = task_start(name, fn, arg);
    loop_run();
    int result = task_join(task);
    loop_close();
    return result;
}

void loop_signal_raise(int number)
{
    if (loop.queued < SIGNALS_QUEUED_MAX)
        loop.queue[loop.queued++] = number;
    task_signal_raise(&loop.arrived);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)handle;
    loop_signal_raise(number);
}

void loop_signals_open(void)
{
    static const int numbers[SIGNAL_KINDS] = {SIGHUP, SIGINT, SIGTERM};
    for (size_t i = 0; i < SIGNAL_KINDS; i++) {
        uv_signal_init(&loop.uv, &loop.signals[i]);
        uv_signal_start(&loop.signals[i], on_signal, numbers[i]);
        uv_unref((uv_handle_t *)&loop.signals[i]);
    }
    loop.has_signals = true;
}

int loop_signal_wait(uint64_t deadline_ms)
{
    while (loop.queued == 0) {
        int result = task_signal_wait(&loop.arrived, deadline_ms);
        if (result < 0)
            return result;
    }
    int number = loop.queue[0];
    loop.queued--;
    for (size_t i = 0; i < loop.queued; i++)
        loop.queue[i] = loop.queue[i + 1];
    return number;
}

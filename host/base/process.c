/* uv_spawn does the work: it resets signals, reaps, and leaves children of others alone. A pid is used
 * only while `exited` is unset: until libuv has reaped it nobody else can get it. */
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include <uv.h>

#include "mem.h"
#include "task.h"

#define FIRST_FD 3

struct process {
    uv_process_t handle;
    struct task_wait exited;
    int signal;
    int status;
};

static void on_exit_of_child(uv_process_t *handle, int64_t status, int signal)
{
    struct process *process = handle->data;
    process->status = (int)status;
    process->signal = signal;
    task_wake(&process->exited, 0);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

int process_start(const struct process_options *options, struct process **started)
{
    invariant(options->fd_count <= PROCESS_FDS_MAX, "process: too many fds");
    uv_stdio_container_t stdio[FIRST_FD + PROCESS_FDS_MAX] = {
        {.flags = UV_IGNORE},
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
    };
    for (size_t i = 0; i < options->fd_count; i++) {
        stdio[FIRST_FD + i].flags = UV_INHERIT_FD;
        stdio[FIRST_FD + i].data.fd = options->fds[i];
    }
    struct process *process = mem_zero(1, sizeof *process);
    process->handle.data = process;
    const uv_process_options_t spawn = {
        .exit_cb = on_exit_of_child,
        .file = options->path,
        .args = (char **)(uintptr_t)options->words,
        .env = (char **)(uintptr_t)options->environment,
        .stdio = stdio,
        .stdio_count = FIRST_FD + (int)options->fd_count,
    };
    int result = uv_spawn(task_loop(), &process->handle, &spawn);
    if (result != 0)
        uv_close((uv_handle_t *)&process->handle, on_closed);
    else
        *started = process;
    return result;
}

pid_t process_pid(const struct process *process)
{
    return process->handle.pid;
}

void process_send(struct process *process, int signal)
{
    if (!process->exited.done)
        kill(process->handle.pid, signal);
}

void process_kill(struct process *process)
{
    process_send(process, SIGKILL);
}

int process_wait(struct process *process, uint64_t deadline_ms)
{
    return task_wait(&process->exited, deadline_ms);
}

void process_end(struct process *process)
{
    process_kill(process);
    task_wait_surely(&process->exited);
}

int process_signal(const struct process *process)
{
    return process->signal;
}

int process_status(const struct process *process)
{
    return process->status;
}

uint64_t process_cpu_ns(const struct process *process)
{
    clockid_t clock;
    struct timespec used;
    if (process->exited.done || clock_getcpuclockid(process->handle.pid, &clock) != 0 ||
        clock_gettime(clock, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000000000U + (uint64_t)used.tv_nsec;
}

void process_free(struct process *process)
{
    invariant(process->exited.done, "process: freed while it runs");
    uv_close((uv_handle_t *)&process->handle, on_closed);
}

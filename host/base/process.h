/* Child processes: started with chosen file descriptors, killed, waited for in a task. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process;

struct process_options {
    const char *path; /* "/proc/self/exe" is this program, whatever became of its file */
    const char *const *words;       /* argv, NULL at the end */
    const char *const *environment; /* NULL at the end */
    const int *fds;                 /* become 3, 4 … of the child; they stay open here */
    size_t fd_count;                /* at most PROCESS_FDS_MAX */
};

#define PROCESS_FDS_MAX 80

/* The child's stdin and stdout are /dev/null, its stderr is ours. Returns 0 or negative errno. */
int process_start(const struct process_options *options, struct process **started);
pid_t process_pid(const struct process *process);
/* Sends a signal; nothing when it has ended. */
void process_send(struct process *process, int signal);
/* SIGKILL. */
void process_kill(struct process *process);
/* SIGKILL, and waits for the end that then comes, whatever happens to the task. */
void process_end(struct process *process);
/* Waits until it has ended: 0, -ETIMEDOUT or -ECANCELED. */
int process_wait(struct process *process, uint64_t deadline_ms);
/* After the end: the signal that ended it, or 0; and its exit status if it was 0. */
int process_signal(const struct process *process);
int process_status(const struct process *process);
/* CPU time its threads have used; after the end 0. One system call. */
uint64_t process_cpu_ns(const struct process *process);
/* After the end, which process_wait has told. */
void process_free(struct process *process);

/* The process's one libuv loop, with the task runtime on it, and its signals. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Opens the loop and the task runtime; SIGPIPE is ignored from here on. */
void loop_open(void);
/* Runs until nothing is left to do. */
void loop_run(void);
/* After the last task: closes what loop_* opened. */
void loop_close(void);

/* `fn` is called once per turn, before the loop waits for events. */
void loop_each_turn(void (*fn)(void));

/* Runs `fn(arg)` as the process's main task in a loop of its own and returns its result: for command
 * line tools that wait. */
int loop_run_task(const char *name, int (*fn)(void *arg), void *arg);

/* From the first call on, SIGHUP, SIGINT and SIGTERM are queued for loop_signal_wait. */
void loop_signals_open(void);
/* As if this signal had come. */
void loop_signal_raise(int number);
/* Waits in a task: the signal's number, -ETIMEDOUT or -ECANCELED. */
int loop_signal_wait(uint64_t deadline_ms);

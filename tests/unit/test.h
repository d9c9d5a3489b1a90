/* What every unit test starts with: cmocka (which needs its forerunners in this order), a loop with the task
 * runtime for tests that wait, and a way to run a function as a task. */
#pragma once

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "base/task.h"

static uv_loop_t test_loop;

/* cmocka set-up and tear-down for tests that use tasks: the tear-down fails if a handle is still open. */
static inline int test_loop_open(void **state)
{
    (void)state;
    uv_loop_init(&test_loop);
    task_runtime_open(&test_loop);
    return 0;
}

static inline int test_loop_close(void **state)
{
    (void)state;
    task_runtime_close();
    uv_run(&test_loop, UV_RUN_NOWAIT);
    return uv_loop_close(&test_loop);
}

/* Runs `fn(arg)` as a task and the loop until nothing is left to do; returns the task's result. */
static inline int test_run(task_fn *fn, void *arg)
{
    struct task *task = task_start("test", fn, arg);
    uv_run(&test_loop, UV_RUN_DEFAULT);
    return task_join(task);
}

#define loop_test(name)                                                                    \
    cmocka_unit_test_setup_teardown(name, test_loop_open, test_loop_close)

/* The head of a test whose body runs as a task, within `run_body`: a task function that is given the address of the
 * body's address. */
#define TEST_IN_TASK(run_body, name)                                                       \
    static void name##_body(void);                                                         \
    static void name(void **state)                                                         \
    {                                                                                      \
        (void)state;                                                                       \
        void (*body)(void) = name##_body;                                                  \
        assert_int_equal(test_run(run_body, &body), 0);                                    \
    }                                                                                      \
    static void name##_body(void)

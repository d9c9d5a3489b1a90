/* Child processes: inherited descriptors, the wait, the kill, CPU time. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "test.h"

#include "base/process.h"

static struct process *shell(const char *script, int fd)
{
    const char *const words[] = {"sh", "-c", script, NULL};
    const char *const environment[] = {"WORD=seen", NULL};
    const struct process_options options = {.path = "/bin/sh",
                                            .words = words,
                                            .environment = environment,
                                            .fds = &fd,
                                            .fd_count = fd >= 0};
    struct process *process = NULL;
    assert_int_equal(process_start(&options, &process), 0);
    return process;
}

static int write_to_three(void *arg)
{
    (void)arg;
    int fds[2];
    char text[16] = {0};
    assert_int_equal(pipe(fds), 0);
    struct process *process = shell("echo $WORD >&3", fds[1]);
    assert_int_equal(process_wait(process, TASK_FOREVER), 0);
    assert_int_equal(process_signal(process), 0);
    assert_int_equal(read(fds[0], text, sizeof text - 1), 5);
    assert_string_equal(text, "seen\n");
    process_free(process);
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static void a_child_inherits_what_it_is_given(void **state)
{
    (void)state;
    assert_int_equal(test_run(write_to_three, NULL), 0);
}

static int kill_busy(void *arg)
{
    (void)arg;
    struct process *process = shell("while :; do :; done", -1);
    assert_int_equal(process_wait(process, task_in_ms(50)), -ETIMEDOUT);
    assert_true(process_cpu_ns(process) > 0);
    process_kill(process);
    assert_int_equal(process_wait(process, TASK_FOREVER), 0);
    assert_int_equal(process_signal(process), SIGKILL);
    assert_int_equal(process_cpu_ns(process), 0);
    process_kill(process);
    process_free(process);
    return 0;
}

static void a_busy_child_is_killed(void **state)
{
    (void)state;
    assert_int_equal(test_run(kill_busy, NULL), 0);
}

static int ask_to_end(void *arg)
{
    (void)arg;
    int fds[2];
    char byte;
    assert_int_equal(pipe(fds), 0);
    struct process *process =
        shell("trap 'exit 7' TERM; echo >&3; while :; do :; done", fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1); /* it has set its trap */
    process_send(process, SIGTERM);
    assert_int_equal(process_wait(process, TASK_FOREVER), 0);
    assert_int_equal(process_signal(process), 0);
    assert_int_equal(process_status(process), 7);
    process_send(process, SIGTERM);
    process_free(process);
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static void a_child_can_be_asked_to_end(void **state)
{
    (void)state;
    assert_int_equal(test_run(ask_to_end, NULL), 0);
}

static int end_when_cancelled(void *arg)
{
    struct process *process = arg;
    assert_int_equal(process_wait(process, TASK_FOREVER), -ECANCELED);
    process_end(process);
    assert_int_equal(process_signal(process), SIGKILL);
    process_free(process);
    return 0;
}

static int cancel_who_waits(void *arg)
{
    (void)arg;
    struct process *process = shell("while :; do :; done", 2);
    struct task *task = task_start("wait", end_when_cancelled, process);
    task_sleep(1);
    task_cancel(task);
    return task_join(task);
}

static void who_is_cancelled_can_end_a_child(void **state)
{
    (void)state;
    assert_int_equal(test_run(cancel_who_waits, NULL), 0);
}

static int start_nothing(void *arg)
{
    (void)arg;
    const char *const words[] = {"none", NULL};
    const struct process_options options = {
        .path = "/nonexistent", .words = words, .environment = words + 1};
    struct process *process = NULL;
    return process_start(&options, &process);
}

static void a_missing_program_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(test_run(start_nothing, NULL), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(a_child_inherits_what_it_is_given),
        loop_test(a_busy_child_is_killed),
        loop_test(a_child_can_be_asked_to_end),
        loop_test(who_is_cancelled_can_end_a_child),
        loop_test(a_missing_program_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

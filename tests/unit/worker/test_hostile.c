/* Isolates that misbehave: who is at fault pays, neighbours that had not acted are run again. */
#include <errno.h>

#include "fake_isolate.h"
#include "harness.h"

/* One evil message between a neighbour that has acted and one that has not. */
struct trio {
    const char *evil;
    enum worker_result evil_result, quiet_result;
};

static int neighbours(void *arg)
{
    const struct trio *trio = arg;
    struct worker_limits limits = test_limits();
    struct worker *worker = test_worker("good", limits);
    struct worker *other_worker = test_worker("good", limits);
    struct sending other = {.worker = other_worker, .raw = "hold"};
    struct sending acted = {.worker = worker, .raw = "act-and-wait"};
    struct sending quiet = {.worker = worker, .raw = "hold"};
    struct sending evil = {.worker = worker, .raw = trio->evil};
    assert_int_equal(worker_try(worker, NULL), 0);
    assert_int_equal(worker_try(other_worker, NULL), 0);
    send_begin(&other);
    send_begin(&acted);
    send_begin(&quiet);
    while (!acted.forward_count)
        task_sleep(1);
    assert_int_equal(send_and_wait(&evil), trio->evil_result);
    send_join(&acted);
    assert_int_equal(acted.outcome.result, WORKER_CRASHED);
    task_cancel(quiet.task); /* it runs again, and waits */
    send_join(&quiet);
    assert_int_equal(quiet.result, -ECANCELED);
    struct sending after = {.worker = worker, .raw = "ok"};
    assert_int_equal(send_and_wait(&after), WORKER_OK);
    assert_int_equal(other.end_count, 0);
    task_cancel(other.task);
    send_join(&other);
    worker_release(worker);
    worker_release(other_worker);
    worker_stop_all();
    assert_int_equal(evil.end_count + acted.end_count + quiet.end_count, 3);
    return 0;
}

static void run_trio(const char *evil, enum worker_result result)
{
    struct trio trio = {.evil = evil, .evil_result = result};
    assert_int_equal(test_run(neighbours, &trio), 0);
}

static void a_loop_is_killed_and_its_neighbour_run_again(void **state)
{
    (void)state;
    run_trio("spin", WORKER_EXCEEDED_CPU);
}

static void a_crash_is_its_own_messages_fault(void **state)
{
    (void)state;
    run_trio("crash", WORKER_CRASHED);
}

static void garbage_ends_the_isolate(void **state)
{
    (void)state;
    run_trio("garbage", WORKER_CRASHED);
}

static void a_frame_about_a_stranger_ends_the_isolate(void **state)
{
    (void)state;
    run_trio("stranger", WORKER_CRASHED);
}

static void an_end_without_done_ends_the_isolate(void **state)
{
    (void)state;
    run_trio("end-only", WORKER_CRASHED);
}

static void an_unknown_result_ends_the_isolate(void **state)
{
    (void)state;
    run_trio("odd-result", WORKER_CRASHED);
}

static void a_flood_of_calls_ends_the_isolate(void **state)
{
    (void)state;
    run_trio("flood", WORKER_CRASHED);
}

static int hide_behind_gauge(void *arg)
{
    struct worker *worker = test_worker("good", test_limits());
    struct sending evil = {.worker = worker, .raw = arg};
    assert_int_equal(send_and_wait(&evil), WORKER_CRASHED);
    assert_int_equal(evil.end_count, 1);
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void a_message_that_hides_is_tried_three_times(void **state)
{
    (void)state;
    assert_int_equal(test_run(hide_behind_gauge, (void *)(uintptr_t) "vanish"), 0);
    assert_int_equal(test_run(hide_behind_gauge, (void *)(uintptr_t) "spin-unseen"), 0);
}

static int send_bad_header(void *arg)
{
    (void)arg;
    struct worker *worker = test_worker("good", test_limits());
    struct sending sending = {.worker = worker, .raw = "bad-header"};
    assert_int_equal(send_and_wait(&sending), WORKER_OK);
    assert_string_equal(sending.text, "E_HEADER_NOT_ALLOWED");
    assert_int_equal(sending.forward_count, 0);
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void a_header_with_a_line_break_is_refused(void **state)
{
    (void)state;
    assert_int_equal(test_run(send_bad_header, NULL), 0);
}

static int ignore_cancel(void *arg)
{
    (void)arg;
    struct worker_limits limits = test_limits();
    limits.wall_ms = 300;
    struct worker *worker = test_worker("good", limits);
    struct sending deaf = {.worker = worker, .raw = "deaf"};
    assert_int_equal(worker_try(worker, NULL), 0);
    int pid = isolate_pid();
    assert_int_equal(send_and_wait(&deaf), WORKER_EXCEEDED_WALL_TIME);
    assert_int_equal(deaf.end_count, 0);
    for (int i = 0; i < 1000 && isolate_pid() == pid; i++)
        task_sleep(5);
    assert_int_not_equal(isolate_pid(), pid);
    worker_release(worker);
    worker_stop_all();
    assert_int_equal(deaf.end_count, 1);
    return 0;
}

static void an_isolate_that_ignores_cancel_is_killed(void **state)
{
    (void)state;
    assert_int_equal(test_run(ignore_cancel, NULL), 0);
}

int main(int count, char **words)
{
    (void)count;
    if (strcmp(words[0], "postern-isolate") == 0)
        return fake_isolate();
    const struct CMUnitTest tests[] = {
        loop_test(a_loop_is_killed_and_its_neighbour_run_again),
        loop_test(a_crash_is_its_own_messages_fault),
        loop_test(garbage_ends_the_isolate),
        loop_test(a_frame_about_a_stranger_ends_the_isolate),
        loop_test(an_end_without_done_ends_the_isolate),
        loop_test(an_unknown_result_ends_the_isolate),
        loop_test(a_flood_of_calls_ends_the_isolate),
        loop_test(a_message_that_hides_is_tried_three_times),
        loop_test(a_header_with_a_line_break_is_refused),
        loop_test(an_isolate_that_ignores_cancel_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

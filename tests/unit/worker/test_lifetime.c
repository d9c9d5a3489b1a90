/* Isolate processes: started on first use, stopped when idle or no longer kept, held back while they keep
 * crashing. */
#include <errno.h>
#include <signal.h>

#include "fake_isolate.h"
#include "harness.h"

static int use_and_idle(void *arg)
{
    (void)arg;
    struct worker_limits limits = test_limits();
    limits.idle_ms = 30;
    struct worker *worker = test_worker("good", limits);
    assert_int_equal(isolate_pid(), 0);
    struct sending first = {.worker = worker, .raw = "ok"};
    assert_int_equal(send_and_wait(&first), WORKER_OK);
    int pid = isolate_pid();
    assert_int_not_equal(pid, 0);
    for (int i = 0; i < 1000 && isolate_pid(); i++)
        task_sleep(5);
    assert_int_equal(isolate_pid(), 0);
    while (kill(pid, 0) == 0)
        task_sleep(5);
    struct sending second = {.worker = worker, .raw = "ok"};
    assert_int_equal(send_and_wait(&second), WORKER_OK);
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void an_isolate_lives_from_first_use_until_idle(void **state)
{
    (void)state;
    assert_int_equal(test_run(use_and_idle, NULL), 0);
}

static int reload_in_flight(void *arg)
{
    (void)arg;
    struct worker *old = test_worker("good", test_limits());
    struct sending held = {.worker = old, .raw = "forward", .forward_ms = 100};
    send_begin(&held);
    while (!held.forward_count)
        task_sleep(1);
    int old_pid = isolate_pid();
    worker_release(old);
    struct worker *new = test_worker("good", test_limits());
    struct sending quick = {.worker = new, .raw = "ok"};
    assert_int_equal(send_and_wait(&quick), WORKER_OK);
    send_join(&held);
    assert_int_equal(held.outcome.result, WORKER_OK);
    while (kill(old_pid, 0) == 0)
        task_sleep(5);
    assert_int_not_equal(isolate_pid(), old_pid);
    worker_release(new);
    worker_stop_all();
    return 0;
}

static void an_old_version_finishes_what_it_began_and_ends(void **state)
{
    (void)state;
    assert_int_equal(test_run(reload_in_flight, NULL), 0);
}

static int load_broken(void *arg)
{
    (void)arg;
    struct worker *worker = test_worker("broken", test_limits());
    struct err err = {0};
    assert_int_equal(worker_try(worker, &err), -ENOEXEC);
    assert_string_equal(err.text, "test.lua:1: no return hint");
    struct sending sending = {.worker = worker, .raw = "ok"};
    assert_int_equal(send_and_wait(&sending), WORKER_BROKEN);
    assert_string_equal(sending.text, "test.lua:1: no return hint");
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void a_script_that_does_not_load_says_why(void **state)
{
    (void)state;
    assert_int_equal(test_run(load_broken, NULL), 0);
}

static int load_crashing(void *arg)
{
    (void)arg;
    struct worker *worker = test_worker("crash", test_limits());
    struct err err = {0};
    assert_int_equal(worker_try(worker, &err), -EAGAIN);
    struct sending sending = {.worker = worker, .raw = "ok"};
    assert_int_equal(send_and_wait(&sending), WORKER_CRASHED);
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void a_crash_loop_is_answered_at_once(void **state)
{
    (void)state;
    assert_int_equal(test_run(load_crashing, NULL), 0);
}

static int stop_in_flight(void *arg)
{
    (void)arg;
    struct worker *worker = test_worker("good", test_limits());
    struct sending held = {.worker = worker, .raw = "hold"};
    struct sending acting = {.worker = worker, .raw = "forward", .forward_ms = 10000};
    send_begin(&held);
    send_begin(&acting);
    while (!acting.forward_count)
        task_sleep(1);
    worker_stop_all();
    send_join(&held);
    send_join(&acting);
    assert_int_equal(held.outcome.result, WORKER_CRASHED);
    assert_int_equal(acting.outcome.result, WORKER_CRASHED);
    assert_int_equal(held.end_count + acting.end_count, 2);
    worker_release(worker);
    return 0;
}

static void the_end_of_the_process_ends_all_runs(void **state)
{
    (void)state;
    assert_int_equal(test_run(stop_in_flight, NULL), 0);
}

int main(int count, char **words)
{
    (void)count;
    if (strcmp(words[0], "postern-isolate") == 0)
        return fake_isolate();
    const struct CMUnitTest tests[] = {
        loop_test(an_isolate_lives_from_first_use_until_idle),
        loop_test(an_old_version_finishes_what_it_began_and_ends),
        loop_test(a_script_that_does_not_load_says_why),
        loop_test(a_crash_loop_is_answered_at_once),
        loop_test(the_end_of_the_process_ends_all_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

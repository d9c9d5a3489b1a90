/* Messages through an isolate that behaves: outcomes, calls, logs, large messages, taking turns, wall time,
 * cancellation. */
#include <errno.h>

#include "fake_isolate.h"
#include "harness.h"

static int outcomes(void *arg)
{
    (void)arg;
    struct worker *worker = test_worker("good", test_limits());
    struct sending ok = {.worker = worker, .raw = "ok"};
    struct sending rejected = {.worker = worker, .raw = "reject"};
    assert_int_equal(send_and_wait(&ok), WORKER_OK);
    assert_string_equal(ok.text, "ann@mail.test");
    assert_int_equal(ok.outcome.cpu_us, 12);
    assert_int_equal(send_and_wait(&rejected), WORKER_REJECTED);
    assert_string_equal(rejected.text, "go away");
    worker_release(worker);
    worker_stop_all();
    assert_int_equal(ok.end_count, 1);
    assert_int_equal(rejected.end_count, 1);
    return 0;
}

static void the_handlers_outcome_comes_back(void **state)
{
    (void)state;
    assert_int_equal(test_run(outcomes, NULL), 0);
}

static int forward_one(void *arg)
{
    (void)arg;
    struct worker *worker = test_worker("good", test_limits());
    struct sending sending = {.worker = worker, .raw = "forward", .forward_ms = 2};
    assert_int_equal(send_and_wait(&sending), WORKER_OK);
    assert_string_equal(sending.text, "<sent>");
    assert_int_equal(sending.forward_count, 1);
    assert_int_equal(sending.outcome.action_count, 1);
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void a_call_is_answered(void **state)
{
    (void)state;
    assert_int_equal(test_run(forward_one, NULL), 0);
}

static int finish_later(void *arg)
{
    (void)arg;
    struct worker *worker = test_worker("good", test_limits());
    struct sending sending = {.worker = worker, .raw = "later", .forward_ms = 20};
    assert_int_equal(send_and_wait(&sending), WORKER_OK);
    assert_int_equal(sending.end_count, 0);
    worker_release(worker);
    for (int i = 0; i < 1000 && !sending.end_count; i++)
        task_sleep(5);
    assert_int_equal(sending.end_count, 1);
    assert_int_equal(sending.forward_count, 1);
    assert_int_equal(sending.forward_result, 0);
    worker_stop_all();
    return 0;
}

static void what_waits_until_goes_on_after_the_reply(void **state)
{
    (void)state;
    assert_int_equal(test_run(finish_later, NULL), 0);
}

static int log_much(void *arg)
{
    (void)arg;
    struct worker *worker = test_worker("good", test_limits());
    struct sending sending = {.worker = worker, .raw = "log"};
    assert_int_equal(send_and_wait(&sending), WORKER_OK);
    assert_in_range(sending.log_bytes, 15 * 1024, 16 * 1024);
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void a_log_is_cut_at_its_limit(void **state)
{
    (void)state;
    assert_int_equal(test_run(log_much, NULL), 0);
}

static int send_large(void *arg)
{
    (void)arg;
    struct worker *worker = test_worker("good", test_limits());
    struct sending sending = {.worker = worker, .raw = "", .raw_bytes = 100000};
    assert_int_equal(send_and_wait(&sending), WORKER_OK);
    assert_string_equal(sending.text, "100000 bytes, sealed");
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void a_large_message_travels_as_a_sealed_memfd(void **state)
{
    (void)state;
    assert_int_equal(test_run(send_large, NULL), 0);
}

static int act_too_often(void *arg)
{
    (void)arg;
    struct worker *worker = test_worker("good", test_limits());
    struct sending sending = {.worker = worker, .raw = "many"};
    assert_int_equal(send_and_wait(&sending), WORKER_OK);
    assert_string_equal(sending.text, "32 of 40");
    assert_int_equal(sending.forward_count, 32);
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void actions_past_the_limit_are_refused(void **state)
{
    (void)state;
    assert_int_equal(test_run(act_too_often, NULL), 0);
}

#define THOUSAND 1000

static int send_a_thousand(void *arg)
{
    (void)arg;
    struct worker *worker = test_worker("good", test_limits());
    struct sending *sendings = mem_zero(THOUSAND, sizeof *sendings);
    for (int i = 0; i < THOUSAND; i++) {
        sendings[i] = (struct sending){.worker = worker, .raw = i % 3 ? "forward" : "ok"};
        send_begin(&sendings[i]);
    }
    for (int i = 0; i < THOUSAND; i++) {
        send_join(&sendings[i]);
        assert_int_equal(sendings[i].outcome.result, WORKER_OK);
    }
    worker_stop_all();
    for (int i = 0; i < THOUSAND; i++)
        assert_int_equal(sendings[i].end_count, 1);
    free(sendings);
    worker_release(worker);
    return 0;
}

static void a_thousand_messages_take_turns(void **state)
{
    (void)state;
    assert_int_equal(test_run(send_a_thousand, NULL), 0);
}

static int hold_past_wall_time(void *arg)
{
    (void)arg;
    struct worker_limits limits = test_limits();
    limits.wall_ms = 400;
    limits.messages_max = 1;
    struct worker *worker = test_worker("good", limits);
    struct sending held = {.worker = worker, .raw = "hold"};
    struct sending behind = {.worker = worker, .raw = "ok"};
    assert_int_equal(worker_try(worker, NULL), 0);
    send_begin(&held);
    assert_int_equal(send_and_wait(&behind), WORKER_EXCEEDED_WALL_TIME);
    send_join(&held);
    assert_int_equal(held.outcome.result, WORKER_EXCEEDED_WALL_TIME);
    int pid = isolate_pid();
    struct sending after = {.worker = worker, .raw = "ok"};
    while (!held.end_count)
        task_sleep(5);
    assert_int_equal(send_and_wait(&after), WORKER_OK);
    assert_int_equal(isolate_pid(), pid);
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void a_message_past_its_wall_time_is_dropped_alone(void **state)
{
    (void)state;
    assert_int_equal(test_run(hold_past_wall_time, NULL), 0);
}

static int cancel_callers(void *arg)
{
    const char *raw = arg;
    struct worker *worker = test_worker("good", test_limits());
    struct sending sending = {.worker = worker, .raw = raw, .forward_ms = 10000};
    assert_int_equal(worker_try(worker, NULL), 0);
    int pid = isolate_pid();
    send_begin(&sending);
    task_sleep(20);
    task_cancel(sending.task);
    send_join(&sending);
    assert_int_equal(sending.result, -ECANCELED);
    for (int i = 0; i < 1000 && !sending.end_count; i++)
        task_sleep(5);
    assert_int_equal(sending.end_count, 1);
    assert_int_equal(sending.forward_result, sending.forward_count ? -ECANCELED : 0);
    struct sending after = {.worker = worker, .raw = "ok"};
    assert_int_equal(send_and_wait(&after), WORKER_OK);
    assert_int_equal(isolate_pid(), pid);
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void a_cancelled_caller_leaves_the_isolate_whole(void **state)
{
    (void)state;
    assert_int_equal(test_run(cancel_callers, (void *)(uintptr_t) "hold"), 0);
    assert_int_equal(test_run(cancel_callers, (void *)(uintptr_t) "forward"), 0);
}

/* --- several isolates --- */

struct census {
    size_t isolates, in_flight;
};

static void count_isolate(const struct worker_view *view, void *arg)
{
    struct census *census = arg;
    census->isolates++;
    census->in_flight += view->in_flight;
}

static struct census census_now(void)
{
    struct census census = {0};
    worker_each(count_isolate, &census);
    return census;
}

static void wait_for_in_flight(size_t count)
{
    for (int i = 0; i < 4000 && census_now().in_flight < count; i++)
        task_sleep(5);
    assert_int_equal(census_now().in_flight, count);
}

#define HELD_COUNT 7

/* Three isolates of two places each: six messages are in flight, the seventh waits for the end of another. */
static int fill_isolates(void *arg)
{
    struct sending held[HELD_COUNT];
    struct worker_limits limits = test_limits();
    (void)arg;
    limits.messages_max = 2;
    limits.instances_max = 3;
    struct worker *worker = test_worker("good", limits);
    for (size_t i = 0; i < HELD_COUNT; i++) {
        held[i] = (struct sending){.worker = worker, .raw = "hold"};
        send_begin(&held[i]);
        if (i == 1)
            wait_for_in_flight(2);
        if (i < 2)
            assert_true(census_now().isolates <= 1);
    }
    wait_for_in_flight(6);
    assert_int_equal(census_now().isolates, 3);
    task_sleep(50);
    assert_int_equal(census_now().isolates, 3);
    assert_int_equal(census_now().in_flight, 6);
    for (size_t i = 0; i < HELD_COUNT; i++)
        task_cancel(held[i].task);
    for (size_t i = 0; i < HELD_COUNT; i++)
        send_join(&held[i]);
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void another_isolate_starts_when_the_others_are_full(void **state)
{
    (void)state;
    assert_int_equal(test_run(fill_isolates, NULL), 0);
}

static int crash_one_of_two(void *arg)
{
    struct worker_limits limits = test_limits();
    (void)arg;
    limits.messages_max = 1;
    limits.instances_max = 2;
    struct worker *worker = test_worker("good", limits);
    struct sending slow = {.worker = worker, .raw = "forward", .forward_ms = 1000};
    struct sending crash = {.worker = worker, .raw = "crash"};
    send_begin(&slow);
    wait_for_in_flight(1);
    assert_int_equal(send_and_wait(&crash), WORKER_CRASHED);
    send_join(&slow);
    assert_int_equal(slow.outcome.result, WORKER_OK);
    assert_int_equal(slow.forward_count, 1);
    worker_release(worker);
    worker_stop_all();
    return 0;
}

static void a_crash_is_no_matter_of_other_isolates(void **state)
{
    (void)state;
    assert_int_equal(test_run(crash_one_of_two, NULL), 0);
}

int main(int count, char **words)
{
    (void)count;
    if (strcmp(words[0], "postern-isolate") == 0)
        return fake_isolate();
    const struct CMUnitTest tests[] = {
        loop_test(the_handlers_outcome_comes_back),
        loop_test(a_call_is_answered),
        loop_test(what_waits_until_goes_on_after_the_reply),
        loop_test(a_log_is_cut_at_its_limit),
        loop_test(a_large_message_travels_as_a_sealed_memfd),
        loop_test(actions_past_the_limit_are_refused),
        loop_test(a_thousand_messages_take_turns),
        loop_test(a_message_past_its_wall_time_is_dropped_alone),
        loop_test(a_cancelled_caller_leaves_the_isolate_whole),
        loop_test(another_isolate_starts_when_the_others_are_full),
        loop_test(a_crash_is_no_matter_of_other_isolates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

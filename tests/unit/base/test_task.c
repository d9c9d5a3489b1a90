/* Tasks: waiting, deadlines, cancellation, gathering, signals, the thread pool. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

static int return_seven(void *arg)
{
    (void)arg;
    return 7;
}

static int sleep_two(void *arg)
{
    (void)arg;
    return task_sleep(2);
}

static void a_task_returns_its_result(void **state)
{
    (void)state;
    assert_int_equal(test_run(return_seven, NULL), 7);
    assert_int_equal(test_run(sleep_two, NULL), 0);
}

static int wait_past_deadline(void *arg)
{
    (void)arg;
    struct task_wait never;
    task_wait_init(&never);
    return task_wait(&never, task_in_ms(2));
}

static void a_wait_ends_at_its_deadline(void **state)
{
    (void)state;
    assert_int_equal(test_run(wait_past_deadline, NULL), -ETIMEDOUT);
}

static int sleep_long_under_deadline(void *arg)
{
    (void)arg;
    uint64_t before = task_deadline_set(task_in_ms(2));
    int result = task_sleep(60000);
    task_deadline_set(before);
    return result;
}

static void the_tasks_deadline_bounds_every_wait(void **state)
{
    (void)state;
    assert_int_equal(test_run(sleep_long_under_deadline, NULL), -ETIMEDOUT);
}

static int sleep_long(void *arg)
{
    (void)arg;
    int first = task_sleep(60000);
    int second = task_sleep(60000);
    return first == -ECANCELED && second == -ECANCELED ? 1 : 0;
}

static int cancel_another(void *arg)
{
    (void)arg;
    struct task *other = task_start("other", sleep_long, NULL);
    task_sleep(1);
    task_cancel(other);
    return task_join(other);
}

static void a_cancelled_task_waits_no_more(void **state)
{
    (void)state;
    assert_int_equal(test_run(cancel_another, NULL), 1);
}

static int gather_three(void *arg)
{
    (void)arg;
    struct task_job jobs[] = {
        {return_seven, NULL, 0}, {sleep_two, NULL, -1}, {return_seven, NULL, 0}};
    if (task_gather("part", jobs, 3) != 0)
        return -1;
    return jobs[0].result + jobs[1].result + jobs[2].result;
}

static void gather_waits_for_all(void **state)
{
    (void)state;
    assert_int_equal(test_run(gather_three, NULL), 14);
}

static int gather_long(void *arg)
{
    int *results = arg;
    struct task_job jobs[] = {{sleep_long, NULL, 0}, {sleep_long, NULL, 0}};
    results[0] = task_gather("part", jobs, 2);
    results[1] = jobs[0].result + jobs[1].result;
    return 0;
}

static int cancel_gatherer(void *arg)
{
    struct task *other = task_start("other", gather_long, arg);
    task_sleep(1);
    task_cancel(other);
    return task_join(other);
}

static void cancelling_a_gatherer_cancels_its_children(void **state)
{
    (void)state;
    int results[2] = {0};
    test_run(cancel_gatherer, results);
    assert_int_equal(results[0], -ECANCELED);
    assert_int_equal(results[1], 2);
}

static struct task_signal signal_of_test;
static int order[4];
static int order_count;

static int wait_for_signal(void *arg)
{
    int result = task_signal_wait(&signal_of_test, TASK_FOREVER);
    order[order_count++] = *(int *)arg;
    return result;
}

static int raise_signal(void *arg)
{
    (void)arg;
    int one = 1, two = 2, three = 3;
    struct task *tasks[] = {task_start("w", wait_for_signal, &one),
                            task_start("w", wait_for_signal, &two),
                            task_start("w", wait_for_signal, &three)};
    task_sleep(1);
    task_cancel(tasks[1]);
    task_sleep(1);
    task_signal_raise(&signal_of_test);
    task_signal_raise_all(&signal_of_test);
    int sum = 0;
    for (int i = 0; i < 3; i++)
        sum += task_join(tasks[i]);
    return sum;
}

static void a_signal_wakes_first_come_first_served(void **state)
{
    (void)state;
    order_count = 0;
    assert_int_equal(test_run(raise_signal, NULL), -ECANCELED);
    assert_int_equal(order_count, 3);
    assert_int_equal(order[0], 2); /* the cancelled one was ready first */
    assert_int_equal(order[1], 1);
    assert_int_equal(order[2], 3);
    assert_null(signal_of_test.first);
}

static struct task *neighbour;

static int cancel_neighbour(void *arg)
{
    (void)arg;
    int result = task_signal_wait(&signal_of_test, TASK_FOREVER);
    task_cancel(neighbour);
    return result;
}

static void on_raise(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
    task_signal_raise_all(&signal_of_test);
}

static int raise_in_callback(void *arg)
{
    (void)arg;
    int number = 0;
    uv_timer_t timer;
    order_count = 0;
    struct task *first = task_start("w", cancel_neighbour, NULL);
    neighbour = task_start("w", wait_for_signal, &number);
    uv_timer_init(task_loop(), &timer);
    uv_timer_start(&timer, on_raise, 1, 0);
    int sum = task_join(first) + task_join(neighbour);
    task_sleep(1);
    return sum;
}

static void one_waiter_may_end_the_wait_of_the_next(void **state)
{
    (void)state;
    assert_int_equal(test_run(raise_in_callback, NULL), 0);
    assert_null(signal_of_test.first);
}

static void set_to_five(void *arg)
{
    *(int *)arg = 5;
}

static int use_thread_pool(void *arg)
{
    (void)arg;
    int value = 0;
    task_work(set_to_five, &value);
    return value;
}

static void work_runs_on_the_thread_pool(void **state)
{
    (void)state;
    assert_int_equal(test_run(use_thread_pool, NULL), 5);
}

static int use_stack(void *arg)
{
    volatile char bytes[100 * 1024];
    memset((char *)(uintptr_t)bytes, *(int *)arg, sizeof bytes);
    task_sleep(1);
    return bytes[0] + bytes[sizeof bytes - 1];
}

static int many(void *arg)
{
    (void)arg;
    enum { COUNT = 2000 };
    struct task **tasks = malloc(COUNT * sizeof *tasks);
    static int values[COUNT];
    int sum = 0;
    for (int i = 0; i < COUNT; i++) {
        values[i] = i % 50;
        tasks[i] = task_start("many", use_stack, &values[i]);
    }
    for (int i = 0; i < COUNT; i++)
        sum += task_join(tasks[i]);
    free(tasks);
    return sum;
}

static void thousands_of_tasks_keep_their_stacks_apart(void **state)
{
    (void)state;
    assert_int_equal(test_run(many, NULL), 2000 / 50 * (49 * 50 / 2) * 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(a_task_returns_its_result),
        loop_test(a_wait_ends_at_its_deadline),
        loop_test(the_tasks_deadline_bounds_every_wait),
        loop_test(a_cancelled_task_waits_no_more),
        loop_test(gather_waits_for_all),
        loop_test(cancelling_a_gatherer_cancels_its_children),
        loop_test(a_signal_wakes_first_come_first_served),
        loop_test(one_waiter_may_end_the_wait_of_the_next),
        loop_test(work_runs_on_the_thread_pool),
        loop_test(thousands_of_tasks_keep_their_stacks_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

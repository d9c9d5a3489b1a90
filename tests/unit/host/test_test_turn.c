/* Hosts that come to test the same versions: who runs the tests, and whose verdict counts. */
#include "test.h"
#include "test_turn.h"

#define KEY       4711
#define PATIENT   60000
#define IMPATIENT 100

static struct shared *shared;

static int open_fixture(void **state)
{
    shared = shared_new(3, NULL, NULL);
    if (!shared)
        return -1;
    for (unsigned i = 0; i < 3; i++)
        atomic_store(&shared->hosts[i].pid, 100 + i);
    return test_loop_open(state);
}

static int close_fixture(void **state)
{
    shared_unmap(shared);
    return test_loop_close(state);
}

static struct shared_place place_of(unsigned host)
{
    return (struct shared_place){shared, host};
}

struct visit {
    unsigned host;
    uint64_t key, patience_ms;
    enum test_turn_state verdict;
    unsigned by;
};

static int visit(void *arg)
{
    struct visit *visit = arg;
    struct shared_place place = place_of(visit->host);
    visit->verdict =
        test_turn_take(&place, visit->key, task_in_ms(visit->patience_ms), &visit->by);
    return 0;
}

/* Of host 1, while host 0 tests; `then` is what becomes of that. */
static struct visit visit_beside(uint64_t key, uint64_t patience_ms, void (*then)(void))
{
    struct visit zero = {.host = 0, .key = KEY}, one = {1, key, patience_ms, 0, 0};
    visit(&zero);
    assert_int_equal(zero.verdict, TEST_TURN_NONE);
    struct task *task = task_start("visit", visit, &one);
    task_sleep(1); /* it runs as far as its first wait */
    then();
    task_join(task);
    return one;
}

static void pass(void)
{
    struct shared_place place = place_of(0);
    test_turn_end(&place, TEST_TURN_PASSED);
}

static void fail_it(void)
{
    struct shared_place place = place_of(0);
    test_turn_end(&place, TEST_TURN_FAILED);
}

static void find_changed(void)
{
    struct shared_place place = place_of(0);
    test_turn_end(&place, TEST_TURN_OUTDATED);
}

static void die(void)
{
    atomic_store(&shared->hosts[0].pid, 0);
}

static void go_on(void)
{
    atomic_store(&shared->hosts[0].tests.key, KEY + 1);
}

static void do_nothing(void)
{
}

static int run_body(void *body)
{
    (*(void (**)(void))body)();
    return 0;
}

TEST_IN_TASK(run_body, who_comes_later_waits_for_the_verdict)
{
    struct visit visit = visit_beside(KEY, PATIENT, pass);
    assert_int_equal(visit.verdict, TEST_TURN_PASSED);
    visit = visit_beside(KEY, PATIENT, fail_it);
    assert_int_equal(visit.verdict, TEST_TURN_FAILED);
    assert_int_equal(visit.by, 0);
    visit = visit_beside(KEY, PATIENT, find_changed);
    assert_int_equal(visit.verdict, TEST_TURN_OUTDATED);
}

TEST_IN_TASK(run_body, other_versions_are_tested_beside)
{
    assert_int_equal(visit_beside(KEY + 7, PATIENT, do_nothing).verdict, TEST_TURN_NONE);
}

TEST_IN_TASK(run_body, a_host_that_dies_or_goes_on_or_takes_too_long_has_no_verdict)
{
    assert_int_equal(visit_beside(KEY, PATIENT, go_on).verdict, TEST_TURN_NONE);
    assert_int_equal(visit_beside(KEY, IMPATIENT, do_nothing).verdict, TEST_TURN_NONE);
    assert_int_equal(visit_beside(KEY, PATIENT, die).verdict, TEST_TURN_NONE);
}

TEST_IN_TASK(run_body, an_earlier_verdict_counts_for_nobody)
{
    struct visit zero = {.host = 0, .key = KEY}, one = {.host = 1, .key = KEY};
    visit(&zero);
    fail_it();
    visit(&one);
    assert_int_equal(one.verdict, TEST_TURN_NONE);
}

TEST_IN_TASK(run_body, a_host_does_not_wait_for_one_of_a_higher_number)
{
    struct visit two = {.host = 2, .key = KEY}, zero = {.host = 0, .key = KEY};
    visit(&two);
    assert_int_equal(two.verdict, TEST_TURN_NONE);
    visit(&zero);
    assert_int_equal(zero.verdict, TEST_TURN_NONE);
}

#define turn_test(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        turn_test(who_comes_later_waits_for_the_verdict),
        turn_test(other_versions_are_tested_beside),
        turn_test(a_host_that_dies_or_goes_on_or_takes_too_long_has_no_verdict),
        turn_test(an_earlier_verdict_counts_for_nobody),
        turn_test(a_host_does_not_wait_for_one_of_a_higher_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

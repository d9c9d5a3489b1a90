/* Token buckets: how many, how soon again, and how little memory they take. */
#include <stdio.h>

#include "test.h"

#include "delivery/rate.h"

#define NOW_MS UINT64_C(1800000000000)

static unsigned take_all(struct rate *rate, struct str key, uint64_t now_ms)
{
    unsigned taken = 0;
    while (taken < 1000 && rate_take(rate, key, now_ms))
        taken++;
    return taken;
}

static void a_bucket_holds_its_burst(void **state)
{
    (void)state;
    struct rate *rate = rate_new(60, 5, 10);
    assert_int_equal(take_all(rate, STR("a"), NOW_MS), 5);
    assert_int_equal(take_all(rate, STR("b"), NOW_MS), 5);
    assert_int_equal(take_all(rate, STR("a"), NOW_MS), 0);
    rate_free(rate);
    rate_free(NULL);
}

static void tokens_come_back_one_by_one(void **state)
{
    (void)state;
    struct rate *rate = rate_new(60, 5, 10);
    take_all(rate, STR("a"), NOW_MS);
    assert_int_equal(take_all(rate, STR("a"), NOW_MS + 999), 0);
    assert_int_equal(take_all(rate, STR("a"), NOW_MS + 1000), 1);
    assert_int_equal(take_all(rate, STR("a"), NOW_MS + 3999), 2);
    assert_int_equal(take_all(rate, STR("a"), NOW_MS + 4000), 1);
    assert_int_equal(take_all(rate, STR("a"), NOW_MS + 3600000), 5);
    rate_free(rate);
}

static void the_next_token_comes_when_it_is_said_to(void **state)
{
    (void)state;
    static const uint32_t rates[] = {1, 7, 59, 600, 1000000};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct rate *rate = rate_new(rates[i], 3, 10);
        assert_int_equal(rate_next_ms(rate, STR("a"), NOW_MS), NOW_MS);
        while (rate_take(rate, STR("a"), NOW_MS))
            assert_true(rate_next_ms(rate, STR("a"), NOW_MS) >= NOW_MS);
        uint64_t next_ms = rate_next_ms(rate, STR("a"), NOW_MS);
        assert_in_range(next_ms, NOW_MS + 1, NOW_MS + 60000 / rates[i] + 1);
        assert_false(rate_take(rate, STR("a"), next_ms - 1));
        assert_int_equal(rate_next_ms(rate, STR("a"), next_ms), next_ms);
        assert_true(rate_take(rate, STR("a"), next_ms));
        rate_free(rate);
    }
}

static void over_time_the_rate_is_kept(void **state)
{
    (void)state;
    struct rate *rate = rate_new(100, 10, 10);
    unsigned taken = 0;
    for (uint64_t ms = 0; ms < 600000; ms += 7)
        taken += rate_take(rate, STR("a"), NOW_MS + ms);
    assert_in_range(taken, 1005, 1010);
    rate_free(rate);
}

static void without_a_limit_all_is_given(void **state)
{
    (void)state;
    struct rate *rate = rate_new(0, 0, 1);
    assert_int_equal(take_all(rate, STR("a"), NOW_MS), 1000);
    assert_int_equal(rate_next_ms(rate, STR("a"), NOW_MS), NOW_MS);
    rate_free(rate);
}

static void the_widest_numbers_hold(void **state)
{
    (void)state;
    struct rate *rate = rate_new(1, UINT32_MAX, 1);
    assert_int_equal(take_all(rate, STR(""), NOW_MS), 1000);
    assert_int_equal(take_all(rate, STR(""), 0), 1000);
    rate_free(rate);
    rate = rate_new(1, 0, 1);
    assert_int_equal(take_all(rate, STR("a"), 0), 1);
    assert_int_equal(rate_next_ms(rate, STR("a"), 0), 60000);
    rate_free(rate);
    rate = rate_new(UINT32_MAX, UINT32_MAX, 1);
    assert_int_equal(take_all(rate, STR("a"), NOW_MS), 1000);
    rate_free(rate);
}

static void the_key_not_asked_for_longest_is_forgotten(void **state)
{
    (void)state;
    struct rate *rate = rate_new(1, 1, 2);
    assert_true(rate_take(rate, STR("a"), NOW_MS));
    assert_true(rate_take(rate, STR("b"), NOW_MS));
    assert_false(rate_take(rate, STR("a"), NOW_MS)); /* asked for: b is the oldest now */
    assert_true(rate_take(rate, STR("c"), NOW_MS));
    assert_false(rate_take(rate, STR("a"), NOW_MS));
    assert_true(rate_take(rate, STR("b"), NOW_MS));
    rate_free(rate);
}

/* What must not happen: that others push out a bucket in use while there is room, or that memory grows. */
static void strangers_do_not_push_out_who_is_busy(void **state)
{
    (void)state;
    struct rate *rate = rate_new(60, 2, 100);
    unsigned taken = 0;
    for (unsigned i = 0; i < 100000; i++) {
        char key[32];
        int length = snprintf(key, sizeof key, "stranger-%u", i);
        rate_take(rate, (struct str){key, (size_t)length}, NOW_MS + i);
        if (i % 10 == 0)
            taken += rate_take(rate, STR("busy"), NOW_MS + i);
    }
    assert_in_range(taken, 100, 102);
    rate_free(rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_holds_its_burst),
        cmocka_unit_test(tokens_come_back_one_by_one),
        cmocka_unit_test(the_next_token_comes_when_it_is_said_to),
        cmocka_unit_test(over_time_the_rate_is_kept),
        cmocka_unit_test(without_a_limit_all_is_given),
        cmocka_unit_test(the_widest_numbers_hold),
        cmocka_unit_test(the_key_not_asked_for_longest_is_forgotten),
        cmocka_unit_test(strangers_do_not_push_out_who_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

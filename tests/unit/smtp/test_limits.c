/* What all sessions share, and how long a sender may take: with clock and addresses given. */
#include "test.h"

#include "smtp/limits.h"
#include "smtp/pace.h"

static struct net_address at(const char *ip)
{
    struct net_address address;
    assert_int_equal(net_address_parse(str_of(ip), 25, &address), 0);
    return address;
}

static void sessions_are_counted_in_all_and_by_address(void **state)
{
    (void)state;
    struct smtp_limits *limits = smtp_limits_new();
    struct smtp_options options = {.connections_max = 3, .connections_per_address_max = 2};
    struct net_address one = at("192.0.2.1"), two = at("192.0.2.2"),
                       three = at("192.0.2.3");
    assert_int_equal(smtp_limits_enter(limits, &options, &one), NET_ADMITTED);
    assert_int_equal(smtp_limits_enter(limits, &options, &one), NET_ADMITTED);
    assert_int_equal(smtp_limits_enter(limits, &options, &one), NET_ADDRESS_FULL);
    assert_int_equal(smtp_limits_enter(limits, &options, &two), NET_ADMITTED);
    assert_int_equal(smtp_limits_enter(limits, &options, &three), NET_FULL);
    smtp_limits_leave(limits, &one);
    assert_int_equal(smtp_limits_enter(limits, &options, &one), NET_ADMITTED);
    smtp_limits_leave(limits, &one);
    smtp_limits_leave(limits, &one);
    smtp_limits_leave(limits, &two);
    smtp_limits_free(limits);
}

static void an_ipv6_client_is_its_slash_64(void **state)
{
    (void)state;
    struct smtp_limits *limits = smtp_limits_new();
    struct smtp_options options = {.connections_max = 9, .connections_per_address_max = 1};
    struct net_address one = at("2001:db8:0:1::1"), same = at("2001:db8:0:1:ffff::2"),
                       other = at("2001:db8:0:2::1");
    assert_int_equal(smtp_limits_enter(limits, &options, &one), NET_ADMITTED);
    assert_int_equal(smtp_limits_enter(limits, &options, &same), NET_ADDRESS_FULL);
    assert_int_equal(smtp_limits_enter(limits, &options, &other), NET_ADMITTED);
    smtp_limits_leave(limits, &same); /* counted as `one` */
    smtp_limits_leave(limits, &other);
    smtp_limits_free(limits);
}

static void memory_is_bounded_for_all_together(void **state)
{
    (void)state;
    struct smtp_limits *limits = smtp_limits_new();
    struct smtp_options options = {.memory_bytes_max = 100};
    assert_true(smtp_limits_hold_memory(limits, &options, 60));
    assert_false(smtp_limits_hold_memory(limits, &options, 41));
    assert_true(smtp_limits_hold_memory(limits, &options, 40));
    assert_false(smtp_limits_hold_memory(limits, &options, UINT64_MAX));
    smtp_limits_release_memory(limits, 100);
    options.memory_bytes_max = 10; /* a smaller limit after a reload */
    assert_false(smtp_limits_hold_memory(limits, &options, 11));
    smtp_limits_free(limits);
}

static const struct smtp_options patience = {
    .data_timeout_ms = 30000, .message_timeout_ms = 200000, .data_rate_min = 100};

static void a_block_has_its_time_within_the_messages(void **state)
{
    (void)state;
    struct smtp_pace pace;
    smtp_pace_start(&pace, &patience, 1000);
    assert_int_equal(smtp_pace_deadline(&pace, 1000), 31000);
    assert_int_equal(smtp_pace_deadline(&pace, 190000), 201000);
    assert_true(smtp_pace_add(&pace, 1000000, 200999));
    assert_false(smtp_pace_add(&pace, 1000000, 201000));
}

static void a_minute_must_bring_enough_bytes(void **state)
{
    (void)state;
    struct smtp_pace pace;
    smtp_pace_start(&pace, &patience, 0);
    assert_true(smtp_pace_add(&pace, 1, 20000));
    assert_true(smtp_pace_add(&pace, 5999, 60000));
    assert_true(smtp_pace_add(&pace, 1, 90000));
    assert_false(smtp_pace_add(&pace, 5998, 120000));
}

static void our_own_time_between_chunks_does_not_count(void **state)
{
    (void)state;
    struct smtp_pace pace;
    smtp_pace_start(&pace, &patience, 0);
    smtp_pace_resume(&pace, 59000);
    assert_true(smtp_pace_add(&pace, 1, 61000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_are_counted_in_all_and_by_address),
        cmocka_unit_test(an_ipv6_client_is_its_slash_64),
        cmocka_unit_test(memory_is_bounded_for_all_together),
        cmocka_unit_test(a_block_has_its_time_within_the_messages),
        cmocka_unit_test(a_minute_must_bring_enough_bytes),
        cmocka_unit_test(our_own_time_between_chunks_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What store.h promises administrators. */
#include "store/fixture.h"

static struct store_filter everything(void)
{
    return (struct store_filter){.state = -1, .limit = 100};
}

static struct claimed list(struct store_filter filter)
{
    struct claimed listed;
    assert_int_equal(store_queue_list(fixture.store, &filter, fixture.arena, &listed.legs,
                                      &listed.count),
                     0);
    return listed;
}

static uint64_t change(int (*fn)(struct store *, const struct store_filter *, uint64_t *),
                       struct store_filter filter)
{
    uint64_t count = 99;
    assert_int_equal(fn(fixture.store, &filter, &count), 0);
    return count;
}

static uint64_t release_all(struct store_filter filter)
{
    uint64_t count = 99;
    assert_int_equal(store_queue_release(fixture.store, &filter, NOW_MS, &count), 0);
    return count;
}

static void add_three(void)
{
    add("a", "ben@a.test");
    add("b", "ben@b.test");
    add("c", "cleo@b.test");
}

STORE_TEST(a_filter_finds_what_fits_all_of_it)
{
    add_three();
    struct store_filter filter = everything();
    assert_int_equal(list(filter).count, 3);
    filter.destination = STR("b.test");
    assert_int_equal(list(filter).count, 2);
    filter.recipient = STR("ben@b.test");
    assert_int_equal(list(filter).count, 1);
    filter.message_id = STR("c");
    assert_int_equal(list(filter).count, 0);
    filter = everything();
    filter.message_id = STR("c");
    struct claimed listed = list(filter);
    assert_int_equal(listed.count, 1);
    assert_str(listed.legs[0].recipient, "cleo@b.test");
    assert_str(listed.legs[0].owner, "");
    filter = everything();
    filter.reverse_path = STR("srs@here.test");
    assert_int_equal(list(filter).count, 3);
    filter.reverse_path = STR("srs@here.tes%");
    assert_int_equal(list(filter).count, 0);
}

STORE_TEST(a_list_is_given_in_pages)
{
    add_three();
    struct store_filter filter = everything();
    filter.limit = 2;
    assert_int_equal(list(filter).count, 2);
    filter.offset = 2;
    struct claimed listed = list(filter);
    assert_int_equal(listed.count, 1);
    assert_str(listed.legs[0].message_id, "c");
}

STORE_TEST(a_list_says_who_is_sending)
{
    add("a", "ben@a.test");
    claim_all("one");
    assert_str(list(everything()).legs[0].owner, "one");
}

STORE_TEST(the_summary_counts)
{
    struct store_queue_sum sum;
    assert_int_equal(store_queue_summary(fixture.store, NOW_MS, &sum), 0);
    assert_int_equal(sum.messages + sum.legs + sum.bytes + sum.oldest_ms, 0);
    add_three();
    assert_int_equal(add_created("old", "ben@c.test", NOW_MS - HOUR), 0);
    struct store_filter filter = everything();
    filter.message_id = STR("a");
    assert_int_equal(change(store_queue_hold, filter), 1);
    renew_lease("one");
    claim_with((struct store_claim){.owner = STR("one"), .legs_max = 1});
    assert_int_equal(store_queue_summary(fixture.store, NOW_MS, &sum), 0);
    assert_int_equal(sum.messages, 4);
    assert_int_equal(sum.legs, 4);
    assert_int_equal(sum.held, 1);
    assert_int_equal(sum.set_aside, 0);
    assert_int_equal(sum.in_delivery, 1);
    assert_int_equal(sum.bytes, 4 * strlen("Subject: hello\r\n\r\nHello.\r\n"));
    assert_true(sum.oldest_ms == NOW_MS - HOUR);
    assert_int_equal(store_queue_summary(fixture.store, NOW_MS + HOUR, &sum), 0);
    assert_int_equal(sum.in_delivery, 0);
}

STORE_TEST(what_is_held_waits_until_it_is_released)
{
    add_three();
    struct store_filter filter = everything();
    filter.destination = STR("b.test");
    assert_int_equal(change(store_queue_hold, filter), 2);
    assert_int_equal(change(store_queue_hold, filter), 0);
    assert_int_equal(claim_all("one").count, 1);
    filter = everything();
    filter.state = STORE_HELD;
    assert_int_equal(list(filter).count, 2);
    assert_int_equal(release_all(everything()), 2);
    assert_int_equal(claim_all("one").count, 2);
}

STORE_TEST(what_waits_for_later_can_be_made_due)
{
    add("a", "ben@a.test");
    struct store_leg leg = claim_all("one").legs[0];
    leg.next_ms = NOW_MS + HOUR;
    assert_int_equal(store_queue_retry(fixture.store, STR("one"), &leg, NULL, NULL), 0);
    assert_int_equal(claim_all("one").count, 0);
    struct store_filter filter = everything();
    uint64_t count = 0;
    assert_int_equal(store_queue_make_due(fixture.store, &filter, NOW_MS, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(claim_all("one").count, 1);
}

/* Its host's lease is alive on the clock of the day, by which administrators' commands go. */
STORE_TEST(what_is_being_sent_is_left_alone)
{
    add("a", "ben@a.test");
    assert_int_equal(store_lease_renew(fixture.store, STR("one"), NOW_MS, UINT64_MAX), 0);
    struct store_leg leg = claim_with((struct store_claim){.owner = STR("one")}).legs[0];
    assert_int_equal(change(store_queue_hold, everything()), 0);
    assert_int_equal(change(store_queue_drop, everything()), 0);
    assert_int_equal(store_queue_end(fixture.store, STR("one"), leg.id, NULL, NULL), 0);
}

STORE_TEST(what_is_dropped_is_gone)
{
    add_three();
    struct store_filter filter = everything();
    filter.message_id = STR("a");
    assert_int_equal(change(store_queue_drop, filter), 1);
    struct store_message message;
    assert_int_equal(store_queue_read(fixture.store, STR("a"), fixture.arena, &message),
                     -ENOENT);
    assert_int_equal(change(store_queue_drop, everything()), 2);
    assert_int_equal(list(everything()).count, 0);
}

STORE_TEST(a_change_reaches_more_legs_than_a_transaction_takes)
{
    struct str content = STR("x");
    struct store_message message = {.id = STR("a"), .parts = &content, .part_count = 1};
    static struct store_leg legs[2500];
    for (size_t i = 0; i < 2500; i++)
        legs[i] = leg_to("ben@a.test");
    assert_int_equal(store_queue_add(fixture.store, &message, legs, 2500), 0);
    assert_int_equal(change(store_queue_hold, everything()), 2500);
    assert_int_equal(change(store_queue_drop, everything()), 2500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(a_filter_finds_what_fits_all_of_it),
        store_test(a_list_is_given_in_pages),
        store_test(a_list_says_who_is_sending),
        store_test(the_summary_counts),
        store_test(what_is_held_waits_until_it_is_released),
        store_test(what_waits_for_later_can_be_made_due),
        store_test(what_is_being_sent_is_left_alone),
        store_test(what_is_dropped_is_gone),
        store_test(a_change_reaches_more_legs_than_a_transaction_takes),
    };
    return RUN_CONTRACT("administration", tests);
}

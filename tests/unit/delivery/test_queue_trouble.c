/* The queue beside other hosts, with a store that fails, and at its end; over a store in memory. */
#include "test.h"

#include "delivery/fake_store.h"
#include "delivery/queue_fixture.h"

static struct store fake_store;

static int run_body(void *arg)
{
    fixture.store = &fake_store;
    fake_store_open(fixture.store);
    (*(void (**)(void))arg)();
    if (fixture.queue)
        close_queue();
    assert_int_equal(fixture.world.active, 0);
    fake_store_close(fixture.store);
    return 0;
}

#define TEST(name) TEST_IN_TASK(run_body, name)

static void open_it(void)
{
    fixture.queue = open_queue("host1");
}

/* Puts a leg into the store as another host's. */
static struct store_leg *put_held(const char *owner, uint64_t alive_for_ms)
{
    struct store_message message = message_from("from@src.test");
    struct store_leg leg = leg_to("to@dest.test");
    fake_add(fixture.store, &message, &leg, 1);
    fake_owner(fixture.store, str_of(owner))->until_ms = unix_now_ms() + alive_for_ms;
    struct store_leg *put = fake_leg(fixture.store, fixture.store->leg_count);
    put->owner = fake_owner(fixture.store, str_of(owner))->name;
    return put;
}

/* --- other hosts --- */

TEST(a_crashed_hosts_mail_is_taken_over_once_its_lease_is_over)
{
    put_held("crashed", 200);
    uint64_t until_ms = fixture.store->owners[0].until_ms;
    open_it();
    wait_for(fixture.seen.delivered == 1);
    assert_true(unix_now_ms() >= until_ms);
}

TEST(two_hosts_share_a_queue_and_deliver_each_leg_once)
{
    open_it();
    struct queue *other = open_queue("host2");
    for (int i = 0; i < 300; i++)
        add("from@src.test", arena_printf(fixture.arena, "to@dest%d.test", i % 30));
    queue_wake(other);
    wait_for(fixture.seen.delivered == 300);
    assert_int_equal(fixture.world.call_count, 300);
    assert_int_equal(fake_left(fixture.store), 0);
    queue_close(other, task_in_ms(WAIT_MS));
}

TEST(what_another_host_has_taken_over_is_noted_and_left_to_it)
{
    open_it();
    fixture.world.is_locked = true;
    add("from@src.test", "to@dest.test");
    wait_for(fixture.world.active == 1);
    fake_leg(fixture.store, 1)->owner = fake_owner(fixture.store, STR("other"))->name;
    fixture.store->owners[1].until_ms = unix_now_ms() + 60000;
    fixture.world.is_locked = false;
    wait_for(fixture.seen.troubled == 1);
    assert_non_null(strstr(fixture.seen.last_trouble, "taken over"));
    assert_int_equal(fixture.seen.delivered, 0);
    assert_int_equal(fake_left(fixture.store), 1);
}

TEST(a_lapsed_lease_is_noticed_and_nothing_is_begun_without_one)
{
    fixture.options.lease_ms = 60;
    open_it();
    wait_for(fixture.store->calls[FAKE_RENEW] >= 2);
    assert_false(queue_is_failing(fixture.queue));
    fixture.store->fails_with[FAKE_RENEW] = -ENOSPC;
    wait_for(fixture.store->owners[0].until_ms < unix_now_ms());
    wait_for(queue_is_failing(fixture.queue));
    add("from@src.test", "to@dest.test");
    task_sleep(20);
    assert_int_equal(fixture.world.call_count, 0);
    fixture.store->fails_with[FAKE_RENEW] = 0;
    wait_for(fixture.seen.delivered == 1);
    assert_true(fixture.seen.troubled >= 2); /* the store's failure, the lapse */
    assert_false(queue_is_failing(fixture.queue));
}

TEST(what_is_with_a_peer_is_not_sent_again_after_a_lapse)
{
    open_it();
    fixture.world.is_locked = true;
    add("from@src.test", "to@dest.test");
    wait_for(fixture.world.active == 1);
    fake_leg(fixture.store, 1)->owner = STR(""); /* freed by another, taken by none */
    queue_wake(fixture.queue);
    wait_for(fake_leg(fixture.store, 1)->owner.length > 0);
    fixture.world.is_locked = false;
    wait_for(fixture.seen.delivered == 1);
    assert_int_equal(fixture.world.call_count, 1);
    assert_int_equal(fake_left(fixture.store), 0);
}

/* --- a store that fails --- */

TEST(what_a_peer_has_taken_is_written_down_until_that_works)
{
    open_it();
    fixture.store->fails_with[FAKE_END] = -ENOSPC;
    add("from@src.test", "to@dest.test");
    wait_for(fixture.store->calls[FAKE_END] >= 2);
    assert_int_equal(fixture.seen.delivered, 0);
    assert_int_equal(fixture.world.call_count, 1);
    assert_true(fixture.seen.troubled >= 1);
    fixture.store->fails_with[FAKE_END] = 0;
    wait_for(fixture.seen.delivered == 1);
    assert_int_equal(fixture.world.call_count, 1);
    assert_int_equal(fake_left(fixture.store), 0);
}

TEST(an_end_that_cannot_be_written_before_the_process_ends_is_told)
{
    open_it();
    fixture.store->fails_with[FAKE_END] = -EIO;
    add("from@src.test", "to@dest.test");
    wait_for(fixture.store->calls[FAKE_END] >= 1);
    queue_close(fixture.queue, task_in_ms(1));
    fixture.queue = NULL;
    assert_non_null(strstr(fixture.seen.last_trouble, "250 2.0.0 taken"));
}

TEST(a_notice_and_the_end_of_its_cause_are_written_together)
{
    open_it();
    fixture.store->fails_with[FAKE_END] = -EIO;
    add("from@src.test", "to@no.test");
    wait_for(fixture.store->calls[FAKE_END] >= 1);
    assert_int_equal(fixture.store->leg_count, 1);
    fixture.store->fails_with[FAKE_END] = 0;
    wait_for(fixture.seen.delivered == 1);
    assert_int_equal(fixture.store->leg_count, 2);
    assert_int_equal(fixture.seen.noticed, 1);
}

TEST(what_is_corrupt_is_set_aside_and_told)
{
    open_it();
    struct store_message message = message_from("from@src.test");
    struct store_leg leg = leg_to("to@dest.test");
    fake_add(fixture.store, &message, &leg, 1);
    fixture.store->fails_with[FAKE_READ] = -EBADMSG;
    queue_wake(fixture.queue);
    wait_for(fixture.seen.troubled == 1);
    assert_non_null(strstr(fixture.seen.last_trouble, "corrupt"));
    fixture.store->legs[0].is_gone = true;
    fixture.store->fails_with[FAKE_READ] = 0;
    add("from@src.test", "to@dest.test");
    wait_for(fixture.seen.delivered == 1);
}

TEST(what_cannot_be_read_is_tried_later)
{
    open_it();
    fixture.store->fails_with[FAKE_READ] = -EIO;
    add("from@src.test", "to@dest.test");
    wait_for(fixture.seen.troubled >= 2);
    assert_int_equal(fake_leg(fixture.store, 1)->attempts, 0);
    fixture.store->fails_with[FAKE_READ] = 0;
    wait_for(fixture.seen.delivered == 1);
}

TEST(a_claim_that_fails_is_made_again)
{
    open_it();
    fixture.store->fails_with[FAKE_CLAIM] = -EBUSY;
    add("from@src.test", "to@dest.test");
    wait_for(fixture.store->calls[FAKE_CLAIM] >= 2);
    fixture.store->fails_with[FAKE_CLAIM] = 0;
    wait_for(fixture.seen.delivered == 1);
}

TEST(a_malformed_envelope_is_a_fault_of_ours)
{
    open_it();
    add("from@src.test", "t o@dest.test");
    wait_for(fixture.seen.deferred >= 1);
    assert_string_equal(fixture.seen.last_reply,
                        "451 4.3.5 an address of the queued envelope is malformed");
}

/* --- the end --- */

TEST(closing_waits_for_what_is_in_delivery_and_begins_nothing)
{
    open_it();
    fixture.world.is_locked = true;
    for (int i = 0; i < 20; i++)
        add("from@src.test", "to@dest.test");
    wait_for(fixture.world.active == 5);
    fixture.world.is_locked = false;
    close_queue();
    assert_int_equal(fixture.seen.delivered, fixture.world.call_count);
    assert_int_equal(fake_left(fixture.store), 20 - fixture.seen.delivered);
    assert_true(fixture.seen.delivered < 20);
    for (uint64_t id = 1; id <= 20; id++)
        assert_int_equal(fake_leg(fixture.store, id)->attempts, 0);
}

TEST(what_takes_too_long_is_cut_without_counting_an_attempt)
{
    open_it();
    fixture.world.is_locked = true;
    for (int i = 0; i < 5; i++)
        add("from@src.test", "to@dest.test");
    wait_for(fixture.world.active == 5);
    queue_close(fixture.queue, task_in_ms(20));
    fixture.queue = NULL;
    assert_int_equal(fixture.world.cancelled, 5);
    assert_int_equal(fixture.seen.deferred, 0);
    for (uint64_t id = 1; id <= 5; id++) {
        assert_int_equal(fake_leg(fixture.store, id)->attempts, 0);
        assert_int_equal(fake_leg(fixture.store, id)->owner.length, 0);
    }
}

TEST(closing_at_once_is_possible)
{
    open_it();
    close_queue();
    assert_true(fixture.store->releases >= 1);
}

TEST(closing_amid_a_claim_gives_back_what_was_claimed)
{
    for (int round = 0; round < 20; round++) {
        open_it();
        add("from@src.test", "to@down.test");
        task_sleep((uint64_t)round % 7);
        close_queue();
        for (uint64_t id = 1; id <= fixture.store->leg_count; id++)
            assert_int_equal(fake_leg(fixture.store, id)->owner.length, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        queue_test(a_crashed_hosts_mail_is_taken_over_once_its_lease_is_over),
        queue_test(two_hosts_share_a_queue_and_deliver_each_leg_once),
        queue_test(what_another_host_has_taken_over_is_noted_and_left_to_it),
        queue_test(a_lapsed_lease_is_noticed_and_nothing_is_begun_without_one),
        queue_test(what_is_with_a_peer_is_not_sent_again_after_a_lapse),
        queue_test(what_a_peer_has_taken_is_written_down_until_that_works),
        queue_test(an_end_that_cannot_be_written_before_the_process_ends_is_told),
        queue_test(a_notice_and_the_end_of_its_cause_are_written_together),
        queue_test(what_is_corrupt_is_set_aside_and_told),
        queue_test(what_cannot_be_read_is_tried_later),
        queue_test(a_claim_that_fails_is_made_again),
        queue_test(a_malformed_envelope_is_a_fault_of_ours),
        queue_test(closing_waits_for_what_is_in_delivery_and_begins_nothing),
        queue_test(what_takes_too_long_is_cut_without_counting_an_attempt),
        queue_test(closing_at_once_is_possible),
        queue_test(closing_amid_a_claim_gives_back_what_was_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

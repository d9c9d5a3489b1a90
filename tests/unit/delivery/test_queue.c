/* The queue's transitions, over a store in memory. */
#include "test.h"

#include "delivery/fake_store.h"
#include "delivery/queue_fixture.h"

static struct store fake_store;

/* Runs a test's body as a task, with a store and an open queue. */
static int run_body(void *arg)
{
    fixture.store = &fake_store;
    fake_store_open(fixture.store);
    fixture.queue = open_queue("host1");
    (*(void (**)(void))arg)();
    if (fixture.queue)
        close_queue();
    assert_int_equal(fixture.world.active, 0);
    fake_store_close(fixture.store);
    return 0;
}

#define TEST(name) TEST_IN_TASK(run_body, name)

/* As it would be if it had been added so long ago. */
static struct store_leg *add_old(const char *sender, const char *recipient, uint64_t age_ms,
                                 uint32_t attempts)
{
    struct store_message message = message_from(sender);
    struct store_leg leg = leg_to(recipient);
    message.created_ms -= age_ms;
    leg.attempts = attempts;
    fake_add(fixture.store, &message, &leg, 1);
    queue_wake(fixture.queue);
    return fake_leg(fixture.store, fixture.store->leg_count);
}

/* --- outcomes --- */

TEST(what_is_delivered_ends)
{
    add("from@src.test", "to@dest.test");
    wait_for(fixture.seen.delivered == 1);
    assert_int_equal(fake_left(fixture.store), 0);
    assert_int_equal(fixture.seen.noticed, 0);
    assert_int_equal(queue_status(fixture.queue).active, 0);
}

TEST(what_is_refused_for_now_is_tried_again)
{
    add("from@src.test", "to@full.test");
    wait_for(fixture.seen.deferred >= 3);
    const struct store_leg *leg = fake_leg(fixture.store, 1);
    assert_true(leg->attempts >= 2);
    assert_string_equal(fixture.seen.last_reply, "452 4.2.2 mailbox full");
    fixture.world.is_back = true;
    wait_for(fixture.seen.delivered == 1);
    assert_int_equal(fixture.seen.failed, 0);
    assert_int_equal(fake_left(fixture.store), 0);
}

TEST(what_is_refused_for_good_ends_and_its_sender_is_told)
{
    add("from@src.test", "to@no.test");
    wait_for(fixture.seen.delivered == 1); /* the notice */
    assert_int_equal(fixture.seen.failed, 1);
    assert_int_equal(fixture.seen.noticed, 1);
    assert_int_equal(fixture.seen.last_action, NOTICE_FAILED);
    assert_int_equal(calls_to("src.test"), 1);
    assert_int_equal(fake_left(fixture.store), 0);
}

TEST(nobody_is_told_when_there_is_nobody_to_tell)
{
    struct store_message message = message_from("from@src.test");
    struct store_leg leg = leg_to("to@no.test");
    message.return_path = STR("");
    assert_int_equal(queue_add(fixture.queue, &message, &leg, 1), 0);
    wait_for(fixture.seen.failed == 1);
    assert_int_equal(fixture.seen.noticed, 0);
    assert_int_equal(fake_left(fixture.store), 0);
}

TEST(a_notice_that_is_refused_ends_silently)
{
    add("from@no.src.test", "to@no.test");
    wait_for(fixture.seen.failed == 2);
    assert_int_equal(fixture.seen.noticed, 1);
    assert_int_equal(fake_left(fixture.store), 0);
}

TEST(what_is_too_old_is_tried_once_more_and_given_up)
{
    add_old("from@src.test", "to@full.test", 60001, 3);
    wait_for(fixture.seen.delivered == 1); /* the notice */
    assert_int_equal(calls_to("full.test"), 1);
    assert_int_equal(fixture.seen.failed, 1);
    const struct store_message *notice = fixture.store->legs[1].message;
    assert_true(str_find(notice->parts[0], STR("Status: 4.4.7")) >= 0);
    assert_true(str_find(notice->parts[0], STR("452 4.2.2 mailbox full")) >= 0);
}

TEST(a_notice_lives_half_as_long)
{
    struct store_message message = message_from("");
    struct store_leg leg = leg_to("to@full.test");
    message.created_ms -= 30001;
    assert_int_equal(queue_add(fixture.queue, &message, &leg, 1), 0);
    add_old("from@src.test", "to@full.test", 30001, 0);
    wait_for(fixture.seen.failed == 1 && fixture.seen.deferred >= 1);
    assert_int_equal(fixture.seen.noticed, 0);
}

TEST(the_last_attempt_is_when_its_lifetime_ends)
{
    fixture.options.first_retry_ms = fixture.options.retry_max_ms = 60000;
    static const struct notice_options notices = {.host_name = "gw.test"};
    queue_reconfigure(fixture.queue, &fixture.options, &notices);
    const struct store_leg *leg = add_old("from@src.test", "to@full.test", 60000 - 5000, 0);
    uint64_t created_ms = leg->created_ms;
    wait_for(fixture.seen.deferred == 1);
    assert_int_equal(leg->next_ms, created_ms + 60000);
}

/* --- notices that are no failures --- */

static void allow_delay_notices(uint64_t after_ms)
{
    static const struct notice_options notices = {.host_name = "gw.test"};
    fixture.options.delay_notice_ms = after_ms;
    queue_reconfigure(fixture.queue, &fixture.options, &notices);
}

TEST(a_delay_is_told_once)
{
    allow_delay_notices(1000);
    const struct store_leg *leg = add_old("from@src.test", "to@full.test", 1001, 0);
    wait_for(leg->attempts >= 4);
    assert_int_equal(fixture.seen.noticed, 1);
    assert_int_equal(fixture.seen.last_action, NOTICE_DELAYED);
    assert_true(leg->is_delay_told);
}

TEST(success_is_told_when_the_peer_does_not)
{
    struct store_message message = message_from("from@src.test");
    struct store_leg leg = leg_to("to@dest.test");
    leg.notify = DSN_NOTIFY_SUCCESS;
    assert_int_equal(queue_add(fixture.queue, &message, &leg, 1), 0);
    wait_for(fixture.seen.delivered == 2);
    assert_int_equal(fixture.seen.noticed, 1);
    assert_int_equal(fixture.seen.last_action, NOTICE_RELAYED);
}

TEST(success_is_left_to_the_peer_that_knows_DSN)
{
    fixture.world.peers_have_dsn = true;
    struct store_message message = message_from("from@src.test");
    struct store_leg leg = leg_to("to@dest.test");
    leg.notify = DSN_NOTIFY_SUCCESS;
    assert_int_equal(queue_add(fixture.queue, &message, &leg, 1), 0);
    wait_for(fixture.seen.delivered == 1);
    assert_int_equal(fake_left(fixture.store), 0);
    assert_int_equal(fixture.seen.noticed, 0);
}

/* --- back-off --- */

static void the_back_off_doubles_up_to_its_maximum(void **state)
{
    (void)state;
    const struct queue_options options = {.first_retry_ms = 60000,
                                          .retry_max_ms = 4 * 3600 * 1000};
    const uint64_t minutes[] = {1, 1, 2, 4, 8, 16, 32, 64, 128, 240, 240};
    for (uint32_t attempts = 0; attempts < 11; attempts++)
        for (int i = 0; i < 20; i++) {
            uint64_t pause_ms = queue_retry_at(&options, attempts, 1000) - 1000;
            assert_in_range(pause_ms, minutes[attempts] * 60000, minutes[attempts] * 75000);
        }
}

static void the_back_off_has_jitter(void **state)
{
    (void)state;
    const struct queue_options options = {.first_retry_ms = 60000, .retry_max_ms = 60000};
    uint64_t first = queue_retry_at(&options, 1, 0), differ = 0;
    for (int i = 0; i < 20; i++)
        differ += queue_retry_at(&options, 1, 0) != first;
    assert_true(differ > 0);
}

TEST(greylists_are_given_their_five_minutes)
{
    static const struct notice_options notices = {.host_name = "gw.test"};
    fixture.options.first_retry_ms = 60000;
    fixture.options.retry_max_ms = 4 * 3600 * 1000;
    fixture.options.lifetime_ms = 5 * 24 * 3600 * 1000;
    queue_reconfigure(fixture.queue, &fixture.options, &notices);
    add("from@src.test", "to@grey.test");
    add("from@src.test", "to@full.test");
    uint64_t now_ms = unix_now_ms();
    wait_for(fixture.seen.deferred == 2);
    assert_true(fake_leg(fixture.store, 1)->next_ms >= now_ms + 5 * 60000);
    assert_true(fake_leg(fixture.store, 2)->next_ms <= now_ms + 2 * 60000);
}

TEST(what_was_tried_in_session_waits_its_first_back_off)
{
    struct store_message message = message_from("from@src.test");
    struct store_leg legs[] = {leg_to("a@dest.test"), leg_to("b@dest.test"),
                               leg_to("c@dest.test")};
    uint64_t now_ms = unix_now_ms();
    legs[0].attempts = 1;
    legs[1].next_ms = now_ms + 55555;
    assert_int_equal(queue_add(fixture.queue, &message, legs, 3), 0);
    assert_true(legs[0].next_ms >= now_ms + 20);
    assert_true(legs[1].next_ms == now_ms + 55555);
    assert_true(legs[2].next_ms <= unix_now_ms());
    wait_for(fixture.seen.delivered == 2);
}

TEST(what_cannot_be_added_is_said_so)
{
    fixture.store->fails_with[FAKE_ADD] = -ENOSPC;
    struct store_message message = message_from("from@src.test");
    struct store_leg leg = leg_to("to@dest.test");
    assert_int_equal(queue_add(fixture.queue, &message, &leg, 1), -ENOSPC);
    assert_int_equal(fixture.seen.troubled, 1);
}

/* --- destinations --- */

TEST(a_dead_destination_is_only_probed)
{
    for (int i = 0; i < 100; i++)
        add("from@src.test", "to@down.test");
    for (int i = 0; i < 100; i++)
        add("from@src.test", i % 2 ? "to@one.test" : "to@two.test");
    wait_for(fixture.seen.delivered == 100);
    wait_for(calls_to("down.test") >= 10);
    /* Alone each would have been tried at least as often as the probes. */
    size_t attempts = 0;
    for (uint64_t id = 1; id <= 100; id++)
        attempts += fake_leg(fixture.store, id)->attempts;
    assert_true(attempts <= calls_to("down.test"));
    assert_int_equal(queue_status(fixture.queue).destinations_waiting <= 1, true);
    fixture.world.is_back = true;
    wait_for(fixture.seen.delivered == 200);
}

/* In turn to so many domains that are down. */
static void add_to_dead(int message_count, int destination_count)
{
    for (int i = 0; i < message_count; i++)
        add("from@src.test",
            arena_printf(fixture.arena, "to@down%d.test", i % destination_count));
}

static void add_to_living(int message_count)
{
    for (int i = 0; i < message_count; i++)
        add("from@src.test", "to@dest.test");
}

TEST(many_dead_destinations_leave_room_for_the_living)
{
    add_to_dead(120, 120);
    add_to_living(50);
    wait_for(fixture.seen.delivered == 50);
    fixture.world.is_back = true;
    wait_for(fixture.seen.delivered == 170);
}

TEST(destinations_that_swallow_their_probes_take_no_room_from_others)
{
    add_to_dead(100, 20);
    wait_for(fixture.world.call_count >= 20);
    fixture.world.is_hole = true;
    wait_for(fixture.world.active == 20); /* their probes */
    add_to_living(50);
    wait_for(fixture.seen.delivered == 50);
    wait_for(queue_status(fixture.queue).active == 20);
    fixture.world.is_hole = false;
    fixture.world.is_back = true;
    wait_for(fixture.seen.delivered == 150);
}

TEST(the_old_at_a_dead_destination_are_given_up_by_its_probe)
{
    for (int i = 0; i < 40; i++)
        add_old("", "to@down.test", 60001, 2);
    wait_for(fixture.seen.failed == 40);
    assert_true(calls_to("down.test") < 20);
    assert_int_equal(fake_left(fixture.store), 0);
}

TEST(none_is_given_up_untried)
{
    for (int i = 0; i < 20; i++)
        add_old("", "to@down.test", 60001, 0);
    wait_for(fixture.seen.failed == 20);
    assert_int_equal(calls_to("down.test"), 20);
}

TEST(delays_are_told_at_a_dead_destination_too)
{
    allow_delay_notices(1000);
    for (int i = 0; i < 10; i++)
        add_old("from@src.test", "to@down.test", 1001, 1);
    wait_for(fixture.seen.noticed == 10);
    wait_for(fixture.seen.delivered == 10);
}

TEST(a_message_that_is_refused_keeps_no_destination_waiting)
{
    for (int i = 0; i < 5; i++)
        add("from@src.test", "to@full.test");
    wait_for(fixture.seen.deferred >= 5);
    for (uint64_t id = 1; id <= 5; id++)
        assert_true(fake_leg(fixture.store, id)->attempts > 0);
    assert_int_equal(queue_status(fixture.queue).destinations_waiting, 0);
}

TEST(a_destination_gets_only_so_many_at_once)
{
    fixture.world.is_locked = true;
    for (int i = 0; i < 20; i++)
        add("from@src.test", "to@dest.test");
    wait_for(fixture.world.active == 5);
    task_sleep(20);
    fixture.world.is_locked = false;
    wait_for(fixture.seen.delivered == 20);
    assert_int_equal(fixture.world.active_max, 5);
}

TEST(a_host_has_only_so_many_in_delivery)
{
    fixture.world.is_locked = true;
    for (int i = 0; i < 80; i++)
        add("from@src.test", arena_printf(fixture.arena, "to@dest%d.test", i));
    wait_for(fixture.world.active == 50);
    task_sleep(20);
    fixture.world.is_locked = false;
    wait_for(fixture.seen.delivered == 80);
    assert_int_equal(fixture.world.active_max, 50);
}

TEST(memory_for_messages_is_bounded)
{
    for (int i = 0; i < 6; i++) {
        struct store_message message = message_from("from@src.test");
        struct store_leg leg = leg_to("to@dest.test");
        leg.bytes = (uint64_t)100 * 1024 * 1024;
        fake_add(fixture.store, &message, &leg, 1);
    }
    queue_wake(fixture.queue);
    wait_for(fixture.seen.delivered == 6);
    assert_int_equal(fixture.world.active_max, 2);
}

/* --- limits of rate --- */

TEST(a_destination_out_of_rate_waits_without_an_attempt)
{
    static const struct notice_options notices = {.host_name = "gw.test"};
    fixture.options.rate_per_destination = 6000; /* 100 a second, 600 at once */
    queue_reconfigure(fixture.queue, &fixture.options, &notices);
    fixture.options.rate_per_destination = 600; /* 10 a second, 60 at once */
    queue_reconfigure(fixture.queue, &fixture.options, &notices);
    for (int i = 0; i < 65; i++)
        add("from@src.test", "to@dest.test");
    add("from@src.test", "to@other.test");
    wait_for(fixture.seen.delivered == 66);
    assert_int_equal(calls_to("dest.test"), 65);
    assert_int_equal(fixture.seen.deferred, 0);
}

TEST(a_host_out_of_rate_counts_no_attempt)
{
    add("from@src.test", "to@slow.test");
    wait_for(calls_to("slow.test") >= 3);
    assert_int_equal(fixture.seen.deferred, 0);
    assert_int_equal(fake_leg(fixture.store, 1)->attempts, 0);
    fixture.world.is_back = true;
    wait_for(fixture.seen.delivered == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        queue_test(what_is_delivered_ends),
        queue_test(what_is_refused_for_now_is_tried_again),
        queue_test(what_is_refused_for_good_ends_and_its_sender_is_told),
        queue_test(nobody_is_told_when_there_is_nobody_to_tell),
        queue_test(a_notice_that_is_refused_ends_silently),
        queue_test(what_is_too_old_is_tried_once_more_and_given_up),
        queue_test(a_notice_lives_half_as_long),
        queue_test(the_last_attempt_is_when_its_lifetime_ends),
        queue_test(a_delay_is_told_once),
        queue_test(success_is_told_when_the_peer_does_not),
        queue_test(success_is_left_to_the_peer_that_knows_DSN),
        cmocka_unit_test(the_back_off_doubles_up_to_its_maximum),
        cmocka_unit_test(the_back_off_has_jitter),
        queue_test(greylists_are_given_their_five_minutes),
        queue_test(what_was_tried_in_session_waits_its_first_back_off),
        queue_test(what_cannot_be_added_is_said_so),
        queue_test(a_dead_destination_is_only_probed),
        queue_test(many_dead_destinations_leave_room_for_the_living),
        queue_test(destinations_that_swallow_their_probes_take_no_room_from_others),
        queue_test(the_old_at_a_dead_destination_are_given_up_by_its_probe),
        queue_test(none_is_given_up_untried),
        queue_test(delays_are_told_at_a_dead_destination_too),
        queue_test(a_message_that_is_refused_keeps_no_destination_waiting),
        queue_test(a_destination_gets_only_so_many_at_once),
        queue_test(a_host_has_only_so_many_in_delivery),
        queue_test(memory_for_messages_is_bounded),
        queue_test(a_destination_out_of_rate_waits_without_an_attempt),
        queue_test(a_host_out_of_rate_counts_no_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

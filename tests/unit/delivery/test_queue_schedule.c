/* Which destinations may be asked: the schedule alone, without a queue. */
#include "test.h"

#include "delivery/queue_schedule.h"

static const struct schedule_backoff backoff = {20, 1000};
static const struct schedule_backoff long_backoff = {20000, 60000};

static struct {
    struct schedule *schedule;
    struct arena *arena;
    struct schedule_destination *destination;
} fixture;

static int run_body(void *arg)
{
    fixture.schedule = schedule_new();
    fixture.arena = arena_new();
    fixture.destination = schedule_enter(fixture.schedule, STR("dest.test"));
    (*(void (**)(void))arg)();
    schedule_leave(fixture.schedule, fixture.destination);
    schedule_free(fixture.schedule);
    arena_free(fixture.arena);
    return 0;
}

#define TEST(name) TEST_IN_TASK(run_body, name)

static struct schedule_ticket go(void)
{
    struct schedule_ticket ticket;
    assert_int_equal(schedule_begin(fixture.destination, false, &ticket), SCHEDULE_GO);
    return ticket;
}

static void end_dead(const struct schedule_ticket *ticket, struct schedule_backoff how)
{
    const struct delivery_result result = {
        .status = DELIVERY_TEMPORARY,
        .reply = reply_make(451, "4.4.1", "no connection"),
        .peer = STR(""),
    };
    schedule_end(ticket, SCHEDULE_DEAD, &result, how);
}

static void end_with(const struct schedule_ticket *ticket, enum schedule_news news,
                     struct schedule_backoff how)
{
    const struct delivery_result result = {.status = DELIVERY_OK, .peer = STR("")};
    schedule_end(ticket, news, &result, how);
}

static uint64_t down_for_ms(void)
{
    struct delivery_result result;
    uint64_t until_ms;
    schedule_outcome(fixture.destination, fixture.arena, &result, &until_ms);
    return until_ms - task_now_ms();
}

static enum schedule_turn turn(void)
{
    struct schedule_ticket ticket;
    return schedule_begin(fixture.destination, false, &ticket);
}

static size_t closed_count(void)
{
    struct str *names;
    size_t count;
    uint64_t until_ms;
    schedule_closed(fixture.schedule, fixture.arena, &names, &count, &until_ms);
    return count;
}

TEST(a_failure_is_shared_until_its_time_is_over)
{
    struct schedule_ticket ticket = go();
    end_dead(&ticket, long_backoff);
    assert_int_equal(turn(), SCHEDULE_SHARE);
    assert_in_range(down_for_ms(), 19000, 20000);
    struct delivery_result result;
    uint64_t until_ms;
    schedule_outcome(fixture.destination, fixture.arena, &result, &until_ms);
    assert_int_equal(result.reply.code, 451);
    assert_int_equal(schedule_waiting_count(fixture.schedule), 1);
}

TEST(failures_that_were_under_way_together_count_once)
{
    struct schedule_ticket first = go(), second = go(), third = go();
    end_dead(&first, long_backoff);
    end_dead(&second, long_backoff);
    end_dead(&third, long_backoff);
    assert_in_range(down_for_ms(), 19000, 20000);
}

TEST(a_failure_beside_a_success_counts_for_nothing)
{
    struct schedule_ticket first = go(), second = go();
    end_with(&first, SCHEDULE_ALIVE, long_backoff);
    end_dead(&second, long_backoff);
    assert_int_equal(turn(), SCHEDULE_GO);
}

TEST(a_late_success_opens_the_destination)
{
    struct schedule_ticket first = go(), second = go();
    end_dead(&first, long_backoff);
    end_with(&second, SCHEDULE_ALIVE, long_backoff);
    assert_int_equal(turn(), SCHEDULE_GO);
}

TEST(the_time_doubles_with_each_probe_up_to_its_maximum)
{
    const struct schedule_backoff short_then_long = {1, 100000};
    struct schedule_ticket ticket = go();
    end_dead(&ticket, short_then_long);
    for (uint64_t expected_ms = 2; expected_ms <= 16; expected_ms *= 2) {
        task_sleep(down_for_ms() + 1);
        ticket = go();
        assert_true(ticket.is_probe);
        end_dead(&ticket, short_then_long);
        assert_true(down_for_ms() <= expected_ms);
    }
    task_sleep(down_for_ms() + 1);
    ticket = go();
    end_dead(&ticket, (struct schedule_backoff){20000, 30000});
    assert_in_range(down_for_ms(), 29000, 30000);
}

TEST(others_are_sent_away_until_the_probe_has_ended)
{
    struct schedule_ticket ticket = go();
    end_dead(&ticket, backoff);
    task_sleep(21);
    ticket = go();
    assert_int_equal(turn(), SCHEDULE_LATER);
    assert_int_equal(closed_count(), 1);
    end_dead(&ticket, long_backoff);
    assert_int_equal(turn(), SCHEDULE_SHARE);
}

TEST(others_go_after_the_probes_success)
{
    struct schedule_ticket ticket = go();
    end_dead(&ticket, backoff);
    task_sleep(21);
    ticket = go();
    assert_int_equal(turn(), SCHEDULE_LATER);
    end_with(&ticket, SCHEDULE_ALIVE, backoff);
    assert_int_equal(turn(), SCHEDULE_GO);
    assert_int_equal(turn(), SCHEDULE_GO);
}

TEST(a_probe_that_was_not_made_leaves_it_to_the_next)
{
    struct schedule_ticket ticket = go();
    end_dead(&ticket, backoff);
    task_sleep(21);
    ticket = go();
    end_with(&ticket, SCHEDULE_NO_NEWS, backoff);
    ticket = go();
    assert_true(ticket.is_probe);
    end_with(&ticket, SCHEDULE_ALIVE, backoff);
}

TEST(who_insists_does_not_share)
{
    struct schedule_ticket ticket = go();
    end_dead(&ticket, long_backoff);
    assert_int_equal(schedule_begin(fixture.destination, true, &ticket), SCHEDULE_GO);
    end_dead(&ticket, long_backoff);
    assert_in_range(down_for_ms(), 39000, 40000);
}

/* A leg of its own, since the fixture's stands for those in delivery. */
TEST(it_is_closed_once_all_that_is_due_has_learnt)
{
    struct schedule_destination *down = schedule_enter(fixture.schedule, STR("down.test"));
    struct schedule_ticket ticket;
    assert_int_equal(schedule_begin(down, false, &ticket), SCHEDULE_GO);
    end_dead(&ticket, long_backoff);
    assert_int_equal(closed_count(), 0);
    schedule_swept(fixture.schedule); /* the claim has brought a leg for it */
    assert_int_equal(closed_count(), 0);
    schedule_leave(fixture.schedule, down);
    schedule_swept(fixture.schedule);
    assert_int_equal(closed_count(), 1);
}

TEST(a_destination_out_of_rate_is_closed_for_so_long)
{
    schedule_hold_back(fixture.destination, task_in_ms(20));
    assert_int_equal(closed_count(), 1);
    task_sleep(21);
    assert_int_equal(closed_count(), 0);
}

TEST(what_is_open_is_forgotten)
{
    for (int i = 0; i < 1000; i++) {
        struct schedule_destination *other =
            schedule_enter(fixture.schedule, str_of(arena_printf(fixture.arena, "%d", i)));
        if (i % 2)
            schedule_hold_back(other, task_in_ms(1));
        schedule_leave(fixture.schedule, other);
    }
    task_sleep(3);
    for (int i = 0; i < 500; i++)
        closed_count();
    struct str *names;
    size_t count;
    uint64_t until_ms;
    schedule_closed(fixture.schedule, fixture.arena, &names, &count, &until_ms);
    assert_int_equal(count, 0);
    assert_true(until_ms == TASK_FOREVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(a_failure_is_shared_until_its_time_is_over),
        loop_test(failures_that_were_under_way_together_count_once),
        loop_test(a_failure_beside_a_success_counts_for_nothing),
        loop_test(a_late_success_opens_the_destination),
        loop_test(the_time_doubles_with_each_probe_up_to_its_maximum),
        loop_test(others_are_sent_away_until_the_probe_has_ended),
        loop_test(others_go_after_the_probes_success),
        loop_test(a_probe_that_was_not_made_leaves_it_to_the_next),
        loop_test(who_insists_does_not_share),
        loop_test(it_is_closed_once_all_that_is_due_has_learnt),
        loop_test(a_destination_out_of_rate_is_closed_for_so_long),
        loop_test(what_is_open_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What schedule.h promises. */
#include "store/fixture.h"
#include "store/schedule.h"

#define MINUTE ((uint64_t)60000)
#define DAILY  "0 7 * * *"

static struct store_schedule line_named(const char *cron)
{
    return (struct store_schedule){.worker = STR("digest"), .cron = str_of(cron)};
}

/* With the lines `cron` and `other` (may be NULL); up to when the first is decided about. */
static uint64_t begin_two(struct store *store, const char *cron, const char *other,
                          uint64_t now_ms)
{
    struct store_schedule lines[] = {line_named(cron), line_named(other ? other : "")};
    assert_int_equal(store_schedule_begin(store, lines, other ? 2 : 1, now_ms), 0);
    return lines[0].decided_ms;
}

static uint64_t begin(const char *cron, uint64_t now_ms)
{
    return begin_two(fixture.store, cron, NULL, now_ms);
}

static struct store_schedule_claim claim_of(uint64_t due_ms)
{
    return (struct store_schedule_claim){.worker = STR("digest"),
                                         .cron = STR(DAILY),
                                         .due_ms = due_ms,
                                         .now_ms = due_ms,
                                         .until_ms = due_ms + 10 * MINUTE};
}

/* 1: to be run, 0: skipped; or why it is not ours. */
static int claim_at(struct store *store, uint64_t due_ms)
{
    struct store_schedule_claim claim = claim_of(due_ms);
    int result = store_schedule_claim(store, &claim);
    return result < 0 ? result : !claim.is_running;
}

static int claim(uint64_t due_ms)
{
    return claim_at(fixture.store, due_ms);
}

static int end(uint64_t due_ms)
{
    struct store_schedule run = line_named(DAILY);
    run.due_ms = due_ms;
    run.ended_ms = due_ms + 5000;
    run.outcome = STR("ok");
    return store_schedule_end(fixture.store, &run);
}

static struct store_schedule read_line(void)
{
    struct store_schedule line = line_named(DAILY);
    assert_int_equal(store_schedule_read(fixture.store, &line, 1, fixture.arena), 0);
    return line;
}

STORE_TEST(a_new_line_begins_now)
{
    assert_int_equal(begin(DAILY, NOW_MS), NOW_MS);
    assert_int_equal(begin(DAILY, NOW_MS + HOUR), NOW_MS);
    reopen();
    assert_int_equal(begin(DAILY, NOW_MS + 2 * HOUR), NOW_MS);
}

STORE_TEST(each_time_is_one_hosts)
{
    struct store *other = open_another();
    begin(DAILY, NOW_MS);
    begin_two(other, DAILY, NULL, NOW_MS);
    assert_int_equal(claim_at(other, NOW_MS + MINUTE), 1);
    assert_int_equal(claim(NOW_MS + MINUTE), -EEXIST);
    assert_int_equal(claim_at(other, NOW_MS + MINUTE), -EEXIST);
    assert_int_equal(claim(NOW_MS), -EEXIST);
    assert_int_equal(begin(DAILY, NOW_MS + HOUR), NOW_MS + MINUTE);
    store_close(other);
}

STORE_TEST(lines_are_told_apart_by_worker_and_text)
{
    begin(DAILY, NOW_MS);
    assert_int_equal(claim(NOW_MS + MINUTE), 1);
    struct store_schedule_claim other = claim_of(NOW_MS + MINUTE);
    other.worker = STR("other");
    assert_int_equal(store_schedule_claim(fixture.store, &other), 0);
    other.cron = STR("0 8 * * *");
    assert_int_equal(store_schedule_claim(fixture.store, &other), 0);
    assert_int_equal(store_schedule_claim(fixture.store, &other), -EEXIST);
}

STORE_TEST(a_time_is_skipped_while_the_run_before_goes_on)
{
    begin(DAILY, NOW_MS);
    assert_int_equal(claim(NOW_MS), -EEXIST);
    assert_int_equal(claim(NOW_MS + MINUTE), 1);
    assert_int_equal(claim(NOW_MS + 2 * MINUTE), 0);
    assert_int_equal(claim(NOW_MS + 2 * MINUTE), -EEXIST);
    assert_int_equal(end(NOW_MS + MINUTE), 0);
    assert_int_equal(claim(NOW_MS + 2 * MINUTE), -EEXIST);
    assert_int_equal(claim(NOW_MS + 3 * MINUTE), 1);
}

STORE_TEST(a_run_whose_host_died_is_over_in_time)
{
    begin(DAILY, NOW_MS);
    assert_int_equal(claim(NOW_MS + MINUTE), 1);
    reopen();
    assert_int_equal(claim(NOW_MS + 10 * MINUTE), 0);
    assert_int_equal(claim(NOW_MS + 11 * MINUTE), 1);
    assert_int_equal(end(NOW_MS + MINUTE), -ESTALE);
    assert_int_equal(read_line().until_ms, NOW_MS + 21 * MINUTE);
    assert_int_equal(end(NOW_MS + 11 * MINUTE), 0);
    assert_int_equal(end(NOW_MS + 11 * MINUTE), -ESTALE);
}

STORE_TEST(what_came_of_the_last_run_is_known)
{
    assert_int_equal(read_line().decided_ms, 0);
    begin(DAILY, NOW_MS);
    assert_int_equal(read_line().due_ms, 0);
    claim(NOW_MS + MINUTE);
    struct store_schedule line = read_line();
    assert_int_equal(line.due_ms, NOW_MS + MINUTE);
    assert_int_equal(line.started_ms, NOW_MS + MINUTE);
    assert_int_equal(line.until_ms, NOW_MS + 11 * MINUTE);
    assert_int_equal(line.outcome.length, 0);
    end(NOW_MS + MINUTE);
    reopen();
    line = read_line();
    assert_int_equal(line.until_ms, 0);
    assert_int_equal(line.ended_ms, NOW_MS + MINUTE + 5000);
    assert_str(line.outcome, "ok");
}

STORE_TEST(a_line_that_comes_back_begins_anew)
{
    begin(DAILY, NOW_MS);
    claim(NOW_MS + MINUTE);
    begin("0 8 * * *", NOW_MS + HOUR);
    assert_int_equal(begin_two(fixture.store, DAILY, "0 8 * * *", NOW_MS + 2 * HOUR),
                     NOW_MS + 2 * HOUR);
    assert_int_equal(read_line().due_ms, NOW_MS + MINUTE);
    begin("0 8 * * *", NOW_MS + 3 * HOUR);
    begin("0 8 * * *", NOW_MS + 50 * HOUR);
    assert_int_equal(read_line().decided_ms, 0);
}

/* A host with older files begins while others go on. */
STORE_TEST(a_line_that_another_does_not_know_is_still_decided_about_once)
{
    begin(DAILY, NOW_MS);
    assert_int_equal(claim(NOW_MS + MINUTE), 1);
    begin("0 8 * * *", NOW_MS + MINUTE);
    assert_int_equal(claim(NOW_MS + MINUTE), -EEXIST);
    assert_int_equal(begin(DAILY, NOW_MS), NOW_MS + MINUTE);
}

STORE_TEST(a_clock_that_was_ahead_stops_nothing)
{
    begin(DAILY, NOW_MS);
    assert_int_equal(claim(NOW_MS + 9000 * HOUR), 1);
    assert_int_equal(begin(DAILY, NOW_MS + HOUR), NOW_MS + HOUR);
    assert_int_equal(claim(NOW_MS + 2 * HOUR), 1);
    assert_int_equal(claim(NOW_MS + 2 * HOUR), -EEXIST);
    assert_int_equal(begin(DAILY, NOW_MS + 3 * HOUR), NOW_MS + 2 * HOUR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(a_new_line_begins_now),
        store_test(each_time_is_one_hosts),
        store_test(lines_are_told_apart_by_worker_and_text),
        store_test(a_time_is_skipped_while_the_run_before_goes_on),
        store_test(a_run_whose_host_died_is_over_in_time),
        store_test(what_came_of_the_last_run_is_known),
        store_test(a_line_that_comes_back_begins_anew),
        store_test(a_line_that_another_does_not_know_is_still_decided_about_once),
        store_test(a_clock_that_was_ahead_stops_nothing),
    };
    return RUN_CONTRACT("schedule", tests);
}

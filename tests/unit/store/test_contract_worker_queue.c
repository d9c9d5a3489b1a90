/* What worker_queue.h promises. */
#include "store/fixture.h"
#include "store/worker_queue.h"

#define JOBS   STR("jobs")
#define FAILED STR("failed")
#define LEASE  20000
#define DAY    (24 * HOUR)

static struct {
    struct store_worker_message *messages;
    size_t count;
} taken;

static int send_due(const char *body, uint64_t due_ms)
{
    const struct store_worker_message message = {.id = str_of(body),
                                                 .sent_ms = NOW_MS,
                                                 .due_ms = due_ms,
                                                 .expires_ms = NOW_MS + DAY,
                                                 .body = str_of(body)};
    const struct store_worker_send sent = {.queue = JOBS,
                                           .messages = &message,
                                           .count = 1,
                                           .messages_max = 5,
                                           .bytes_max = 100};
    return store_worker_queue_send(fixture.store, &sent);
}

static void sent(const char *body)
{
    assert_int_equal(send_due(body, NOW_MS), 0);
}

static struct store_worker_claim claim_by(const char *owner, uint64_t now_ms)
{
    return (struct store_worker_claim){
        .what = {.queue = JOBS, .messages_max = 2, .wait_ms = 1000},
        .owner = str_of(owner),
        .now_ms = now_ms,
        .until_ms = now_ms + LEASE,
        .bytes_max = 100,
        .batches_max = 2};
}

/* The bodies of the batch with a blank behind each. */
static const char *claimed(const struct store_worker_claim *claim)
{
    assert_int_equal(store_worker_queue_claim(fixture.store, claim, fixture.arena,
                                              &taken.messages, &taken.count),
                     0);
    const char *text = "";
    for (size_t i = 0; i < taken.count; i++)
        text =
            arena_printf(fixture.arena, "%s%.*s ", text, STR_ARG(taken.messages[i].body));
    return text;
}

static const char *claim_at(const char *owner, uint64_t now_ms)
{
    const struct store_worker_claim claim = claim_by(owner, now_ms);
    return claimed(&claim);
}

/* Of the messages that were taken last; whether the first was another's. */
static bool settle(const char *owner, enum store_worker_fate fate, uint64_t due_ms,
                   struct str dead_letter_queue)
{
    struct store_worker_settling settlings[8] = {{0}};
    for (size_t i = 0; i < taken.count; i++)
        settlings[i] =
            (struct store_worker_settling){taken.messages[i].number, fate, due_ms, false};
    struct store_worker_settle what = {.owner = str_of(owner),
                                       .settlings = settlings,
                                       .count = taken.count,
                                       .dead_letter_queue = dead_letter_queue,
                                       .now_ms = NOW_MS + 5000,
                                       .dead_expires_ms = NOW_MS + DAY};
    assert_int_equal(store_worker_queue_settle(fixture.store, &what), 0);
    return settlings[0].is_stale;
}

/* "jobs 3/1" for 3 messages of which one is held, with a blank behind each queue. */
static const char *sums(void)
{
    struct store_worker_queue *queues;
    size_t count;
    const char *text = "";
    assert_int_equal(store_worker_queue_list(fixture.store, fixture.arena, &queues, &count),
                     0);
    for (size_t i = 0; i < count; i++)
        text = arena_printf(fixture.arena, "%s%.*s %d/%d ", text, STR_ARG(queues[i].name),
                            (int)queues[i].messages, (int)queues[i].held);
    return text;
}

static uint64_t ready_at(bool *is_owner_dead, uint64_t now_ms)
{
    struct store_worker_look look = {.queue = JOBS, .messages_max = 2, .wait_ms = 1000};
    assert_int_equal(
        store_worker_queue_look(fixture.store, &look, 1, now_ms, is_owner_dead), 0);
    return look.ready_ms;
}

STORE_TEST(a_batch_is_ready_when_it_is_full_or_has_waited)
{
    bool is_dead;
    assert_true(ready_at(&is_dead, NOW_MS) == UINT64_MAX);
    assert_int_equal(send_due("one", NOW_MS + 500), 0);
    assert_int_equal(ready_at(&is_dead, NOW_MS), NOW_MS + 1500);
    assert_string_equal(claim_at("a", NOW_MS + 1499), "");
    sent("two");
    assert_int_equal(ready_at(&is_dead, NOW_MS), NOW_MS + 500);
    assert_string_equal(claim_at("a", NOW_MS + 499), "");
    assert_string_equal(claim_at("a", NOW_MS + 500), "two one ");
    assert_true(ready_at(&is_dead, NOW_MS) == UINT64_MAX);
    assert_false(is_dead);
}

STORE_TEST(what_is_taken_is_nobody_elses)
{
    sent("one"), sent("two"), sent("three");
    assert_string_equal(claim_at("a", NOW_MS + 1000), "one two ");
    assert_int_equal(taken.messages[0].attempts, 1);
    assert_string_equal(claim_at("b", NOW_MS + 1000), "three ");
    assert_string_equal(claim_at("b", NOW_MS + 1000), "");
    assert_string_equal(sums(), "jobs 3/3 ");
}

STORE_TEST(only_so_many_batches_are_taken_at_once)
{
    struct store_worker_claim claim = claim_by("a", NOW_MS + 1000);
    claim.batches_max = 1;
    sent("one"), sent("two"), sent("three");
    assert_string_equal(claimed(&claim), "one two ");
    claim.owner = STR("b");
    assert_string_equal(claimed(&claim), "");
}

STORE_TEST(a_batch_has_only_so_many_bytes_but_one_message_at_least)
{
    struct store_worker_claim claim = claim_by("a", NOW_MS + 1000);
    claim.bytes_max = 2;
    sent("one"), sent("two");
    assert_string_equal(claimed(&claim), "one ");
    assert_string_equal(claimed(&claim), "two ");
}

STORE_TEST(what_is_done_is_gone)
{
    sent("one"), sent("two");
    claim_at("a", NOW_MS + 1000);
    assert_false(settle("a", STORE_WORKER_DONE, 0, STR("")));
    assert_string_equal(sums(), "jobs 0/0 ");
}

STORE_TEST(what_is_to_be_tried_again_comes_back_when_it_is_due)
{
    sent("one");
    claim_at("a", NOW_MS + 1000);
    settle("a", STORE_WORKER_AGAIN, NOW_MS + 9000, STR(""));
    assert_string_equal(claim_at("b", NOW_MS + 9999), "");
    assert_string_equal(claim_at("b", NOW_MS + 10000), "one ");
    assert_int_equal(taken.messages[0].attempts, 2);
    settle("b", STORE_WORKER_UNTRIED, NOW_MS + 9000, STR(""));
    assert_string_equal(claim_at("c", NOW_MS + 10000), "one ");
    assert_int_equal(taken.messages[0].attempts, 2);
}

STORE_TEST(what_is_given_up_begins_anew_in_the_dead_letter_queue)
{
    sent("one"), sent("two");
    claim_at("a", NOW_MS + 1000);
    settle("a", STORE_WORKER_DEAD, 0, FAILED);
    assert_string_equal(sums(), "failed 2/0 jobs 0/0 ");
    struct store_worker_claim claim = claim_by("a", NOW_MS + 9000);
    claim.what.queue = FAILED;
    assert_string_equal(claimed(&claim), "one two ");
    assert_int_equal(taken.messages[0].attempts, 1);
    assert_str(taken.messages[0].origin, "jobs");
    assert_str(taken.messages[0].id, "one");
    settle("a", STORE_WORKER_DEAD, 0, STR(""));
    assert_string_equal(sums(), "failed 0/0 jobs 0/0 ");
}

STORE_TEST(messages_of_an_owner_that_is_gone_are_anybodys)
{
    bool is_dead;
    sent("one");
    claim_at("a", NOW_MS + 1000);
    assert_int_equal(store_worker_queue_renew(fixture.store, STR("a"), NOW_MS + 60000), 0);
    assert_string_equal(claim_at("b", NOW_MS + 59999), "");
    ready_at(&is_dead, NOW_MS + 59999);
    assert_false(is_dead);
    ready_at(&is_dead, NOW_MS + 60000);
    assert_true(is_dead);
    assert_string_equal(claim_at("b", NOW_MS + 60000), "one ");
    assert_int_equal(taken.messages[0].attempts, 2);
    assert_true(settle("a", STORE_WORKER_DONE, 0, STR("")));
    assert_string_equal(sums(), "jobs 1/1 ");
    assert_false(settle("b", STORE_WORKER_DONE, 0, STR("")));
}

STORE_TEST(what_a_late_owner_says_of_what_nobody_took_still_counts)
{
    sent("one");
    claim_at("a", NOW_MS + 1000);
    assert_int_equal(store_worker_queue_release(fixture.store, STR("a")), 0);
    assert_false(settle("a", STORE_WORKER_DONE, 0, STR("")));
    assert_string_equal(sums(), "jobs 0/0 ");
}

STORE_TEST(a_released_owners_messages_come_back)
{
    sent("one");
    claim_at("a", NOW_MS + 1000);
    assert_int_equal(store_worker_queue_release(fixture.store, STR("a")), 0);
    assert_int_equal(store_worker_queue_release(fixture.store, STR("nobody")), 0);
    assert_string_equal(claim_at("b", NOW_MS + 1000), "one ");
}

STORE_TEST(a_full_queue_takes_nothing_and_loses_nothing)
{
    for (int i = 0; i < 5; i++)
        sent("x");
    assert_int_equal(send_due("y", NOW_MS), -EDQUOT);
    claim_at("a", NOW_MS + 1000);
    assert_int_equal(send_due("y", NOW_MS), -EDQUOT);
    settle("a", STORE_WORKER_DONE, 0, STR(""));
    char long_one[99];
    memset(long_one, 'l', sizeof long_one - 1);
    long_one[sizeof long_one - 1] = '\0';
    assert_int_equal(send_due(long_one, NOW_MS), -EDQUOT);
    sent("y");
    assert_string_equal(sums(), "jobs 4/0 ");
}

STORE_TEST(what_nobody_has_handled_in_time_is_dropped_but_not_out_of_a_batch)
{
    struct store_worker_queue *expired;
    size_t count;
    sent("one"), sent("two"), sent("three");
    claim_at("a", NOW_MS + 1000);
    assert_int_equal(store_worker_queue_expire(fixture.store, NOW_MS + DAY - 1,
                                               fixture.arena, &expired, &count),
                     0);
    assert_int_equal(count, 0);
    assert_int_equal(store_worker_queue_expire(fixture.store, NOW_MS + DAY, fixture.arena,
                                               &expired, &count),
                     0);
    assert_int_equal(count, 1);
    assert_str(expired[0].name, "jobs");
    assert_int_equal(expired[0].messages, 1);
    assert_string_equal(sums(), "jobs 2/2 ");
}

STORE_TEST(administrators_see_messages_and_purge_what_is_free)
{
    uint64_t count;
    struct store_worker_listing listing = {.queue = JOBS, .limit = 2, .with_bodies = true};
    sent("one"), sent("two"), sent("three");
    claim_at("a", NOW_MS + 1000);
    assert_int_equal(store_worker_queue_messages(fixture.store, &listing, fixture.arena),
                     0);
    assert_int_equal(listing.count, 2);
    assert_str(listing.messages[1].body, "two");
    assert_true(listing.messages[1].is_held);
    listing.after = listing.messages[1].number;
    assert_int_equal(store_worker_queue_messages(fixture.store, &listing, fixture.arena),
                     0);
    assert_int_equal(listing.count, 1);
    assert_false(listing.messages[0].is_held);
    assert_int_equal(store_worker_queue_purge(fixture.store, JOBS, &count), 0);
    assert_int_equal(count, 1);
    assert_string_equal(sums(), "jobs 2/2 ");
}

STORE_TEST(it_outlives_a_stop)
{
    sent("one"), sent("two"), sent("three");
    claim_at("a", NOW_MS + 1000);
    reopen();
    assert_string_equal(sums(), "jobs 3/2 ");
    assert_string_equal(claim_at("b", NOW_MS + 1000), "three ");
}

/* In the middle of its file. */
static void overwrite(const char *name)
{
    char path[128], noise[8192];
    memset(noise, 0xa5, sizeof noise);
    snprintf(path, sizeof path, "%s/%s", fixture.directory, name);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, 8192, SEEK_SET);
    assert_int_equal(fwrite(noise, 1, sizeof noise, file), sizeof noise);
    fclose(file);
}

STORE_TEST(a_corrupt_database_is_set_aside_and_the_sums_are_those_of_what_could_be_read)
{
    sent("one"), sent("two"), sent("three");
    claim_at("a", NOW_MS + 1000);
    store_close(fixture.store);
    overwrite("queues.db");
    fixture.store = open_another();
    assert_non_null(fixture.store);
    assert_int_equal(fixture.report_count, 1);
    assert_non_null(strstr(fixture.report, "was corrupt and was set aside"));
    uint64_t there = 0;
    struct store_worker_listing listing = {.queue = JOBS, .limit = 9};
    struct store_worker_queue *queues;
    size_t count;
    assert_int_equal(store_worker_queue_messages(fixture.store, &listing, fixture.arena),
                     0);
    assert_int_equal(store_worker_queue_list(fixture.store, fixture.arena, &queues, &count),
                     0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(queues[i].held, 0);
        there += queues[i].messages;
    }
    assert_int_equal(there, listing.count);
    sent("four");
    assert_string_not_equal(claim_at("b", NOW_MS + 1000), "");
}

static const struct CMUnitTest tests[] = {
    store_test(a_batch_is_ready_when_it_is_full_or_has_waited),
    store_test(what_is_taken_is_nobody_elses),
    store_test(only_so_many_batches_are_taken_at_once),
    store_test(a_batch_has_only_so_many_bytes_but_one_message_at_least),
    store_test(what_is_done_is_gone),
    store_test(what_is_to_be_tried_again_comes_back_when_it_is_due),
    store_test(what_is_given_up_begins_anew_in_the_dead_letter_queue),
    store_test(messages_of_an_owner_that_is_gone_are_anybodys),
    store_test(what_a_late_owner_says_of_what_nobody_took_still_counts),
    store_test(a_released_owners_messages_come_back),
    store_test(a_full_queue_takes_nothing_and_loses_nothing),
    store_test(what_nobody_has_handled_in_time_is_dropped_but_not_out_of_a_batch),
    store_test(administrators_see_messages_and_purge_what_is_free),
    store_test(it_outlives_a_stop),
    store_test(
        a_corrupt_database_is_set_aside_and_the_sums_are_those_of_what_could_be_read),
};

int main(void)
{
    return RUN_CONTRACT("queues between workers", tests);
}

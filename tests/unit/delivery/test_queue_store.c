/* The queue over the store it has in service: what only both together can promise. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#include "delivery/queue_fixture.h"

static char directory[64];
static struct {
    char *order; /* the destinations in the order in which they were asked, a letter each */
    size_t length;
} asked;

static struct store *open_store(void)
{
    const struct store_options options = {.directory = directory,
                                          .body_inline_bytes = 4096};
    struct err err = {0};
    struct store *store = store_open(&options, &err);
    assert_string_equal(err.text, "");
    return store;
}

static int remove_one(const char *path, const struct stat *status, int type,
                      struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static void remove_directory(void)
{
    assert_int_equal(nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static int run_body(void *arg)
{
    strcpy(directory, "/tmp/postern-queue-XXXXXX");
    assert_non_null(mkdtemp(directory));
    fixture.store = open_store();
    (*(void (**)(void))arg)();
    if (fixture.queue)
        close_queue();
    store_close(fixture.store);
    remove_directory();
    return 0;
}

#define TEST(name) TEST_IN_TASK(run_body, name)

static struct store_queue_sum sum_up(void)
{
    struct store_queue_sum sum;
    assert_int_equal(store_queue_summary(fixture.store, unix_now_ms(), &sum), 0);
    return sum;
}

/* Messages of one second each, the last one the youngest; before the queue is opened. */
static void put(const char *recipient, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct store_message message = message_from("from@src.test");
        struct store_leg leg = leg_to(recipient);
        message.created_ms -= 1000 * (count - i);
        leg.next_ms = message.created_ms;
        assert_int_equal(store_queue_add(fixture.store, &message, &leg, 1), 0);
    }
}

static void note_order(void *arg, const struct store_message *message,
                       const struct store_leg *leg, const struct delivery_result *result,
                       bool is_final)
{
    (void)arg;
    (void)message;
    (void)result;
    (void)is_final;
    asked.order[asked.length++] = leg->destination.at[0];
    assert_true(asked.length < 1000);
}

TEST(destinations_take_turns_however_much_waits_for_one)
{
    char order[1000] = "";
    asked.order = order;
    asked.length = 0;
    put("to@busy.test", 100);
    put("to@calm.test", 5);
    static const struct notice_options notices = {.host_name = "gw.test"};
    static const struct queue_observer observer = {.attempted = note_order};
    fixture.options.active_max = 2;
    fixture.queue = queue_open(&fixture.options, &notices, &observer, fixture.store,
                               fixture.delivery, STR("host1"));
    wait_for(asked.length == 105);
    size_t last_calm = 0;
    for (size_t i = 0; i < asked.length; i++)
        if (order[i] == 'c')
            last_calm = i;
    assert_true(last_calm < 20);
}

static uint64_t previous_ms;
static size_t inversions, noted;

static void note_age(void *arg, const struct store_message *message,
                     const struct store_leg *leg, const struct delivery_result *result,
                     bool is_final)
{
    (void)arg;
    (void)leg;
    (void)result;
    (void)is_final;
    inversions += noted > 0 && message->created_ms > previous_ms;
    previous_ms = message->created_ms;
    noted++;
}

TEST(the_youngest_goes_first)
{
    put("to@dest.test", 50);
    static const struct notice_options notices = {.host_name = "gw.test"};
    static const struct queue_observer observer = {.attempted = note_age};
    inversions = noted = 0;
    fixture.options.active_max = 1;
    fixture.queue = queue_open(&fixture.options, &notices, &observer, fixture.store,
                               fixture.delivery, STR("host1"));
    wait_for(noted == 50);
    assert_int_equal(inversions, 0);
}

TEST(thousands_pass_through_two_hosts_and_each_arrives_once)
{
    fixture.options.active_max = 200;
    struct store *other_store = open_store();
    fixture.queue = open_queue("host1");
    struct store *own_store = fixture.store;
    fixture.store = other_store;
    struct queue *other = open_queue("host2");
    fixture.store = own_store;
    for (int i = 0; i < 100; i++) {
        struct store_message message = message_from("from@src.test");
        struct store_leg legs[20];
        for (int j = 0; j < 20; j++)
            legs[j] = leg_to(arena_printf(fixture.arena, "to%d@dest%d.test", i, j));
        assert_int_equal(queue_add(fixture.queue, &message, legs, 20), 0);
    }
    wait_for(fixture.seen.delivered == 2000);
    assert_int_equal(fixture.world.call_count, 2000);
    assert_int_equal(sum_up().messages, 0);
    queue_close(other, task_in_ms(WAIT_MS));
    store_close(other_store);
}

TEST(what_a_dead_host_held_is_taken_over)
{
    put("to@dest.test", 3);
    struct store_claim claim = {
        .owner = STR("dead"), .legs_max = 10, .per_destination_max = 10};
    struct store_leg *legs;
    size_t count;
    claim.now_ms = unix_now_ms();
    assert_int_equal(
        store_lease_renew(fixture.store, claim.owner, claim.now_ms, claim.now_ms + 300), 0);
    assert_int_equal(store_queue_claim(fixture.store, &claim, fixture.arena, &legs, &count),
                     0);
    assert_int_equal(count, 3);
    fixture.queue = open_queue("host1");
    wait_for(fixture.seen.delivered == 3);
    assert_true(unix_now_ms() >= claim.now_ms + 300);
}

TEST(a_notice_and_the_end_of_its_cause_are_one)
{
    fixture.queue = open_queue("host1");
    add("from@down.test", "to@no.test");
    wait_for(fixture.seen.noticed == 1);
    struct store_queue_sum sum = sum_up();
    assert_int_equal(sum.messages, 1); /* the notice, which waits for its destination */
    assert_int_equal(sum.legs, 1);
    fixture.world.is_back = true;
    wait_for(fixture.seen.delivered == 1);
    assert_int_equal(sum_up().messages, 0);
}

TEST(a_dead_destination_is_probed_while_thousands_wait_for_it)
{
    fixture.options.first_retry_ms = 400;
    fixture.options.retry_max_ms = 6400;
    for (int i = 0; i < 20; i++) {
        struct store_message message = message_from("from@src.test");
        struct store_leg legs[100];
        for (int j = 0; j < 100; j++)
            legs[j] = leg_to("to@down.test");
        assert_int_equal(store_queue_add(fixture.store, &message, legs, 100), 0);
    }
    fixture.queue = open_queue("host1");
    for (int i = 0; i < 20; i++)
        add("from@src.test", "to@dest.test");
    wait_for(fixture.seen.delivered == 20);
    wait_for(calls_to("down.test") >= 6);
    assert_true(calls_to("down.test") < 100);
    fixture.world.is_back = true;
    wait_for(fixture.seen.delivered == 2020);
}

TEST(what_is_closed_with_the_queue_is_there_for_the_next_one)
{
    fixture.queue = open_queue("host1");
    fixture.world.is_locked = true;
    add("from@src.test", "to@dest.test");
    wait_for(fixture.world.active == 1);
    queue_close(fixture.queue, task_in_ms(1));
    fixture.world.is_locked = false;
    assert_int_equal(sum_up().in_delivery, 0);
    fixture.queue = open_queue("host2");
    wait_for(fixture.seen.delivered == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        queue_test(destinations_take_turns_however_much_waits_for_one),
        queue_test(the_youngest_goes_first),
        queue_test(thousands_pass_through_two_hosts_and_each_arrives_once),
        queue_test(what_a_dead_host_held_is_taken_over),
        queue_test(a_notice_and_the_end_of_its_cause_are_one),
        queue_test(a_dead_destination_is_probed_while_thousands_wait_for_it),
        queue_test(what_is_closed_with_the_queue_is_there_for_the_next_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

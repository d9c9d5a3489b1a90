/* What store.h promises of the queue's entries. */
#include "store/fixture.h"

STORE_TEST(an_added_message_is_read_as_it_was_given)
{
    struct str parts[] = {STR("Subject: "), {NULL, 0}, STR("x\r\n\r\n\0\xff end")};
    struct store_message given = {.id = STR("0a1"),
                                  .created_ms = NOW_MS,
                                  .reverse_path = STR("SRS0=x@here.test"),
                                  .return_path = STR("anna@there.test"),
                                  .envid = STR("id+1"),
                                  .ret = 2,
                                  .is_8bit = true,
                                  .is_utf8 = true,
                                  .activity_id = STR("act1"),
                                  .parts = parts,
                                  .part_count = 3};
    struct store_leg leg = leg_to("ben@dest.test");
    assert_int_equal(store_queue_add(fixture.store, &given, &leg, 1), 0);
    reopen();
    struct store_message read;
    assert_int_equal(store_queue_read(fixture.store, STR("0a1"), fixture.arena, &read), 0);
    assert_str(read.id, "0a1");
    assert_int_equal(read.created_ms, NOW_MS);
    assert_str(read.reverse_path, "SRS0=x@here.test");
    assert_str(read.return_path, "anna@there.test");
    assert_str(read.envid, "id+1");
    assert_str(read.activity_id, "act1");
    assert_int_equal(read.ret, 2);
    assert_true(read.is_8bit && read.is_utf8);
    assert_int_equal(read.part_count, 1);
    assert_true(str_equal(read.parts[0], STR("Subject: x\r\n\r\n\0\xff end")));
}

STORE_TEST(a_claimed_leg_is_as_it_was_given)
{
    struct str content = STR("12345");
    struct store_message message = {
        .id = STR("a"), .created_ms = NOW_MS - 5, .parts = &content, .part_count = 1};
    struct store_leg given = {.recipient = STR("ben@Dest.test"),
                              .destination = STR("dest.test"),
                              .original = STR("b@here.test"),
                              .orcpt = STR("rfc822;b@here.test"),
                              .notify = 5,
                              .next_ms = NOW_MS,
                              .attempts = 3,
                              .is_delay_told = true,
                              .last_reply = STR("451 later"),
                              .last_peer = STR("mx.dest.test")};
    assert_int_equal(store_queue_add(fixture.store, &message, &given, 1), 0);
    struct claimed claimed = claim_all("one");
    assert_int_equal(claimed.count, 1);
    const struct store_leg *leg = claimed.legs;
    assert_int_not_equal(leg->id, 0);
    assert_str(leg->message_id, "a");
    assert_str(leg->recipient, "ben@Dest.test");
    assert_str(leg->destination, "dest.test");
    assert_str(leg->original, "b@here.test");
    assert_str(leg->orcpt, "rfc822;b@here.test");
    assert_int_equal(leg->notify, 5);
    assert_int_equal(leg->next_ms, NOW_MS);
    assert_int_equal(leg->attempts, 3);
    assert_true(leg->is_delay_told);
    assert_int_equal(leg->state, STORE_WAITING);
    assert_str(leg->last_reply, "451 later");
    assert_str(leg->last_peer, "mx.dest.test");
    assert_int_equal(leg->created_ms, NOW_MS - 5);
    assert_int_equal(leg->bytes, 5);
    assert_str(leg->owner, "one");
}

STORE_TEST(an_unknown_message_is_not_found)
{
    struct store_message message;
    assert_int_equal(store_queue_read(fixture.store, STR("a"), fixture.arena, &message),
                     -ENOENT);
    assert_int_equal(store_queue_read(fixture.store, STR("../a"), fixture.arena, &message),
                     -ENOENT);
}

STORE_TEST(an_id_that_is_taken_or_no_name_is_refused)
{
    add("a", "ben@dest.test");
    assert_int_equal(add_created("a", "ben@dest.test", NOW_MS), -EEXIST);
    assert_int_equal(add_created("", "ben@dest.test", NOW_MS), -EINVAL);
    assert_int_equal(add_created("../a", "ben@dest.test", NOW_MS), -EINVAL);
    assert_int_equal(add_created("A", "ben@dest.test", NOW_MS), -EINVAL);
}

static struct str make_long_content(void)
{
    size_t length = 100000;
    char *memory = arena_alloc(fixture.arena, length);
    for (size_t i = 0; i < length; i++)
        memory[i] = (char)(i * 7);
    return (struct str){memory, length};
}

static int add_long(const char *id)
{
    struct str content = make_long_content();
    struct str parts[] = {str_part(content, 0, 10), str_from(content, 10)};
    struct store_message message = {.id = str_of(id), .parts = parts, .part_count = 2};
    struct store_leg leg = leg_to("ben@dest.test");
    return store_queue_add(fixture.store, &message, &leg, 1);
}

STORE_TEST(a_long_content_is_read_as_it_was_given)
{
    assert_int_equal(add_long("a"), 0);
    reopen();
    struct store_message message;
    assert_int_equal(store_queue_read(fixture.store, STR("a"), fixture.arena, &message), 0);
    assert_true(str_equal(message.parts[0], make_long_content()));
    assert_int_equal(add_long("a"), -EEXIST);
    assert_int_equal(store_queue_read(fixture.store, STR("a"), fixture.arena, &message), 0);
}

STORE_TEST(a_leg_given_back_is_due_again_in_time)
{
    add("a", "ben@dest.test");
    struct store_leg leg = claim_all("one").legs[0];
    leg.next_ms = NOW_MS + 500;
    leg.attempts = 7;
    leg.last_reply = STR("450 4.2.0 later");
    leg.last_peer = STR("mx1");
    leg.is_delay_told = true;
    assert_int_equal(store_queue_retry(fixture.store, STR("one"), &leg, NULL, NULL), 0);
    assert_int_equal(claim_all("one").count, 0);
    struct claimed claimed =
        claim_with((struct store_claim){.owner = STR("one"), .now_ms = NOW_MS + 500});
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.legs[0].attempts, 7);
    assert_str(claimed.legs[0].last_reply, "450 4.2.0 later");
    assert_str(claimed.legs[0].last_peer, "mx1");
    assert_true(claimed.legs[0].is_delay_told);
}

STORE_TEST(the_last_leg_takes_its_message_along)
{
    struct str content = STR("x");
    struct store_message message = {.id = STR("a"), .parts = &content, .part_count = 1};
    struct store_leg legs[] = {leg_to("ben@dest.test"), leg_to("cleo@dest.test")};
    assert_int_equal(store_queue_add(fixture.store, &message, legs, 2), 0);
    struct claimed claimed = claim_all("one");
    assert_int_equal(claimed.count, 2);
    struct store_message read;
    assert_int_equal(
        store_queue_end(fixture.store, STR("one"), claimed.legs[0].id, NULL, NULL), 0);
    assert_int_equal(store_queue_read(fixture.store, STR("a"), fixture.arena, &read), 0);
    assert_int_equal(
        store_queue_end(fixture.store, STR("one"), claimed.legs[1].id, NULL, NULL), 0);
    assert_int_equal(store_queue_read(fixture.store, STR("a"), fixture.arena, &read),
                     -ENOENT);
}

STORE_TEST(what_another_owner_has_by_now_is_stale)
{
    add("a", "ben@dest.test");
    struct store_leg leg = claim_all("one").legs[0];
    assert_int_equal(store_lease_renew(fixture.store, STR("two"), NOW_MS, NOW_MS + HOUR),
                     0);
    struct claimed claimed =
        claim_with((struct store_claim){.owner = STR("two"), .now_ms = NOW_MS + 20000});
    assert_int_equal(claimed.count, 1);
    assert_str(claimed.legs[0].owner, "two");
    assert_int_equal(store_queue_retry(fixture.store, STR("one"), &leg, NULL, NULL),
                     -ESTALE);
    assert_int_equal(store_queue_end(fixture.store, STR("one"), leg.id, NULL, NULL),
                     -ESTALE);
    assert_int_equal(store_queue_end(fixture.store, STR("two"), leg.id, NULL, NULL), 0);
    assert_int_equal(store_queue_end(fixture.store, STR("two"), leg.id, NULL, NULL),
                     -ESTALE);
}

static struct store_message notice_named(const char *id, const struct str *content)
{
    return (struct store_message){
        .id = str_of(id), .created_ms = NOW_MS, .parts = content, .part_count = 1};
}

STORE_TEST(a_notice_is_added_with_the_end_of_its_leg)
{
    add("a", "ben@dest.test");
    struct str content = STR("It failed.");
    struct store_message notice = notice_named("n", &content);
    struct store_leg to = leg_to("anna@there.test");
    struct store_leg leg = claim_all("one").legs[0];
    assert_int_equal(store_queue_end(fixture.store, STR("one"), leg.id, &notice, &to), 0);
    struct claimed claimed = claim_all("one");
    assert_int_equal(claimed.count, 1);
    assert_str(claimed.legs[0].message_id, "n");
    assert_str(claimed.legs[0].recipient, "anna@there.test");
}

STORE_TEST(a_notice_that_cannot_be_added_ends_nothing)
{
    add("a", "ben@dest.test");
    struct str content = STR("It failed.");
    struct store_message notice = notice_named("taken", &content);
    struct store_leg to = leg_to("anna@there.test");
    struct store_leg leg = claim_all("one").legs[0];
    add("taken", "cleo@dest.test");
    assert_int_equal(store_queue_end(fixture.store, STR("one"), leg.id, &notice, &to),
                     -EEXIST);
    assert_int_equal(store_queue_retry(fixture.store, STR("one"), &leg, &notice, &to),
                     -EEXIST);
    assert_int_equal(store_queue_end(fixture.store, STR("one"), leg.id, NULL, NULL), 0);
}

STORE_TEST(a_stale_end_adds_no_notice)
{
    struct str content = STR("It failed.");
    struct store_message notice = notice_named("n", &content);
    struct store_leg to = leg_to("anna@there.test");
    assert_int_equal(store_queue_end(fixture.store, STR("one"), 77, &notice, &to), -ESTALE);
    struct store_message read;
    assert_int_equal(store_queue_read(fixture.store, STR("n"), fixture.arena, &read),
                     -ENOENT);
}

struct adder {
    unsigned number;
};

static int add_ten(void *arg)
{
    const struct adder *adder = arg;
    int failed = 0;
    for (unsigned i = 0; i < 10; i++) {
        char id[32];
        snprintf(id, sizeof id, "m%u", (adder->number * 10 + i) % 150);
        failed += add_created(id, "ben@dest.test", NOW_MS) != 0;
    }
    return failed;
}

STORE_TEST(of_many_tasks_at_once_each_has_its_own_result)
{
    struct adder adders[20];
    struct task_job jobs[20];
    for (unsigned i = 0; i < 20; i++) {
        adders[i].number = i;
        jobs[i] = (struct task_job){.fn = add_ten, .arg = &adders[i]};
    }
    task_gather("add", jobs, 20);
    int failed = 0;
    for (unsigned i = 0; i < 20; i++)
        failed += jobs[i].result;
    assert_int_equal(failed, 50); /* names 0 to 49 come twice */
    renew_lease("one");
    assert_int_equal(claim_with((struct store_claim){.owner = STR("one"),
                                                     .legs_max = 1000,
                                                     .per_destination_max = 1000})
                         .count,
                     150);
}

static int add_while_cancelled(void *arg)
{
    (void)arg;
    task_cancel(task_current());
    return add_created("a", "ben@dest.test", NOW_MS);
}

STORE_TEST(a_cancelled_task_learns_whether_it_was_written)
{
    struct task_job job = {.fn = add_while_cancelled};
    task_gather("add", &job, 1);
    assert_int_equal(job.result, 0);
    assert_int_equal(claim_all("one").count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(an_added_message_is_read_as_it_was_given),
        store_test(a_claimed_leg_is_as_it_was_given),
        store_test(an_unknown_message_is_not_found),
        store_test(an_id_that_is_taken_or_no_name_is_refused),
        store_test(a_long_content_is_read_as_it_was_given),
        store_test(a_leg_given_back_is_due_again_in_time),
        store_test(the_last_leg_takes_its_message_along),
        store_test(what_another_owner_has_by_now_is_stale),
        store_test(a_notice_is_added_with_the_end_of_its_leg),
        store_test(a_notice_that_cannot_be_added_ends_nothing),
        store_test(a_stale_end_adds_no_notice),
        store_test(of_many_tasks_at_once_each_has_its_own_result),
        store_test(a_cancelled_task_learns_whether_it_was_written),
    };
    return RUN_CONTRACT("queue", tests);
}

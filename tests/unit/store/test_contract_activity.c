/* What store.h promises of the activity log. */
#include "store/fixture.h"

static void add_row(const char *message_id, const char *status, uint64_t time_ms)
{
    struct store_activity activity = {.message_id = str_of(message_id),
                                      .recipient = STR("ben@here.test"),
                                      .time_ms = time_ms,
                                      .from = STR("Anna@there.test"),
                                      .subject = STR("100% \xff sure_"),
                                      .header_message_id = STR("<1@there.test>"),
                                      .client = STR("192.0.2.1"),
                                      .helo = STR("there.test"),
                                      .bytes = 5000,
                                      .spf = STR("pass"),
                                      .dkim = STR("fail"),
                                      .dmarc = STR("pass"),
                                      .arc = STR("none"),
                                      .spam_score = 1.5,
                                      .rule = STR("Everyone"),
                                      .worker = STR("support"),
                                      .worker_version = STR("abc"),
                                      .worker_outcome = STR("ok"),
                                      .action = STR("forward"),
                                      .status = str_of(status),
                                      .reply = STR("250 2.0.0 ok"),
                                      .actions = STR("[{}]"),
                                      .trail = STR("[]")};
    store_activity_add(fixture.store, &activity);
}

static struct store_activity_row *list(struct store_activity_filter filter, size_t expected)
{
    struct store_activity_row *rows;
    size_t count;
    if (filter.limit == 0)
        filter.limit = 100;
    assert_int_equal(
        store_activity_list(fixture.store, &filter, fixture.arena, &rows, &count), 0);
    assert_int_equal(count, expected);
    return rows;
}

static struct store_activity_filter any(void)
{
    return (struct store_activity_filter){0};
}

STORE_TEST(a_row_is_read_as_it_was_given)
{
    add_row("m1", "forwarded", NOW_MS);
    reopen(); /* writes what waits */
    struct store_activity *row = &list(any(), 1)->activity;
    assert_str(row->message_id, "m1");
    assert_str(row->recipient, "ben@here.test");
    assert_true(row->time_ms == NOW_MS);
    assert_str(row->from, "Anna@there.test");
    assert_str(row->subject, "100% \xff sure_");
    assert_str(row->header_message_id, "<1@there.test>");
    assert_str(row->client, "192.0.2.1");
    assert_str(row->helo, "there.test");
    assert_int_equal(row->bytes, 5000);
    assert_str(row->spf, "pass");
    assert_str(row->dkim, "fail");
    assert_str(row->dmarc, "pass");
    assert_str(row->arc, "none");
    assert_true(row->spam_score == 1.5);
    assert_str(row->rule, "Everyone");
    assert_str(row->worker, "support");
    assert_str(row->worker_version, "abc");
    assert_str(row->worker_outcome, "ok");
    assert_str(row->action, "forward");
    assert_str(row->status, "forwarded");
    assert_str(row->reply, "250 2.0.0 ok");
    assert_str(row->actions, "[{}]");
    assert_str(row->trail, "[]");
}

STORE_TEST(a_row_is_written_soon)
{
    add_row("m1", "forwarded", NOW_MS);
    list(any(), 0);
    for (int i = 0; i < 100; i++) {
        struct store_activity_row *rows;
        size_t count;
        struct store_activity_filter filter = {.limit = 1};
        task_sleep(50);
        assert_int_equal(
            store_activity_list(fixture.store, &filter, fixture.arena, &rows, &count), 0);
        if (count)
            return;
    }
    fail();
}

static void add_attempt(const char *message_id, uint64_t time_ms, const char *reply)
{
    struct store_attempt attempt = {.message_id = str_of(message_id),
                                    .recipient = STR("ben@here.test"),
                                    .time_ms = time_ms,
                                    .destination = STR("dest.test"),
                                    .peer = STR("mx.dest.test"),
                                    .tls = STR("TLSv1.3"),
                                    .reply = str_of(reply),
                                    .failure_class = STR("soft"),
                                    .status = STR("deferred"),
                                    .duration_ms = 42};
    store_activity_attempt(fixture.store, &attempt);
}

STORE_TEST(attempts_are_with_their_row_whichever_came_first)
{
    add_attempt("m1", NOW_MS + 2, "451 second");
    add_row("m1", "queued", NOW_MS);
    add_attempt("m1", NOW_MS + 1, "450 first");
    add_attempt("m2", NOW_MS + 1, "450 of another");
    reopen();
    struct store_activity_row *row = list(any(), 1);
    assert_int_equal(row->attempt_count, 2);
    assert_str(row->attempts[0].reply, "450 first");
    assert_str(row->attempts[1].reply, "451 second");
    assert_str(row->attempts[0].destination, "dest.test");
    assert_str(row->attempts[0].peer, "mx.dest.test");
    assert_str(row->attempts[0].tls, "TLSv1.3");
    assert_str(row->attempts[0].failure_class, "soft");
    assert_str(row->attempts[0].status, "deferred");
    assert_int_equal(row->attempts[0].duration_ms, 42);
}

static void end(const char *message_id, const char *status)
{
    store_activity_status(fixture.store, str_of(message_id), STR("ben@here.test"),
                          str_of(status));
}

STORE_TEST(a_row_is_forwarded_only_when_all_its_legs_are)
{
    add_row("m1", "queued", NOW_MS);
    end("m1", "forwarded");
    add_row("m2", "queued", NOW_MS + 1);
    end("m2", "deliveryFailed");
    end("m2", "forwarded");
    add_row("m3", "queued", NOW_MS + 2);
    end("m3", "forwarded");
    end("m3", "deliveryFailed");
    reopen();
    struct store_activity_row *rows = list(any(), 3);
    assert_str(rows[0].activity.status, "forwarded");
    assert_str(rows[1].activity.status, "deliveryFailed");
    assert_str(rows[2].activity.status, "deliveryFailed");
}

STORE_TEST(a_status_may_come_before_its_row)
{
    end("m1", "forwarded");
    reopen();
    list(any(), 0);
    add_row("m1", "queued", NOW_MS);
    reopen();
    assert_str(list(any(), 1)->activity.status, "forwarded");
    assert_str(list(any(), 1)->activity.from, "Anna@there.test");
}

static void attempt_at(const char *destination, const char *status, uint64_t time_ms)
{
    store_activity_attempt(fixture.store,
                           &(struct store_attempt){.message_id = STR("m1"),
                                                   .recipient = STR("ben@here.test"),
                                                   .time_ms = time_ms,
                                                   .destination = str_of(destination),
                                                   .status = str_of(status)});
}

STORE_TEST(a_row_waits_for_each_destination_that_said_later)
{
    add_row("m1", "queued", NOW_MS);
    attempt_at("a@dest.test", "deferred", NOW_MS + 1);
    attempt_at("b@dest.test", "deferred", NOW_MS + 2);
    attempt_at("a@dest.test", "delivered", NOW_MS + 3);
    end("m1", "forwarded");
    reopen();
    assert_str(list(any(), 1)->activity.status, "queued");
    attempt_at("b@dest.test", "delivered", NOW_MS + 4);
    end("m1", "forwarded");
    reopen();
    assert_str(list(any(), 1)->activity.status, "forwarded");
}

/* Only what waits can end: a worker's reply that is delivered later is no end of the message. */
STORE_TEST(a_row_that_has_ended_stays_so)
{
    add_row("m1", "handled", NOW_MS);
    end("m1", "forwarded");
    end("m1", "deliveryFailed");
    reopen();
    assert_str(list(any(), 1)->activity.status, "handled");
}

STORE_TEST(a_row_given_again_takes_the_place_of_the_first)
{
    add_row("m1", "error", NOW_MS);
    add_row("m1", "forwarded", NOW_MS);
    reopen();
    assert_str(list(any(), 1)->activity.status, "forwarded");
}

STORE_TEST(a_filter_finds_what_fits)
{
    add_row("m1", "forwarded", NOW_MS);
    add_row("m2", "rejected", NOW_MS + 10);
    add_row("m3", "forwarded", NOW_MS + 20);
    reopen();
    uint64_t second = list(any(), 3)[1].row;
    list((struct store_activity_filter){.message_id = STR("m2")}, 1);
    list((struct store_activity_filter){.status = STR("forwarded")}, 2);
    list((struct store_activity_filter){.recipient = STR("ben@here.test")}, 3);
    list((struct store_activity_filter){.from = STR("anna@there.test")}, 0);
    list((struct store_activity_filter){.from = STR("Anna@there.test")}, 3);
    list((struct store_activity_filter){.rule = STR("Everyone")}, 3);
    list((struct store_activity_filter){.worker = STR("other")}, 0);
    list((struct store_activity_filter){.since_ms = NOW_MS + 10}, 2);
    list((struct store_activity_filter){.until_ms = NOW_MS + 10}, 1);
    list((struct store_activity_filter){.after_row = second}, 1);
    struct store_activity_row *rows = list((struct store_activity_filter){.limit = 2}, 2);
    assert_str(rows[0].activity.message_id, "m2");
    assert_str(rows[1].activity.message_id, "m3");
}

STORE_TEST(a_text_is_looked_for_as_it_is)
{
    add_row("m1", "forwarded", NOW_MS);
    reopen();
    list((struct store_activity_filter){.text = STR("anna@THERE")}, 1);
    list((struct store_activity_filter){.text = STR("100% ")}, 1);
    list((struct store_activity_filter){.text = STR("sure_")}, 1);
    list((struct store_activity_filter){.text = STR("0_%")}, 0);
    list((struct store_activity_filter){.text = STR("\\")}, 0);
}

STORE_TEST(old_rows_are_purged)
{
    for (unsigned i = 0; i < 1200; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%u", i);
        add_row(id, "forwarded", NOW_MS + i);
        add_attempt(id, NOW_MS + i, "450 x");
    }
    reopen();
    assert_int_equal(store_activity_purge(fixture.store, NOW_MS + 1199), 0);
    struct store_activity_row *rows = list(any(), 1);
    assert_str(rows->activity.message_id, "m1199");
    assert_int_equal(rows->attempt_count, 1);
}

STORE_TEST(long_texts_are_cut)
{
    static char subject[5000], trail[100000];
    memset(subject, 'x', sizeof subject);
    memcpy(subject + 998, "\xe2\x82\xac", 3); /* a character across the cut */
    memset(trail, ' ', sizeof trail);
    struct store_activity activity = {.message_id = STR("m1"),
                                      .recipient = STR("ben@here.test"),
                                      .subject = {subject, sizeof subject},
                                      .trail = {trail, sizeof trail},
                                      .status = STR("forwarded")};
    store_activity_add(fixture.store, &activity);
    reopen();
    struct store_activity_row *row = list(any(), 1);
    assert_int_equal(row->activity.subject.length, 998);
    assert_int_equal(row->activity.trail.length, 0);
}

STORE_TEST(what_is_too_much_is_dropped_and_told)
{
    for (unsigned i = 0; i < 10005; i++)
        add_row("m", "forwarded", NOW_MS);
    reopen();
    assert_int_equal(fixture.report_count, 1);
    assert_non_null(strstr(fixture.report, "5, since"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(a_row_is_read_as_it_was_given),
        store_test(a_row_is_written_soon),
        store_test(attempts_are_with_their_row_whichever_came_first),
        store_test(a_row_is_forwarded_only_when_all_its_legs_are),
        store_test(a_row_waits_for_each_destination_that_said_later),
        store_test(a_row_that_has_ended_stays_so),
        store_test(a_status_may_come_before_its_row),
        store_test(a_row_given_again_takes_the_place_of_the_first),
        store_test(a_filter_finds_what_fits),
        store_test(a_text_is_looked_for_as_it_is),
        store_test(old_rows_are_purged),
        store_test(long_texts_are_cut),
        store_test(what_is_too_much_is_dropped_and_told),
    };
    return RUN_CONTRACT("activity log", tests);
}

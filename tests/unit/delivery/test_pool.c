/* Connections kept between messages. */
#include "delivery/fixture.h"

#define ONE_MESSAGE MAIL_OK, RCPT_OK, DATA_OK, TAKEN

static void send_ok(bool on_kept_connection)
{
    struct delivery_result result = send_plain();
    assert_int_equal(result.status, DELIVERY_OK);
    assert_int_equal(result.used_kept_connection, on_kept_connection);
}

static void send_three(void)
{
    send_ok(false);
    send_ok(true);
    send_ok(true);
    assert_int_equal(fixture.peer.connection_count, 1);
}

static void a_connection_is_used_again(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        GREETING,    EHLO_PIPELINING,      ONE_MESSAGE, ONE_MESSAGE,
        ONE_MESSAGE, {"QUIT", FAKE_CLOSE}, {0}};
    fixture.peer.scripts[0] = script;
    run(send_three);
}

static void send_after_refusal(void)
{
    assert_int_equal(send_plain().status, DELIVERY_PERMANENT);
    send_ok(true);
    assert_int_equal(fixture.peer.connection_count, 1);
}

static void after_a_refusal_the_transaction_is_reset_in_the_same_write(void **state)
{
    (void)state;
    static const struct fake_step script[] = {GREETING,
                                              EHLO_PIPELINING,
                                              MAIL_OK,
                                              {"RCPT", "550 5.1.1 no"},
                                              {"DATA", "503 no"},
                                              {"RSET", "250 ok"},
                                              ONE_MESSAGE,
                                              UNTIL_END,
                                              {0}};
    fixture.peer.scripts[0] = script;
    run(send_after_refusal);
    assert_int_equal(fixture.peer.burst_lines, 4);
}

static void after_a_refusal_a_plain_peer_is_reset_too(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        GREETING,  EHLO_PLAIN, {"MAIL", "550 5.1.8 no"}, {"RSET", "250 ok"}, ONE_MESSAGE,
        UNTIL_END, {0}};
    fixture.peer.scripts[0] = script;
    run(send_after_refusal);
}

static void send_two_on_two(void)
{
    send_ok(false);
    send_ok(false);
    assert_int_equal(fixture.peer.connection_count, 2);
}

static void a_kept_connection_that_was_dead_does_not_count(void **state)
{
    static const struct fake_step scripts[][12] = {
        {GREETING, EHLO_PIPELINING, ONE_MESSAGE, {0}},
        {GREETING, EHLO_PIPELINING, ONE_MESSAGE, {"MAIL", FAKE_CLOSE}},
        {GREETING, EHLO_PIPELINING, ONE_MESSAGE, {NULL, "421 4.4.2 idle for too long"}},
        {GREETING, EHLO_PIPELINING, ONE_MESSAGE, {"MAIL", "421 4.4.2 idle for too long"}},
        {GREETING, EHLO_PLAIN, ONE_MESSAGE, {"MAIL", FAKE_CLOSE}},
    };
    static const struct fake_step fresh[] = {
        GREETING, EHLO_PIPELINING, ONE_MESSAGE, UNTIL_END, {0}};
    size_t count = sizeof scripts / sizeof *scripts;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            assert_int_equal(fixture_reset(state), 0);
        fixture.peer.scripts[0] = scripts[i];
        fixture.peer.scripts[1] = fresh;
        run(send_two_on_two);
        if (i + 1 < count)
            assert_int_equal(test_loop_close(state), 0);
    }
}

static void send_after_refused_reset(void)
{
    assert_int_equal(send_plain().status, DELIVERY_PERMANENT);
    send_ok(false);
}

static void a_peer_that_refuses_rset_gets_a_fresh_connection(void **state)
{
    (void)state;
    static const struct fake_step first[] = {
        GREETING,  EHLO_PLAIN, {"MAIL", "550 5.1.8 no"}, {"RSET", "500 what?"},
        UNTIL_END, {0}};
    static const struct fake_step second[] = {
        GREETING, EHLO_PLAIN, ONE_MESSAGE, UNTIL_END, {0}};
    fixture.peer.scripts[0] = first;
    fixture.peer.scripts[1] = second;
    run(send_after_refused_reset);
}

static void refuse_again_on_fresh(void)
{
    send_ok(false);
    struct delivery_result result = send_plain();
    assert_int_equal(result.status, DELIVERY_TEMPORARY);
    assert_string_equal(result.reply.text, "nobody home");
    assert_int_equal(fixture.peer.connection_count, 2);
}

static void a_fresh_connection_that_fails_counts(void **state)
{
    (void)state;
    static const struct fake_step first[] = {GREETING, EHLO_PLAIN, ONE_MESSAGE, {0}};
    static const struct fake_step second[] = {{NULL, "421 4.3.2 nobody home"}, {0}};
    fixture.peer.scripts[0] = first;
    fixture.peer.scripts[1] = second;
    run(refuse_again_on_fresh);
}

static void a_connection_is_worn_after_its_messages(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        GREETING, EHLO_PIPELINING, ONE_MESSAGE, {"QUIT", FAKE_CLOSE}, {0}};
    fixture.peer.scripts[0] = script;
    fixture.options.messages_per_connection_max = 1;
    run(send_two_on_two);
}

struct seen {
    size_t idle, busy;
};

static void count_connection(struct str peer, bool is_idle, size_t messages, void *arg)
{
    struct seen *seen = arg;
    assert_true(str_starts(peer, STR("127.0.0.1[127.0.0.1]:")));
    assert_true(messages > 0 || !is_idle);
    if (is_idle)
        seen->idle++;
    else
        seen->busy++;
}

static struct seen look(void)
{
    struct seen seen = {0};
    delivery_each_connection(fixture.delivery, count_connection, &seen);
    return seen;
}

static void leave_idle(void)
{
    send_ok(false);
    assert_int_equal(look().idle, 1);
    for (int i = 0; i < 500 && look().idle > 0; i++)
        task_sleep(10);
    assert_int_equal(look().idle, 0);
    send_ok(false);
    assert_int_equal(fixture.peer.connection_count, 2);
}

static void an_idle_connection_is_closed_with_quit(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        GREETING, EHLO_PIPELINING, ONE_MESSAGE, {"QUIT", FAKE_CLOSE}, {0}};
    fixture.peer.scripts[0] = script;
    fixture.options.idle_ms = 20;
    run(leave_idle);
}

static int send_one(void *arg)
{
    (void)arg;
    return send_plain().status == DELIVERY_OK;
}

static void send_ten_at_once(void)
{
    struct task_job jobs[10];
    for (size_t i = 0; i < 10; i++)
        jobs[i] = (struct task_job){send_one, NULL, 0};
    task_gather("sender", jobs, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(jobs[i].result, 1);
    assert_int_equal(look().busy, 0);
    assert_int_equal(look().idle, 2);
}

static void no_more_connections_than_allowed_are_open_at_once(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        GREETING,    EHLO_PIPELINING, ONE_MESSAGE, ONE_MESSAGE, ONE_MESSAGE,
        ONE_MESSAGE, ONE_MESSAGE,     ONE_MESSAGE, ONE_MESSAGE, ONE_MESSAGE,
        ONE_MESSAGE, UNTIL_END,       {0}};
    fixture.peer.scripts[0] = script;
    fixture.options.connections_per_destination_max = 2;
    run(send_ten_at_once);
    assert_int_equal(fixture.peer.connection_count, 2);
}

static void wait_in_vain(void)
{
    struct task_job job = {send_one, NULL, 0};
    struct task *holder = task_start("sender", job.fn, NULL);
    for (int i = 0; i < 500 && look().busy == 0; i++)
        task_sleep(10);
    assert_int_equal(look().busy, 1);
    uint64_t before = task_deadline_set(task_in_ms(20));
    struct delivery_result result = send_plain();
    task_deadline_set(before);
    assert_int_equal(result.status, DELIVERY_TEMPORARY);
    assert_string_equal(result.reply.enhanced, "4.4.5");
    struct task *second = task_start("sender", send_one, NULL);
    struct task *third = task_start("sender", send_one, NULL);
    task_sleep(5);
    task_cancel(second);
    assert_int_equal(task_join(second), 0);
    task_cancel(holder);
    task_join(holder);
    assert_int_equal(task_join(third), 1);
}

static void those_who_wait_for_a_connection_may_give_up(void **state)
{
    (void)state;
    static const struct fake_step first[] = {
        GREETING, EHLO_PLAIN, {"MAIL", FAKE_SILENCE}, {0}};
    static const struct fake_step second[] = {
        GREETING, EHLO_PIPELINING, ONE_MESSAGE, UNTIL_END, {0}};
    fixture.peer.scripts[0] = first;
    fixture.peer.scripts[1] = second;
    fixture.options.connections_per_destination_max = 1;
    run(wait_in_vain);
}

static void change_options(void)
{
    struct err err = {0};
    send_ok(false);
    struct delivery_options options = fixture.options;
    options.ca_file = "/nonexistent";
    assert_true(delivery_reconfigure(fixture.delivery, &options, &err) < 0);
    assert_non_null(strstr(err.text, "/nonexistent"));
    send_ok(true);
    options.ca_file = NULL;
    struct delivery_route away = {STR("*"), STR("127.0.0.1"), 1, DELIVERY_TLS_NONE};
    options.routes = &away;
    assert_int_equal(delivery_reconfigure(fixture.delivery, &options, &err), 0);
    assert_int_equal(send_plain().status, DELIVERY_TEMPORARY);
}

static void new_options_count_from_the_next_message_on(void **state)
{
    (void)state;
    static const struct fake_step script[] = {GREETING,    EHLO_PIPELINING, ONE_MESSAGE,
                                              ONE_MESSAGE, UNTIL_END,       {0}};
    fixture.peer.scripts[0] = script;
    run(change_options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        peer_test(a_connection_is_used_again),
        peer_test(after_a_refusal_the_transaction_is_reset_in_the_same_write),
        peer_test(after_a_refusal_a_plain_peer_is_reset_too),
        peer_test(a_kept_connection_that_was_dead_does_not_count),
        peer_test(a_peer_that_refuses_rset_gets_a_fresh_connection),
        peer_test(a_fresh_connection_that_fails_counts),
        peer_test(a_connection_is_worn_after_its_messages),
        peer_test(an_idle_connection_is_closed_with_quit),
        peer_test(no_more_connections_than_allowed_are_open_at_once),
        peer_test(those_who_wait_for_a_connection_may_give_up),
        peer_test(new_options_count_from_the_next_message_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

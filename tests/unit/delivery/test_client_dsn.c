/* What the sender wants to be told of (RFC 3461), passed on to peers that offer DSN, and to them alone. */
#include "delivery/fixture.h"

#define EHLO_DSN                                                                           \
    {                                                                                      \
        "EHLO gw.test", "250-mx.test\r\n250-PIPELINING\r\n250-SIZE\r\n250 DSN"             \
    }

static const struct dsn_envelope envelope = {DSN_RETURN_HEADERS, {"QQ 1+2", 6}};
static const struct dsn_recipient recipient = {
    DSN_NOTIFY_SUCCESS | DSN_NOTIFY_FAILURE, {"rfc822", 6}, {"anna+tag@first.test", 19}};

static struct delivery_result send_with_dsn(const struct dsn_recipient *to)
{
    return send_as("from@src.test", "to@dest.test",
                   (struct delivery_request){.dsn = &envelope, .dsn_recipient = to});
}

static void expect_all_parameters(void)
{
    struct delivery_result result = send_with_dsn(&recipient);
    assert_int_equal(result.status, DELIVERY_OK);
    assert_true(result.peer_has_dsn);
    assert_heard("EHLO gw.test|MAIL FROM:<from@src.test> SIZE=20 RET=HDRS ENVID=QQ+201+2B2|"
                 "RCPT TO:<to@dest.test> NOTIFY=SUCCESS,FAILURE "
                 "ORCPT=rfc822;anna+2Btag@first.test|DATA|");
}

static void a_peer_with_dsn_is_told_what_the_sender_wants(void **state)
{
    (void)state;
    static const struct fake_step script[] = {GREETING, EHLO_DSN, MAIL_OK,   RCPT_OK,
                                              DATA_OK,  TAKEN,    UNTIL_END, {0}};
    fixture.peer.scripts[0] = script;
    run(expect_all_parameters);
}

static void expect_no_parameters(void)
{
    struct delivery_result result = send_with_dsn(&recipient);
    assert_int_equal(result.status, DELIVERY_OK);
    assert_false(result.peer_has_dsn);
    assert_heard(
        "EHLO gw.test|MAIL FROM:<from@src.test> SIZE=20|RCPT TO:<to@dest.test>|DATA|");
}

static void a_peer_without_dsn_is_told_nothing_of_it(void **state)
{
    (void)state;
    static const struct fake_step script[] = {GREETING, EHLO_PIPELINING, MAIL_OK,   RCPT_OK,
                                              DATA_OK,  TAKEN,           UNTIL_END, {0}};
    fixture.peer.scripts[0] = script;
    run(expect_no_parameters);
}

static void expect_plain_commands(void)
{
    struct delivery_result result = send_plain();
    assert_int_equal(result.status, DELIVERY_OK);
    assert_true(result.peer_has_dsn);
    assert_heard(
        "EHLO gw.test|MAIL FROM:<from@src.test> SIZE=20|RCPT TO:<to@dest.test>|DATA|");
}

static void where_nothing_was_asked_nothing_is_said(void **state)
{
    (void)state;
    static const struct fake_step script[] = {GREETING, EHLO_DSN, MAIL_OK,   RCPT_OK,
                                              DATA_OK,  TAKEN,    UNTIL_END, {0}};
    fixture.peer.scripts[0] = script;
    run(expect_plain_commands);
}

static void send_two(void)
{
    static const struct dsn_recipient never = {.notify = DSN_NOTIFY_NEVER};
    assert_int_equal(send_with_dsn(&never).status, DELIVERY_OK);
    assert_int_equal(send_plain().status, DELIVERY_OK);
    assert_heard("EHLO gw.test|"
                 "MAIL FROM:<from@src.test> SIZE=20 RET=HDRS ENVID=QQ+201+2B2|"
                 "RCPT TO:<to@dest.test> NOTIFY=NEVER|DATA|"
                 "MAIL FROM:<from@src.test> SIZE=20|RCPT TO:<to@dest.test>|DATA|");
}

static void a_kept_connection_forgets_what_the_last_sender_wanted(void **state)
{
    (void)state;
    static const struct fake_step script[] = {GREETING, EHLO_DSN, MAIL_OK,   RCPT_OK,
                                              DATA_OK,  TAKEN,    MAIL_OK,   RCPT_OK,
                                              DATA_OK,  TAKEN,    UNTIL_END, {0}};
    fixture.peer.scripts[0] = script;
    run(send_two);
}

static void expect_refusal_with_dsn(void)
{
    struct delivery_result result = send_with_dsn(&recipient);
    assert_int_equal(result.status, DELIVERY_PERMANENT);
    assert_true(result.peer_has_dsn);
    assert_int_equal(result.reply.code, 550);
}

static void a_refusal_tells_of_the_peers_dsn_too(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        GREETING,           EHLO_DSN,  MAIL_OK, {"RCPT", "550 5.1.1 nobody"},
        {"DATA", "503 no"}, UNTIL_END, {0}};
    fixture.peer.scripts[0] = script;
    run(expect_refusal_with_dsn);
}

static void send_longest(void)
{
    char address[DSN_ORCPT_BYTES_MAX], envid[DSN_ENVID_BYTES_MAX];
    memset(address, 'a', sizeof address);
    memset(envid, '+', sizeof envid);
    struct dsn_envelope long_envelope = {DSN_RETURN_FULL, {envid, sizeof envid}};
    struct dsn_recipient long_recipient = {DSN_NOTIFY_SUCCESS | DSN_NOTIFY_FAILURE |
                                               DSN_NOTIFY_DELAY,
                                           STR("rfc822"),
                                           {address, sizeof address - strlen("rfc822;")}};
    struct delivery_result result = send_as(
        "from@src.test", "to@dest.test",
        (struct delivery_request){.dsn = &long_envelope, .dsn_recipient = &long_recipient});
    assert_int_equal(result.status, DELIVERY_OK);
}

static void the_longest_parameters_fit(void **state)
{
    (void)state;
    static const struct fake_step script[] = {GREETING, EHLO_DSN, MAIL_OK,   RCPT_OK,
                                              DATA_OK,  TAKEN,    UNTIL_END, {0}};
    fixture.peer.scripts[0] = script;
    run(send_longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        peer_test(a_peer_with_dsn_is_told_what_the_sender_wants),
        peer_test(a_peer_without_dsn_is_told_nothing_of_it),
        peer_test(where_nothing_was_asked_nothing_is_said),
        peer_test(a_kept_connection_forgets_what_the_last_sender_wanted),
        peer_test(a_refusal_tells_of_the_peers_dsn_too),
        peer_test(the_longest_parameters_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* TLS with peers: in every mode, offered or not, working or not. */
#include "delivery/fixture.h"

#define EHLO_STARTTLS                                                                      \
    {                                                                                      \
        "EHLO gw.test", "250-mx.test\r\n250-STARTTLS\r\n250 PIPELINING"                    \
    }
#define STARTTLS_OK                                                                        \
    {                                                                                      \
        "STARTTLS", FAKE_TLS                                                               \
    }
#define ONE_MESSAGE MAIL_OK, RCPT_OK, DATA_OK, TAKEN, UNTIL_END

static void run_with_tls(void (*body)(void), enum delivery_tls tls,
                         const struct fake_step *first, const struct fake_step *second)
{
    struct err err;
    fixture.peer.tls = tls_server_new_self_signed("mx.test", &err);
    assert_non_null(fixture.peer.tls);
    fixture.peer.scripts[0] = first;
    fixture.peer.scripts[1] = second;
    fixture.route.tls = tls;
    run(body);
}

static void send_in_tls(void)
{
    struct delivery_result result = send_plain();
    assert_int_equal(result.status, DELIVERY_OK);
    assert_true(str_starts(result.tls, STR("TLSv1.3 TLS_")));
    result = send_plain();
    assert_int_equal(result.status, DELIVERY_OK);
    assert_true(result.used_kept_connection);
    assert_true(result.tls.length > 0);
}

static void starttls_is_used_when_offered(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        GREETING, EHLO_STARTTLS, STARTTLS_OK, EHLO_PIPELINING, MAIL_OK,
        RCPT_OK,  DATA_OK,       TAKEN,       ONE_MESSAGE,     {0}};
    run_with_tls(send_in_tls, DELIVERY_TLS_OPPORTUNISTIC, script, NULL);
}

static void starttls_with_any_certificate_is_enough_where_required(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        GREETING, EHLO_STARTTLS, STARTTLS_OK, EHLO_PIPELINING, MAIL_OK,
        RCPT_OK,  DATA_OK,       TAKEN,       ONE_MESSAGE,     {0}};
    run_with_tls(send_in_tls, DELIVERY_TLS_REQUIRED, script, NULL);
}

static void send_in_clear(void)
{
    struct delivery_result result = send_plain();
    assert_int_equal(result.status, DELIVERY_OK);
    assert_int_equal(result.tls.length, 0);
}

static void without_an_offer_mail_goes_in_the_clear(void **state)
{
    (void)state;
    static const struct fake_step script[] = {GREETING, EHLO_PIPELINING, ONE_MESSAGE, {0}};
    run_with_tls(send_in_clear, DELIVERY_TLS_OPPORTUNISTIC, script, NULL);
}

static void an_offer_is_not_taken_where_tls_is_off(void **state)
{
    (void)state;
    static const struct fake_step script[] = {GREETING, EHLO_STARTTLS, ONE_MESSAGE, {0}};
    run_with_tls(send_in_clear, DELIVERY_TLS_NONE, script, NULL);
}

static void a_refused_starttls_is_passed_over(void **state)
{
    (void)state;
    static const struct fake_step script[] = {
        GREETING, EHLO_STARTTLS, {"STARTTLS", "454 4.7.0 not now"}, ONE_MESSAGE, {0}};
    run_with_tls(send_in_clear, DELIVERY_TLS_OPPORTUNISTIC, script, NULL);
}

static void a_broken_handshake_is_followed_by_a_clear_connection(void **state)
{
    static const struct fake_step scripts[][6] = {
        {GREETING, EHLO_STARTTLS, {"STARTTLS", "220 go\r\nthis is no TLS"}, {0}},
        {GREETING, EHLO_STARTTLS, {"STARTTLS", "220 go"}, {0}},
        {GREETING, EHLO_STARTTLS, {"STARTTLS", FAKE_CLOSE}, {0}},
        {GREETING,
         EHLO_STARTTLS,
         {"STARTTLS", "=220 go\r\n250 injected\r\n"},
         {FAKE_END, NULL},
         {0}},
    };
    static const struct fake_step in_clear[] = {GREETING, EHLO_STARTTLS, ONE_MESSAGE, {0}};
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        if (i > 0) {
            assert_int_equal(test_loop_close(state), 0);
            assert_int_equal(fixture_reset(state), 0);
        }
        run_with_tls(send_in_clear, DELIVERY_TLS_OPPORTUNISTIC, scripts[i], in_clear);
    }
}

static void send_to_fail(void)
{
    struct delivery_result result = send_plain();
    assert_int_equal(result.status, DELIVERY_TEMPORARY);
    assert_memory_equal(result.reply.enhanced, "4.7.", 4);
    assert_int_equal(fixture.peer.connection_count, 1);
    assert_int_equal(fixture.peer.content.length, 0);
}

static void required_tls_is_never_given_up(void **state)
{
    static const struct fake_step not_offered[] = {
        GREETING, EHLO_PIPELINING, UNTIL_END, {0}};
    static const struct fake_step refused[] = {
        GREETING, EHLO_STARTTLS, {"STARTTLS", "454 4.7.0 not now"}, UNTIL_END, {0}};
    static const struct fake_step broken[] = {
        GREETING, EHLO_STARTTLS, {"STARTTLS", "220 go"}, {0}};
    static const struct fake_step self_signed[] = {
        GREETING, EHLO_STARTTLS, STARTTLS_OK, UNTIL_END, {0}};
    static const struct fake_step implicit[] = {
        {NULL, FAKE_ONLY_TLS}, GREETING, UNTIL_END, {0}};
    static const struct {
        const struct fake_step *script;
        enum delivery_tls tls;
    } cases[] = {
        {not_offered, DELIVERY_TLS_REQUIRED}, {refused, DELIVERY_TLS_REQUIRED},
        {broken, DELIVERY_TLS_REQUIRED},      {not_offered, DELIVERY_TLS_VERIFIED},
        {self_signed, DELIVERY_TLS_VERIFIED}, {implicit, DELIVERY_TLS_IMPLICIT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (i > 0) {
            assert_int_equal(test_loop_close(state), 0);
            assert_int_equal(fixture_reset(state), 0);
        }
        run_with_tls(send_to_fail, cases[i].tls, cases[i].script, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        peer_test(starttls_is_used_when_offered),
        peer_test(starttls_with_any_certificate_is_enough_where_required),
        peer_test(without_an_offer_mail_goes_in_the_clear),
        peer_test(an_offer_is_not_taken_where_tls_is_off),
        peer_test(a_refused_starttls_is_passed_over),
        peer_test(a_broken_handshake_is_followed_by_a_clear_connection),
        peer_test(required_tls_is_never_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

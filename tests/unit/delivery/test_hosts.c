/* Which hosts are asked, in which order, and what becomes of a message that one of them does not take. Host
 * n of the tests is 127.0.0.n, all on one port. */
#include "delivery/fixture.h"
/* after fixture.h: it asserts */
#include "delivery/mx.h"
#include "delivery/route_table.h"
#include "net/fake_dns.h"

static const struct fake_record records[] = {
    {"dest.test", DNS_MX, "10 mx1.test"},
    {"dest.test", DNS_MX, "20 mx2.test"},
    {"mx1.test", DNS_A, "127.0.0.1"},
    {"mx2.test", DNS_A, "127.0.0.2"},
    {"mx3.test", DNS_A, "127.0.0.3"},
    {"equal.test", DNS_MX, "5 mx1.test"},
    {"equal.test", DNS_MX, "5 mx2.test"},
    {"equal.test", DNS_MX, "5 mx3.test"},
    {"implicit.test", DNS_A, "127.0.0.1"},
    {"null.test", DNS_MX, "0 ."},
    {"nothing.test", DNS_TXT, "no mail"},
    {"broken.test", FAKE_ANY, FAKE_SERVFAIL},
    {"numeric.test", DNS_MX, "10 127.0.0.1"},
    {"mixed.test", DNS_MX, "5 127.0.0.9"},
    {"mixed.test", DNS_MX, "10 mx1.test"},
    {"bare.test", DNS_MX, "10 nobody.test"},
    {"partly.test", DNS_MX, "10 nobody.test"},
    {"partly.test", DNS_MX, "20 mx1.test"},
    {"failing.test", DNS_MX, "10 broken.test"},
    {"failing.test", DNS_MX, "20 nobody.test"},
    {"ourselves.test", DNS_MX, "10 GW.test"},
    {"ourselves.test", DNS_MX, "10 mx1.test"},
    {"ourselves.test", DNS_MX, "20 mx2.test"},
    {"backup.test", DNS_MX, "10 mx1.test"},
    {"backup.test", DNS_MX, "20 gw.test"},
    {"backup.test", DNS_MX, "30 mx2.test"},
    {"both.test", DNS_AAAA, "::1"},
    {"both.test", DNS_A, "127.0.0.1"},
    {"v6half.test", DNS_AAAA, FAKE_SERVFAIL},
    {"v6half.test", DNS_A, "127.0.0.1"},
    {0},
};

static struct fake_dns fake;
static struct dns *dns;
static struct fake_peer second;

static int run_with_dns(void *arg)
{
    struct err err = {0};
    char address[32];
    fake_dns_open(&fake, &test_loop, records);
    dns = dns_open(&(struct dns_options){.resolver = fake.resolver, .timeout_ms = 5000},
                   &err);
    assert_non_null(dns);
    fake_peer_open(&fixture.peer, "127.0.0.1:0");
    snprintf(address, sizeof address, "127.0.0.2:%u", fake_peer_port(&fixture.peer));
    fake_peer_open(&second, address);
    fixture.options.mx_port = fake_peer_port(&fixture.peer);
    fixture.options.route_count = 0;
    fixture.delivery = delivery_open(&fixture.options, dns, &err);
    assert_non_null(fixture.delivery);
    fixture.arena = arena_new();
    (*(void (**)(void))arg)();
    delivery_close(fixture.delivery);
    fake_peer_close(&fixture.peer);
    fake_peer_close(&second);
    dns_close(dns);
    fake_dns_close(&fake);
    return 0;
}

static void run_two_peers(void (*body)(void), const struct fake_step *first_script,
                          const struct fake_step *second_script)
{
    memset(&second, 0, sizeof second);
    fixture.peer.scripts[0] = first_script;
    second.scripts[0] = second_script;
    assert_int_equal(test_run(run_with_dns, &body), 0);
    fake_peer_free(&fixture.peer);
    fake_peer_free(&second);
    arena_free(fixture.arena);
}

static const struct fake_step takes[] = {
    GREETING, EHLO_PLAIN, MAIL_OK, {"RCPT", "250 ok"}, DATA_OK, TAKEN, UNTIL_END, {0}};
static const struct fake_step unused[] = {{0}};

static struct delivery_result send_to(const char *recipient)
{
    return send_as("from@src.test", recipient, (struct delivery_request){0});
}

/* --- what DNS says --- */

static void assert_refused(const char *recipient, enum delivery_status status, int code,
                           const char *enhanced)
{
    struct delivery_result result = send_to(recipient);
    assert_int_equal(result.status, status);
    assert_int_equal(result.reply.code, code);
    assert_string_equal(result.reply.enhanced, enhanced);
    assert_false(result.is_from_peer);
    assert_int_equal(result.peer.length, 0);
}

static void send_to_no_hosts(void)
{
    assert_refused("x@null.test", DELIVERY_PERMANENT, 556, "5.1.10");
    assert_refused("x@nowhere.test", DELIVERY_PERMANENT, 550, "5.1.2");
    assert_refused("x@nothing.test", DELIVERY_PERMANENT, 550, "5.4.4");
    assert_refused("x@bare.test", DELIVERY_PERMANENT, 550, "5.4.4");
    assert_refused("x@numeric.test", DELIVERY_PERMANENT, 554, "5.4.6");
    assert_refused("x@ourselves.test", DELIVERY_PERMANENT, 554, "5.4.6");
    assert_refused("x@broken.test", DELIVERY_TEMPORARY, 451, "4.4.3");
    assert_refused("x@failing.test", DELIVERY_TEMPORARY, 451, "4.4.3");
    assert_int_equal(fixture.peer.connection_count + second.connection_count, 0);
}

static void domains_without_a_host_have_their_own_replies(void **state)
{
    (void)state;
    run_two_peers(send_to_no_hosts, unused, unused);
}

static void send_to_first(void)
{
    static const char *const recipients[] = {
        "x@dest.test",   "x@implicit.test", "x@mixed.test",
        "x@partly.test", "x@backup.test",   "x@v6half.test",
        "x@[127.0.0.1]", "x@DEST.test",     "x@both.test"};
    for (size_t i = 0; i < sizeof recipients / sizeof *recipients; i++)
        assert_int_equal(send_to(recipients[i]).status, DELIVERY_OK);
    assert_int_equal(second.connection_count, 0);
}

static void the_preferred_host_that_exists_gets_the_mail(void **state)
{
    (void)state;
    fixture.options.idle_ms = 0;
    run_two_peers(send_to_first, takes, unused);
}

static void look_at_order(void)
{
    bool has_been_first[3] = {false};
    struct reply why;
    struct mx_hosts hosts;
    for (int i = 0; i < 200; i++) {
        assert_true(
            mx_find(dns, STR("equal.test"), STR("gw.test"), fixture.arena, &hosts, &why));
        assert_int_equal(hosts.count, 3);
        has_been_first[hosts.names[0].at[2] - '1'] = true;
    }
    assert_true(has_been_first[0] && has_been_first[1] && has_been_first[2]);
    struct mx_addresses found;
    struct mx_host both = {STR("both.test"), 25, true};
    assert_true(mx_find_addresses(dns, &both, fixture.arena, &found, &why));
    assert_int_equal(found.count, 2);
    assert_true(net_address_is_v6(&found.addresses[0]));
    assert_int_equal(net_address_port(&found.addresses[0]), 25);
    assert_int_equal(net_address_port(&found.addresses[1]), 25);
    both.use_ipv6 = false;
    assert_true(mx_find_addresses(dns, &both, fixture.arena, &found, &why));
    assert_int_equal(found.count, 1);
    assert_false(net_address_is_v6(&found.addresses[0]));
}

static void equal_hosts_take_turns_and_ipv6_comes_first(void **state)
{
    (void)state;
    run_two_peers(look_at_order, unused, unused);
}

/* --- the next host --- */

static void send_to_second(void)
{
    struct delivery_result result = send_to("x@dest.test");
    assert_int_equal(result.status, DELIVERY_OK);
    assert_true(str_starts(result.peer, STR("mx2.test[127.0.0.2]:")));
    assert_int_equal(fixture.peer.connection_count, 1);
}

static void the_next_host_is_asked_when_one_does_not_take_it_now(void **state)
{
    static const struct fake_step scripts[][8] = {
        {{NULL, FAKE_CLOSE}},
        {{NULL, "421 busy"}},
        {{NULL, "554 5.7.1 no service"}, UNTIL_END},
        {{NULL, "no smtp"}},
        {GREETING, {"EHLO", "421 busy"}},
        {GREETING, {"EHLO", FAKE_CLOSE}},
        {GREETING, EHLO_PLAIN, {"MAIL", "451 4.7.1 later"}, UNTIL_END},
        {GREETING, EHLO_PLAIN, MAIL_OK, {"RCPT", "450 4.2.1 later"}, UNTIL_END},
        {GREETING,
         EHLO_PLAIN,
         MAIL_OK,
         {"RCPT", "250 ok"},
         {"DATA", "451 later"},
         UNTIL_END},
        {GREETING, EHLO_PLAIN, MAIL_OK, {"RCPT", "250 ok"}, {"DATA", FAKE_CLOSE}},
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        if (i > 0) {
            assert_int_equal(test_loop_close(state), 0);
            assert_int_equal(fixture_reset(state), 0);
        }
        run_two_peers(send_to_second, scripts[i], takes);
    }
}

static void send_for_the_last_word(void)
{
    struct delivery_result result = send_to("x@dest.test");
    assert_int_not_equal(result.status, DELIVERY_OK);
    assert_int_equal(second.connection_count, 0);
    assert_true(str_starts(result.peer, STR("mx1.test[127.0.0.1]:")));
}

static void the_next_host_is_not_asked_after_a_last_word(void **state)
{
    static const struct fake_step scripts[][8] = {
        {GREETING, EHLO_PLAIN, {"MAIL", "550 5.1.8 no"}, UNTIL_END},
        {GREETING, EHLO_PLAIN, MAIL_OK, {"RCPT", "550 5.1.1 no"}, UNTIL_END},
        {GREETING,
         EHLO_PLAIN,
         MAIL_OK,
         {"RCPT", "250 ok"},
         DATA_OK,
         {FAKE_CONTENT, "451 later"},
         UNTIL_END},
        {GREETING,
         EHLO_PLAIN,
         MAIL_OK,
         {"RCPT", "250 ok"},
         DATA_OK,
         {FAKE_CONTENT, FAKE_CLOSE}},
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        if (i > 0) {
            assert_int_equal(test_loop_close(state), 0);
            assert_int_equal(fixture_reset(state), 0);
        }
        run_two_peers(send_for_the_last_word, scripts[i], unused);
    }
}

static void send_to_two_failures(void)
{
    struct delivery_result result = send_to("x@dest.test");
    assert_int_equal(result.status, DELIVERY_TEMPORARY);
    assert_string_equal(result.reply.text, "grey");
    assert_true(str_starts(result.peer, STR("mx1.test[127.0.0.1]:")));
    assert_int_equal(second.connection_count, 1);
}

static void a_peers_temporary_refusal_outweighs_other_failures(void **state)
{
    static const struct fake_step grey[] = {
        GREETING, EHLO_PLAIN, {"MAIL", "451 4.7.1 grey"}, UNTIL_END, {0}};
    static const struct fake_step closes[] = {{NULL, FAKE_CLOSE}};
    static const struct fake_step no_service[] = {
        {NULL, "554 5.3.2 no service"}, UNTIL_END, {0}};
    run_two_peers(send_to_two_failures, grey, closes);
    assert_int_equal(test_loop_close(state), 0);
    assert_int_equal(fixture_reset(state), 0);
    run_two_peers(send_to_two_failures, grey, no_service);
}

static void send_with_one_host(void)
{
    assert_int_equal(send_to("x@dest.test").status, DELIVERY_TEMPORARY);
    assert_int_equal(second.connection_count, 0);
}

static void no_more_hosts_than_allowed_are_tried(void **state)
{
    (void)state;
    static const struct fake_step closes[] = {{NULL, FAKE_CLOSE}};
    fixture.options.mx_hosts_max = 1;
    run_two_peers(send_with_one_host, closes, unused);
}

/* --- the message or its destination --- */

static bool is_blamed;

static void send_and_look_at_blame(void)
{
    struct delivery_result result = send_to("x@dest.test");
    assert_int_equal(result.status, DELIVERY_TEMPORARY);
    assert_int_equal(result.is_of_destination, is_blamed);
    assert_int_equal(result.reply.code / 10, 45);
}

static void run_for_blame(void **state, const struct fake_step *first_script,
                          const struct fake_step *second_script, bool expected)
{
    is_blamed = expected;
    run_two_peers(send_and_look_at_blame, first_script, second_script);
    assert_int_equal(test_loop_close(state), 0);
    assert_int_equal(fixture_reset(state), 0);
}

static void what_no_host_takes_of_anybody_is_the_destinations_failure(void **state)
{
    static const struct fake_step closes[] = {{NULL, FAKE_CLOSE}};
    static const struct fake_step busy[] = {{NULL, "421 4.3.2 busy"}, {0}};
    static const struct fake_step later_421[] = {
        GREETING, EHLO_PLAIN, {"MAIL", "421 4.7.0 enough"}, {0}};
    static const struct fake_step grey[] = {
        GREETING, EHLO_PLAIN, {"MAIL", "451 4.7.1 grey"}, UNTIL_END, {0}};
    run_for_blame(state, closes, busy, true);
    run_for_blame(state, busy, later_421, true);
    run_for_blame(state, grey, closes, false);
    run_for_blame(state, closes, grey, false);
    run_for_blame(state, grey, busy, false);
}

static void look_at_dns_blame(void)
{
    assert_true(send_to("x@broken.test").is_of_destination);
    assert_true(send_to("x@failing.test").is_of_destination);
    assert_false(send_to("x@nowhere.test").is_of_destination);
}

static void dns_without_an_answer_is_the_destinations_failure(void **state)
{
    (void)state;
    run_two_peers(look_at_dns_blame, unused, unused);
}

static void send_past_the_rate(void)
{
    struct delivery_result first = send_to("x@dest.test");
    assert_int_equal(first.status, DELIVERY_OK);
    assert_true(str_starts(first.peer, STR("mx1.test")));
    struct delivery_result second_host = send_to("x@dest.test");
    assert_int_equal(second_host.status, DELIVERY_OK);
    assert_true(str_starts(second_host.peer, STR("mx2.test")));
    struct delivery_result none = send_to("x@dest.test");
    assert_int_equal(none.status, DELIVERY_TEMPORARY);
    assert_false(none.is_from_peer);
    assert_false(none.is_of_destination);
    assert_string_equal(none.reply.enhanced, "4.7.0");
    assert_in_range(none.wait_ms, 1, 60001);
}

static void a_host_out_of_rate_hands_over_to_the_next(void **state)
{
    (void)state;
    fixture.options.rate_per_host = 1;
    run_two_peers(send_past_the_rate, takes, takes);
}

/* --- routes --- */

static void the_nearest_route_is_found(void **state)
{
    (void)state;
    static const struct delivery_route routes[] = {
        {.domain = {"example.com", 11}, .port = 1},
        {.domain = {".example.com", 12}, .port = 2},
        {.domain = {".a.example.com", 14}, .port = 3},
        {.domain = {"*", 1}, .port = 4},
        {.domain = {"b.a.example.com", 15}, .port = 5},
    };
    static const struct {
        const char *domain;
        uint16_t port;
    } cases[] = {
        {"example.com", 1},     {"x.example.com", 2},
        {"a.example.com", 2},   {"x.a.example.com", 3},
        {"b.a.example.com", 5}, {"c.b.a.example.com", 3},
        {"notexample.com", 4},  {"com", 4},
        {"[192.0.2.1]", 4},     {"", 4},
    };
    struct route_table *table = route_table_new(routes, 5);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(route_table_find(table, str_of(cases[i].domain))->port,
                         cases[i].port);
    route_table_free(table);
    table = route_table_new(routes, 3);
    assert_null(route_table_find(table, STR("example.org")));
    route_table_free(table);
    table = route_table_new(NULL, 0);
    assert_null(route_table_find(table, STR("example.org")));
    route_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        peer_test(domains_without_a_host_have_their_own_replies),
        peer_test(the_preferred_host_that_exists_gets_the_mail),
        peer_test(equal_hosts_take_turns_and_ipv6_comes_first),
        peer_test(the_next_host_is_asked_when_one_does_not_take_it_now),
        peer_test(the_next_host_is_not_asked_after_a_last_word),
        peer_test(a_peers_temporary_refusal_outweighs_other_failures),
        peer_test(no_more_hosts_than_allowed_are_tried),
        peer_test(what_no_host_takes_of_anybody_is_the_destinations_failure),
        peer_test(dns_without_an_answer_is_the_destinations_failure),
        peer_test(a_host_out_of_rate_hands_over_to_the_next),
        cmocka_unit_test(the_nearest_route_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Lists and reverse names against a local name server: hits, codes, refusals, silence, lies. */
#include <string.h>

#include "test.h"

#include "auth/block_list.h"
/* after test.h: it asserts */
#include "net/fake_dns.h"

static const struct fake_record records[] = {
    /* 192.0.2.9 */
    {"9.2.0.192.bl.test", DNS_A, "127.0.0.2"},
    {"9.2.0.192.codes.test", DNS_A, "127.0.0.10"},
    {"9.2.0.192.codes.test", DNS_A, "127.0.0.4"},
    {"9.2.0.192.wild.test", DNS_A, "203.0.113.5"},
    {"9.2.0.192.refusing.test", DNS_A, "127.255.255.254"},
    {"9.2.0.192.local.test", DNS_A, "127.0.0.1"},
    {"9.2.0.192.silent.test", FAKE_ANY, FAKE_NO_ANSWER},
    {"9.2.0.192.broken.test", FAKE_ANY, FAKE_SERVFAIL},
    {"9.2.0.192.allow.test", DNS_A, "127.0.0.3"},
    {"9.2.0.192.in-addr.arpa", DNS_PTR, "liar.test"},
    {"9.2.0.192.in-addr.arpa", DNS_PTR, "Mail.Test"},
    {"liar.test", DNS_A, "192.0.2.77"},
    {"mail.test", DNS_A, "192.0.2.8"},
    {"mail.test", DNS_A, "192.0.2.9"},
    /* 192.0.2.10: a name that does not lead back; 192.0.2.11: a name that net/ refuses */
    {"10.2.0.192.in-addr.arpa", DNS_PTR, "liar.test"},
    {"11.2.0.192.in-addr.arpa", DNS_PTR, "a(b) c;d.test"},
    {"12.2.0.192.in-addr.arpa", DNS_PTR, "slow.test"},
    {"slow.test", FAKE_ANY, FAKE_NO_ANSWER},
    {"13.2.0.192.in-addr.arpa", FAKE_ANY, FAKE_SERVFAIL},
    /* 2001:db8::9 */
    {"9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.test", DNS_A,
     "127.0.0.2"},
    {"9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", DNS_PTR,
     "six.test"},
    {"six.test", DNS_AAAA, "2001:db8::9"},
    {0},
};

static struct fake_dns fake;
static struct dns *dns;
static struct arena *arena;

static int run_body(void *body)
{
    struct err err;
    fake_dns_open(&fake, &test_loop, records);
    dns = dns_open(&(struct dns_options){.resolver = fake.resolver, .timeout_ms = 5000},
                   &err);
    assert_non_null(dns);
    arena = arena_new();
    (*(void (**)(void))body)();
    dns_close(dns);
    fake_dns_close(&fake);
    arena_free(arena);
    return 0;
}

static void run(void (*body)(void))
{
    assert_int_equal(test_run(run_body, &body), 0);
}

static void assert_str(struct str s, const char *expected)
{
    if (!str_equal(s, str_of(expected)))
        fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(s), expected);
}

static struct auth_client check(const char *ip, const struct auth_list *lists, size_t count)
{
    struct net_address client;
    struct auth_client result;
    struct auth_options options = {.lists = lists, .list_count = count};
    assert_int_equal(net_address_parse(str_of(ip), 0, &client), 0);
    auth_client_check(dns, &options, &client, task_in_ms(3000), arena, &result);
    return result;
}

static void check_hits(void)
{
    const struct auth_list lists[] = {
        {.zone = STR("bl.test"), .rejects = true},
        {.zone = STR("none.test"), .rejects = true},
        {.zone = STR("codes.test")},
    };
    struct auth_client client = check("192.0.2.9", lists, 3);
    assert_int_equal(client.hit_count, 2);
    assert_str(client.hits[0].zone, "bl.test");
    assert_str(client.hits[0].code, "127.0.0.2");
    assert_true(client.hits[0].rejects);
    assert_str(client.hits[1].zone, "codes.test");
    assert_false(client.hits[1].rejects);
    assert_int_equal(client.note.length, 0);
}

static void hits_are_told_in_the_order_of_the_lists(void **state)
{
    (void)state;
    run(check_hits);
}

static struct net_block block(const char *text)
{
    struct net_block parsed;
    assert_int_equal(net_block_parse(str_of(text), &parsed), 0);
    return parsed;
}

static void check_codes(void)
{
    struct net_block wanted[] = {block("127.0.0.4/31"), block("127.0.1.0/24")};
    struct net_block others[] = {block("127.0.0.2")};
    struct net_block local[] = {block("127.0.0.1")};
    const struct auth_list lists[] = {
        {.zone = STR("codes.test"), .codes = wanted, .code_count = 2},
        {.zone = STR("codes.test"), .codes = others, .code_count = 1},
        {.zone = STR("local.test"), .codes = local, .code_count = 1},
    };
    struct auth_client client = check("192.0.2.9", lists, 3);
    assert_int_equal(client.hit_count, 2);
    assert_str(client.hits[0].code, "127.0.0.4");
    assert_str(client.hits[1].code, "127.0.0.1");
}

static void only_the_codes_asked_for_count(void **state)
{
    (void)state;
    run(check_codes);
}

static void check_allowed(void)
{
    const struct auth_list lists[] = {
        {.zone = STR("bl.test"), .rejects = true},
        {.zone = STR("allow.test"), .is_allowed = true, .rejects = true},
    };
    struct auth_client client = check("192.0.2.9", lists, 2);
    assert_int_equal(client.hit_count, 2);
    assert_false(client.hits[0].rejects);
    assert_true(client.hits[1].is_allowed);
    assert_false(client.hits[1].rejects);
}

static void an_allow_list_wins_over_block_lists(void **state)
{
    (void)state;
    run(check_allowed);
}

static void check_bad_lists(void)
{
    static char long_zone[250];
    memset(long_zone, 'a', sizeof long_zone - 1);
    for (size_t i = 60; i < sizeof long_zone - 1; i += 60)
        long_zone[i] = '.';
    const struct auth_list lists[] = {
        {.zone = STR("wild.test"), .rejects = true},
        {.zone = STR("refusing.test"), .rejects = true},
        {.zone = STR("local.test"), .rejects = true},
        {.zone = STR("silent.test"), .rejects = true},
        {.zone = STR("broken.test"), .rejects = true},
        {.zone = str_of(long_zone), .rejects = true},
        {.zone = STR("bl.test"), .rejects = true},
    };
    uint64_t start_ms = task_now_ms();
    struct auth_client client = check("192.0.2.9", lists, 7);
    assert_true(task_now_ms() - start_ms < 4000);
    assert_int_equal(client.hit_count, 1);
    assert_str(client.hits[0].zone, "bl.test");
    assert_str(client.note,
               "refusing.test: refuses our question (127.255.255.254); "
               "local.test: refuses our question (127.0.0.1); silent.test: no answer; "
               "broken.test: no answer");
    assert_str(client.hostname, "mail.test");
}

static void lists_that_are_dead_slow_or_lie_are_no_hits(void **state)
{
    (void)state;
    run(check_bad_lists);
}

static void check_names(void)
{
    const struct {
        const char *ip, *hostname;
        enum auth_result iprev;
    } cases[] = {
        {"192.0.2.9", "mail.test", AUTH_PASS},
        {"::ffff:192.0.2.9", "mail.test", AUTH_PASS},
        {"2001:db8::9", "six.test", AUTH_PASS},
        {"192.0.2.10", "", AUTH_FAIL},
        {"192.0.2.11", "", AUTH_TEMPERROR},
        {"192.0.2.12", "", AUTH_TEMPERROR},
        {"192.0.2.13", "", AUTH_TEMPERROR},
        {"192.0.2.14", "", AUTH_PERMERROR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct auth_client client = check(cases[i].ip, NULL, 0);
        assert_str(client.hostname, cases[i].hostname);
        assert_int_equal(client.iprev, cases[i].iprev);
        assert_int_equal(client.hit_count, 0);
    }
}

static void a_reverse_name_must_lead_back(void **state)
{
    (void)state;
    run(check_names);
}

static void check_v6(void)
{
    const struct auth_list lists[] = {{.zone = STR("bl.test"), .rejects = true}};
    assert_int_equal(check("2001:db8::9", lists, 1).hit_count, 1);
    assert_int_equal(check("2001:db8::8", lists, 1).hit_count, 0);
}

static void an_ipv6_address_is_asked_by_its_nibbles(void **state)
{
    (void)state;
    run(check_v6);
}

static void check_cancelled(void)
{
    const struct auth_list lists[] = {{.zone = STR("silent.test"), .rejects = true}};
    task_cancel(task_current());
    struct auth_client client = check("192.0.2.9", lists, 1);
    assert_int_equal(client.hit_count, 0);
    assert_int_equal(client.iprev, AUTH_TEMPERROR);
}

static void a_cancelled_check_knows_nothing(void **state)
{
    (void)state;
    run(check_cancelled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(hits_are_told_in_the_order_of_the_lists),
        loop_test(only_the_codes_asked_for_count),
        loop_test(an_allow_list_wins_over_block_lists),
        loop_test(lists_that_are_dead_slow_or_lie_are_no_hits),
        loop_test(a_reverse_name_must_lead_back),
        loop_test(an_ipv6_address_is_asked_by_its_nibbles),
        loop_test(a_cancelled_check_knows_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

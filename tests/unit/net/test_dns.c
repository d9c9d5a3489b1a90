/* DNS: every kind of answer a resolver can give, and questions that end before their answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "test.h"

#include "net/dns_rdata.h"
/* after test.h: it asserts */
#include "net/fake_dns.h"

static const struct fake_record records[] = {
    {"a.test", DNS_A, "192.0.2.1"},
    {"a.test", DNS_A, "192.0.2.2"},
    {"a.test", DNS_AAAA, "2001:db8::1"},
    {"dest.test", DNS_MX, "10 MX1.Dest.test"},
    {"dest.test", DNS_MX, "20 mx2.dest.test"},
    {"null.test", DNS_MX, "0 ."},
    {"txt.test", DNS_TXT, "v=spf1 |-all"},
    {"long.test", DNS_TXT, "x*4000"},
    {"largest.test", DNS_TXT, "x*65000"}, /* all that 64 KiB of packet can hold, nearly */
    {"1.2.0.192.in-addr.arpa", DNS_PTR, "host.test"},
    {"1.0.168.192.in-addr.arpa", DNS_PTR, "lan.test"},
    {"alias1.test", FAKE_CNAME, "alias2.test"},
    {"alias2.test", FAKE_CNAME, "a.test"},
    {"alias3.test", FAKE_CNAME, "nowhere.test"},
    {"loop1.test", FAKE_CNAME, "loop2.test"},
    {"loop2.test", FAKE_CNAME, "loop1.test"},
    {"cut.test", DNS_TXT, FAKE_TRUNCATED},
    {"cut.test", DNS_TXT, "whole over TCP"},
    {"nodata.test", FAKE_ANY, FAKE_NODATA},
    {"fail.test", FAKE_ANY, FAKE_SERVFAIL},
    {"refused.test", FAKE_ANY, FAKE_REFUSED},
    {"silence.test", FAKE_ANY, FAKE_NO_ANSWER},
    {"*.silence.test", FAKE_ANY, FAKE_NO_ANSWER},
    {"malformed.test", FAKE_ANY, FAKE_MALFORMED},
    {"garbage.test", FAKE_ANY, FAKE_GARBAGE},
    {0},
};

static struct fake_dns fake;
static struct dns *dns;
static struct arena *arena;

static int run_body(void *body)
{
    struct err err;
    fake_dns_open(&fake, &test_loop, records);
    dns = dns_open(&(struct dns_options){.resolver = fake.resolver, .timeout_ms = 2000},
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

static struct dns_answer ask(const char *name, enum dns_type type)
{
    struct dns_answer answer;
    assert_int_equal(dns_ask(dns, str_of(name), type, arena, &answer), 0);
    return answer;
}

static void assert_str(struct str s, const char *expected)
{
    assert_int_equal(s.length, strlen(expected));
    assert_memory_equal(s.at, expected, s.length);
}

static void ask_for_addresses(void)
{
    char text[NET_ADDRESS_TEXT_BYTES];
    struct dns_answer v4 = ask("a.test", DNS_A);
    assert_int_equal(v4.status, DNS_OK);
    assert_int_equal(v4.count, 2);
    assert_true(v4.ttl_s > 0 && v4.ttl_s <= 300);
    assert_false(v4.is_secure);
    assert_memory_equal(net_address_ip_text(&v4.records[0].address, text), "192.0.2.", 8);
    assert_int_equal(net_address_port(&v4.records[0].address), 0);
    struct dns_answer v6 = ask("A.Test", DNS_AAAA);
    assert_int_equal(v6.count, 1);
    assert_string_equal(net_address_ip_text(&v6.records[0].address, text), "2001:db8::1");
}

static void addresses_are_found(void **state)
{
    (void)state;
    run(ask_for_addresses);
}

static void ask_for_mx(void)
{
    struct dns_answer answer = ask("dest.test", DNS_MX);
    assert_int_equal(answer.count, 2);
    size_t first = answer.records[0].preference == 10 ? 0 : 1;
    assert_str(answer.records[first].name, "mx1.dest.test");
    assert_int_equal(answer.records[1 - first].preference, 20);
    answer = ask("null.test", DNS_MX);
    assert_int_equal(answer.count, 1);
    assert_str(answer.records[0].name, "");
}

static void mx_names_are_in_lower_case_and_the_root_is_empty(void **state)
{
    (void)state;
    run(ask_for_mx);
}

static void ask_for_texts(void)
{
    assert_str(ask("txt.test", DNS_TXT).records[0].text, "v=spf1 -all");
    assert_int_equal(ask("long.test", DNS_TXT).records[0].text.length, 4000);
    assert_int_equal(ask("largest.test", DNS_TXT).records[0].text.length, 65000);
    assert_str(ask("cut.test", DNS_TXT).records[0].text, "whole over TCP");
    assert_true(fake.tcp_count > 0);
}

static void texts_are_joined_and_come_over_tcp_when_cut(void **state)
{
    (void)state;
    run(ask_for_texts);
}

static void ask_reverse(void)
{
    struct net_address address;
    net_address_parse(STR("192.0.2.1"), 0, &address);
    struct str name = dns_reverse_name(&address, arena);
    assert_str(name, "1.2.0.192.in-addr.arpa");
    assert_str(ask(name.at, DNS_PTR).records[0].name, "host.test");
    assert_str(ask("1.0.168.192.in-addr.arpa", DNS_PTR).records[0].name, "lan.test");
    net_address_parse(STR("2001:db8::a1"), 0, &address);
    assert_str(dns_reverse_name(&address, arena),
               "1.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

static void reverse_names_are_found_in_private_networks_too(void **state)
{
    (void)state;
    run(ask_reverse);
}

static void ask_for_trouble(void)
{
    static const struct {
        const char *name;
        enum dns_type type;
        enum dns_status status;
    } cases[] = {
        {"nowhere.test", DNS_A, DNS_NO_NAME},    {"nodata.test", DNS_A, DNS_NO_RECORDS},
        {"a.test", DNS_MX, DNS_NO_RECORDS},      {"alias1.test", DNS_A, DNS_OK},
        {"alias1.test", DNS_MX, DNS_NO_RECORDS}, {"alias3.test", DNS_A, DNS_NO_NAME},
        {"loop1.test", DNS_A, DNS_FAILED},       {"fail.test", DNS_A, DNS_FAILED},
        {"refused.test", DNS_A, DNS_FAILED},     {"malformed.test", DNS_A, DNS_FAILED},
        {"garbage.test", DNS_A, DNS_FAILED},     {"silence.test", DNS_A, DNS_FAILED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dns_answer answer = ask(cases[i].name, cases[i].type);
        assert_int_equal(answer.status, cases[i].status);
        assert_int_equal(answer.why != NULL, answer.status == DNS_FAILED);
        assert_int_equal(answer.count > 0, answer.status == DNS_OK);
    }
}

static void each_kind_of_answer_has_its_status(void **state)
{
    (void)state;
    run(ask_for_trouble);
}

static void ask_for_impossible_names(void)
{
    char label[65], name[300];
    memset(label, 'a', 64);
    label[64] = '\0';
    memset(name, 'a', sizeof name);
    for (size_t i = 9; i < sizeof name; i += 10)
        name[i] = '.';
    name[254] = '\0';
    const char *names[] = {"", ".", "a..test", ".a.test", "a.test.", label, name};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(ask(names[i], DNS_A).status, DNS_NO_NAME);
    assert_int_equal(fake.question_count, 0);
    assert_int_equal(ask("a b\\.\xFF*_\".test", DNS_A).status, DNS_NO_NAME);
    assert_int_equal(fake.question_count, 1);
    name[253] = '\0';
    memset(name, 0x01, 9);
    assert_int_equal(ask(name, DNS_A).status, DNS_NO_NAME);
    assert_int_equal(fake.question_count, 2);
}

static void impossible_names_are_not_asked_for(void **state)
{
    (void)state;
    run(ask_for_impossible_names);
}

static void ask_twice(void)
{
    ask("a.test", DNS_A);
    unsigned before = fake.question_count;
    for (int i = 0; i < 10; i++)
        ask("a.test", DNS_A);
    assert_int_equal(fake.question_count, before);
}

static void answers_are_cached(void **state)
{
    (void)state;
    run(ask_twice);
}

static int ask_silence(void *arg)
{
    (void)arg;
    struct dns_answer answer;
    return dns_ask(dns, STR("silence.test"), DNS_A, arena, &answer);
}

static void give_up(void)
{
    struct task *task = task_start("asker", ask_silence, NULL);
    task_sleep(5);
    task_cancel(task);
    assert_int_equal(task_join(task), -ECANCELED);
    uint64_t before = task_deadline_set(task_in_ms(5));
    assert_int_equal(ask_silence(NULL), -ETIMEDOUT);
    task_deadline_set(before);
    assert_int_equal(ask("a.test", DNS_A).status, DNS_OK);
}

static void a_question_can_be_given_up(void **state)
{
    (void)state;
    run(give_up);
}

static void close_while_asking(void)
{
    struct task *tasks[3];
    for (size_t i = 0; i < 3; i++)
        tasks[i] = task_start("asker", ask_silence, NULL);
    task_sleep(5);
    task_cancel(tasks[0]);
    dns_close(dns);
    dns = NULL;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(task_join(tasks[i]), -ECANCELED);
}

static void closing_ends_the_questions_that_wait(void **state)
{
    (void)state;
    run(close_while_asking);
}

static int ask_one(void *arg)
{
    struct dns_answer answer;
    return dns_ask(dns, STR("a.test"), *(enum dns_type *)arg, arena, &answer) == 0 &&
           answer.status == DNS_OK;
}

static void ask_many(void)
{
    static enum dns_type types[2] = {DNS_A, DNS_AAAA};
    struct task_job jobs[200];
    for (size_t i = 0; i < 200; i++)
        jobs[i] = (struct task_job){ask_one, &types[i % 2], 0};
    assert_int_equal(task_gather("asker", jobs, 200), 0);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(jobs[i].result, 1);
}

static void many_questions_at_once(void **state)
{
    (void)state;
    run(ask_many);
}

/* By then libunbound, as it comes, has learned to ask that server no more. */
#define SILENCE_MS 20000

static int ask_silently(void *number)
{
    char name[32];
    snprintf(name, sizeof name, "%zu.silence.test", *(size_t *)number);
    assert_int_equal(ask(name, DNS_TXT).status, DNS_FAILED);
    return 0;
}

static void ask_after_silence(void)
{
    uint64_t until = task_in_ms(SILENCE_MS);
    ask("dest.test", DNS_MX);
    for (size_t i = 0; task_now_ms() < until; i += 3) {
        size_t numbers[3];
        struct task_job jobs[3];
        for (size_t j = 0; j < 3; j++) {
            numbers[j] = i + j;
            jobs[j] = (struct task_job){ask_silently, &numbers[j], 0};
        }
        task_gather("asker", jobs, 3);
    }
    assert_int_equal(ask("txt.test", DNS_TXT).status, DNS_OK);
    assert_int_equal(ask("null.test", DNS_MX).status, DNS_OK);
    assert_int_equal(ask("a.test", DNS_A).status, DNS_OK);
}

static void a_forwarder_that_is_silent_for_some_names_is_asked_for_others(void **state)
{
    (void)state;
    run(ask_after_silence);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    struct err err = {0};
    assert_null(dns_open(&(struct dns_options){.resolver = "not an address"}, &err));
    assert_non_null(strstr(err.text, "not an address"));
    assert_null(dns_open(&(struct dns_options){.trust_anchor_file = "/nonexistent"}, &err));
    assert_non_null(strstr(err.text, "/nonexistent"));
}

static void record_data_is_parsed_strictly(void **state)
{
    (void)state;
    static const struct {
        enum dns_type type;
        const char *bytes;
        size_t length;
        int result;
    } cases[] = {
        {DNS_A, "\1\2\3\4", 4, 0},
        {DNS_A, "\1\2\3", 3, -EPROTO},
        {DNS_A, "\1\2\3\4\5", 5, -EPROTO},
        {DNS_AAAA, "0123456789abcdef", 16, 0},
        {DNS_AAAA, "\1\2\3\4", 4, -EPROTO},
        {DNS_MX, "\0\n\2mx\4test\0", 11, 0},
        {DNS_MX, "\0\0\0", 3, 0},
        {DNS_MX, "\0\n", 2, -EPROTO},
        {DNS_MX, "", 0, -EPROTO},
        {DNS_MX, "\0\n\2mx\4test", 10, -EPROTO},
        {DNS_MX, "\0\n\2mx\4test\0x", 12, -EPROTO},
        {DNS_MX, "\0\n\2mx\5test\0", 11, -EPROTO},
        {DNS_MX, "\0\n\300\014", 4, -EPROTO},
        {DNS_MX, "\0\n\3m.x\0", 7, -EPROTO},
        {DNS_MX, "\0\n\3m x\0", 7, -EPROTO},
        {DNS_MX, "\0\n\3m\0x\0", 7, -EPROTO},
        {DNS_PTR, "\4host\4test\0", 11, 0},
        {DNS_PTR, "\4host\4test", 10, -EPROTO},
        {DNS_TXT, "\1a\2bc", 5, 0},
        {DNS_TXT, "\0", 1, 0},
        {DNS_TXT, "", 0, -EPROTO},
        {DNS_TXT, "\3ab", 3, -EPROTO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dns_record record;
        struct arena *scratch = arena_new();
        struct str rdata = {cases[i].bytes, cases[i].length};
        assert_int_equal(dns_rdata_parse(cases[i].type, rdata, scratch, &record),
                         cases[i].result);
        arena_free(scratch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(addresses_are_found),
        loop_test(mx_names_are_in_lower_case_and_the_root_is_empty),
        loop_test(texts_are_joined_and_come_over_tcp_when_cut),
        loop_test(reverse_names_are_found_in_private_networks_too),
        loop_test(each_kind_of_answer_has_its_status),
        loop_test(impossible_names_are_not_asked_for),
        loop_test(answers_are_cached),
        loop_test(a_question_can_be_given_up),
        loop_test(closing_ends_the_questions_that_wait),
        loop_test(many_questions_at_once),
        loop_test(a_forwarder_that_is_silent_for_some_names_is_asked_for_others),
        loop_test(bad_options_are_refused),
        cmocka_unit_test(record_data_is_parsed_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

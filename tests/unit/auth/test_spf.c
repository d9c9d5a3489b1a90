/* SPF against a name server on loopback: what is asked for, spent and answered, with records made by people
 * who wish us ill. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "auth/spf.h"
/* after test.h: it asserts */
#include "net/fake_dns.h"

#define V4          "192.0.2.1"
#define V6          "2001:db8::1"
#define LONG_RECORD 60000

static char crash_record[1200], long_record[LONG_RECORD + 1000];

#define TREE(name)                                                                         \
    {                                                                                      \
        name, DNS_TXT,                                                                     \
            "v=spf1 include:t0.test include:t1.test include:t2.test include:t3.test "      \
            "include:t4.test include:t5.test |include:t6.test include:t7.test "            \
            "include:t8.test include:t9.test ?all"                                         \
    }

#define MX_OF_TEN(name)                                                                    \
    {name, DNS_MX, "1 h1.test"}, {name, DNS_MX, "2 h2.test"}, {name, DNS_MX, "3 h3.test"}, \
        {name, DNS_MX, "4 h4.test"}, {name, DNS_MX, "5 h5.test"},                          \
        {name, DNS_MX, "6 h6.test"}, {name, DNS_MX, "7 h7.test"},                          \
        {name, DNS_MX, "8 h8.test"}, {name, DNS_MX, "9 h9.test"},                          \
    {                                                                                      \
        name, DNS_MX, "10 host.test"                                                       \
    }

static const struct fake_record records[] = {
    {"host.test", DNS_A, V4},
    {"host.test", DNS_AAAA, V6},
    {"1.2.0.192.in-addr.arpa", DNS_PTR, "liar.test"},
    {"1.2.0.192.in-addr.arpa", DNS_PTR, "broken.test"},
    {"1.2.0.192.in-addr.arpa", DNS_PTR, "host.test"},
    {"liar.test", DNS_A, "192.0.2.99"},
    {"broken.test", FAKE_ANY, FAKE_SERVFAIL},
    {"silent.test", FAKE_ANY, FAKE_NO_ANSWER},
    {"2.2.0.192.in-addr.arpa", FAKE_ANY, FAKE_SERVFAIL},

    {"plain.test", DNS_TXT, "v=spf1 ip4:192.0.2.0/25 -all"},
    {"v6.test", DNS_TXT, "v=spf1 ip6:2001:db8::/33 ip4:192.0.2.128/25 ~all"},
    {"mapped.test", DNS_TXT, "v=spf1 ip6:::ffff:192.0.2.1 ip6:::/0 -all"},
    {"zero.test", DNS_TXT, "v=spf1 ip4:0.0.0.0/0 -all"},
    {"nothing.test", DNS_TXT, "v=spf1"},
    {"other.test", DNS_TXT, "google-site-verification=x"},
    {"several.test", DNS_TXT, "v=spf1 -all"},
    {"several.test", DNS_TXT, "v=spf1 -all"},
    {"wrong.test", DNS_TXT, "v=spf1 ip4:192.0.2.1 a:b -all"},
    {"xn--bcher-kva.test", DNS_TXT, "v=spf1 ip4:192.0.2.1 -all"},

    {"include.test", DNS_TXT,
     "v=spf1 include:nothing.test ~include:v6.test "
     "include:plain.test -all"},
    {"redirect.test", DNS_TXT, "v=spf1 redirect=plain.test ip4:198.51.100.1"},
    {"all.test", DNS_TXT, "v=spf1 redirect=broken.test ~all"},
    {"redirect-none.test", DNS_TXT, "v=spf1 redirect=other.test"},
    {"redirect-broken.test", DNS_TXT, "v=spf1 redirect=broken.test"},
    {"redirect-loop.test", DNS_TXT, "v=spf1 redirect=redirect-loop.test"},
    {"include-none.test", DNS_TXT, "v=spf1 include:no.test +all"},
    {"include-wrong.test", DNS_TXT, "v=spf1 include:wrong.test +all"},
    {"include-broken.test", DNS_TXT, "v=spf1 include:broken.test +all"},
    {"include-single.test", DNS_TXT, "v=spf1 include:%{d1} +all"},
    {"include-local.test", DNS_TXT, "v=spf1 include:%{l}.test +all"},
    TREE("t0.test"),
    TREE("t1.test"),
    TREE("t2.test"),
    TREE("t3.test"),
    TREE("t4.test"),
    TREE("t5.test"),
    TREE("t6.test"),
    TREE("t7.test"),
    TREE("t8.test"),
    TREE("t9.test"),

    {"a.test", DNS_TXT, "v=spf1 a:host.test/24//64 -all"},
    {"a-failed.test", DNS_TXT, "v=spf1 a:broken.test +all"},
    {"a-silent.test", DNS_TXT, "v=spf1 a:silent.test +all"},
    {"voids2.test", DNS_TXT, "v=spf1 a:no.test mx:host.test a:%{l}..test exists:host.test"},
    {"voids3.test", DNS_TXT, "v=spf1 a:no.test mx:no.test exists:no.test +all"},
    {"null-mx.test", DNS_TXT, "v=spf1 mx -all"},
    {"null-mx.test", DNS_MX, "0 ."},
    {"mx10.test", DNS_TXT, "v=spf1 mx -all"},
    MX_OF_TEN("mx10.test"),
    {"mx11.test", DNS_TXT, "v=spf1 mx -all"},
    {"mx11.test", DNS_MX, "11 host.test"},
    {"mx11.test", DNS_MX, "12 h11.test"},
    {"mx11.test", DNS_MX, "13 h12.test"},
    MX_OF_TEN("mx11.test"),
    {"mx-broken.test", DNS_TXT, "v=spf1 mx +all"},
    {"mx-broken.test", DNS_MX, "1 broken.test"},
    {"ptr.test", DNS_TXT, "v=spf1 ptr:host.test -all"},
    {"ptr-liar.test", DNS_TXT, "v=spf1 ptr:liar.test ptr:broken.test ptr -all"},
    {"p.test", DNS_TXT, "v=spf1 exists:%{p}.p.test -all"},
    {"host.test.p.test", DNS_A, "127.0.0.2"},
    {"unknown.p.test", DNS_A, "127.0.0.2"},
    {"p-crowd.test", DNS_TXT, "v=spf1 exists:%{p}%{p}%{p}.no.test -all"},
    {"local.test", DNS_TXT, "v=spf1 -exists:%{l}.%{o} exists:%{i}.%{h}.test ?all"},
    {"user.local.test", DNS_A, "127.0.0.2"},
    {"postmaster.local.test", DNS_A, "127.0.0.2"},
    {"192.0.2.1.helo.test", DNS_A, "127.0.0.2"},
    {"a b\x02~%.quoted.test", DNS_A, "127.0.0.2"},
    {"quoted.test", DNS_TXT, "v=spf1 exists:%{l}.%{d} -all"},
    {"terms10.test", DNS_TXT,
     "v=spf1 a:h.test a:h.test mx:h.test mx:h.test a:h.test "
     "a:h.test a:h.test a:h.test |a:h.test a:host.test -all"},
    {"h.test", DNS_A, "192.0.2.77"},
    {"h.test", DNS_MX, "0 h.test"},
    {"terms11.test", DNS_TXT, "v=spf1 a:h.test include:terms10.test -all"},
    {"crash.test", DNS_TXT, crash_record},
    {"long.test", DNS_TXT, long_record},
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

/* From "local@domain"; "" is the null reverse-path. */
static struct mailbox mailbox_of(const char *text)
{
    struct str domain = str_of(text);
    struct mailbox mailbox = {.is_null = !*text};
    mailbox.local = str_cut(&domain, '@');
    mailbox.domain = domain;
    return mailbox;
}

static struct auth_spf_question question_of(const char *client, const char *helo,
                                            const struct mailbox *sender)
{
    struct auth_spf_question question = {.helo = str_of(helo), .sender = sender};
    assert_int_equal(net_address_parse(str_of(client), 0, &question.client), 0);
    return question;
}

static struct auth_spf check(const char *client, const char *sender)
{
    struct auth_spf spf;
    struct mailbox mailbox = mailbox_of(sender);
    struct auth_spf_question question = question_of(client, "helo", &mailbox);
    assert_int_equal(auth_spf_check(dns, &question, arena, &spf), 0);
    return spf;
}

static void assert_result(const struct auth_spf *spf, const char *expected)
{
    if (strcmp(auth_result_name(spf->result), expected) != 0)
        fail_msg("%s: %s (%s) instead of %s", spf->domain.at, auth_result_name(spf->result),
                 spf->reason.at, expected);
}

struct row {
    const char *client, *sender, *result, *mechanism;
};

static void assert_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct auth_spf spf = check(rows[i].client, rows[i].sender);
        assert_result(&spf, rows[i].result);
        assert_string_equal(spf.mechanism.at, rows[i].mechanism);
        bool is_error = spf.result == AUTH_TEMPERROR || spf.result == AUTH_PERMERROR;
        bool is_impossible = spf.domain.length == 0;
        assert_int_equal(spf.reason.length > 0, is_error || is_impossible);
    }
}
#define ASSERT_ROWS(rows) assert_rows((rows), sizeof(rows) / sizeof *(rows))

static void check_domains(void)
{
    static const struct row rows[] = {
        {V4, "u@plain.test", "pass", "ip4:192.0.2.0/25"},
        {V4, "u@PLAIN.test.", "pass", "ip4:192.0.2.0/25"},
        {"192.0.2.128", "u@plain.test", "fail", "-all"},
        {V6, "u@plain.test", "fail", "-all"},
        {"::ffff:192.0.2.1", "u@plain.test", "pass", "ip4:192.0.2.0/25"},
        {V4, "u@mapped.test", "fail", "-all"},
        {V6, "u@mapped.test", "pass", "ip6:::/0"},
        {V6, "u@v6.test", "pass", "ip6:2001:db8::/33"},
        {"2001:db8:8000::1", "u@v6.test", "softfail", "~all"},
        {V4, "u@zero.test", "pass", "ip4:0.0.0.0/0"},
        {V4, "u@nothing.test", "neutral", ""},
        {V4, "u@other.test", "none", ""},
        {V4, "u@no.test", "none", ""},
        {V4, "u@test", "none", ""},
        {V4, "u@[192.0.2.1]", "none", ""},
        {V4, "u@a..plain.test", "none", ""},
        {V4, "u@several.test", "permerror", ""},
        {V4, "u@wrong.test", "permerror", ""},
        {V4, "u@broken.test", "temperror", ""},
        {V4, "u@bücher.test", "pass", "ip4:192.0.2.1"},
    };
    ASSERT_ROWS(rows);
    assert_string_equal(check(V4, "u@wrong.test").reason.at,
                        "the record of wrong.test: no valid term: a:b");
    assert_string_equal(check(V4, "u@Plain.test").domain.at, "plain.test");
}

static void the_first_match_decides(void **state)
{
    (void)state;
    run(check_domains);
}

static void check_references(void)
{
    static const struct row rows[] = {
        {V4, "u@include.test", "pass", "include:plain.test"},
        {V6, "u@include.test", "softfail", "~include:v6.test"},
        {V4, "u@redirect.test", "pass", "ip4:192.0.2.0/25"},
        {V6, "u@redirect.test", "fail", "-all"},
        {V4, "u@all.test", "softfail", "~all"},
        {V4, "u@redirect-none.test", "permerror", ""},
        {V4, "u@redirect-broken.test", "temperror", ""},
        {V4, "u@redirect-loop.test", "permerror", ""},
        {V4, "u@include-none.test", "permerror", ""},
        {V4, "u@include-wrong.test", "permerror", ""},
        {V4, "u@include-broken.test", "temperror", ""},
        {V4, "u@include-single.test", "permerror", ""},
        {V4, "\xC3\xA4@include-local.test", "pass", "+all"},
        {V4, "plain@include-local.test", "pass", "include:%{l}.test"},
        {V4, "a..b@include-local.test", "permerror", ""},
    };
    ASSERT_ROWS(rows);
}

static void includes_and_redirects_are_followed(void **state)
{
    (void)state;
    run(check_references);
}

static void check_mechanisms(void)
{
    static const struct row rows[] = {
        {V4, "u@a.test", "pass", "a:host.test/24//64"},
        {"192.0.2.200", "u@a.test", "pass", "a:host.test/24//64"},
        {"192.0.3.1", "u@a.test", "fail", "-all"},
        {"2001:db8::2:1", "u@a.test", "pass", "a:host.test/24//64"},
        {"2001:db9::1", "u@a.test", "fail", "-all"},
        {V4, "u@a-failed.test", "temperror", ""},
        {V4, "u@a-silent.test", "temperror", ""},
        {V4, "u@null-mx.test", "fail", "-all"},
        {V4, "u@mx-broken.test", "temperror", ""},
        {V4, "u@ptr.test", "pass", "ptr:host.test"},
        {"192.0.2.2", "u@ptr.test", "fail", "-all"},
        {V4, "u@ptr-liar.test", "fail", "-all"},
        {V4, "u@p.test", "pass", "exists:%{p}.p.test"},
        {"192.0.2.2", "u@p.test", "pass", "exists:%{p}.p.test"},
        {V4, "user@local.test", "fail", "-exists:%{l}.%{o}"},
        {V4, "@local.test", "fail", "-exists:%{l}.%{o}"},
        {V4, "x@local.test", "pass", "exists:%{i}.%{h}.test"},
        {V4, "\xC3\xA4@local.test", "pass", "exists:%{i}.%{h}.test"},
        {V4, "a b\x02~%@quoted.test", "pass", "exists:%{l}.%{d}"},
    };
    ASSERT_ROWS(rows);
}

static void mechanisms_ask_what_they_should(void **state)
{
    (void)state;
    run(check_mechanisms);
}

static void check_limits(void)
{
    struct auth_spf spf = check(V4, "u@terms10.test");
    assert_result(&spf, "pass");
    assert_int_equal(spf.term_count, 10);
    spf = check(V4, "u@terms11.test");
    assert_result(&spf, "permerror");
    assert_int_equal(spf.term_count, 10);
    spf = check(V4, "u@voids2.test");
    assert_result(&spf, "pass");
    assert_int_equal(spf.void_count, 2);
    spf = check(V4, "u@voids3.test");
    assert_result(&spf, "permerror");
    assert_int_equal(spf.void_count, 2);
    spf = check(V4, "u@mx10.test");
    assert_result(&spf, "pass");
    assert_int_equal(spf.void_count, 0);
    assert_in_range(spf.query_count, 3, 12);
    spf = check(V4, "u@mx11.test");
    assert_result(&spf, "permerror");
    assert_int_equal(spf.query_count, 2);
}

static void limits_are_the_rfcs(void **state)
{
    (void)state;
    run(check_limits);
}

static void check_tree(void)
{
    struct auth_spf spf = check(V4, "u@t0.test");
    assert_result(&spf, "permerror");
    assert_int_equal(spf.term_count, 10);
    assert_int_equal(spf.query_count, 11);
    assert_int_equal(fake.question_count, 1);
}

static void a_tree_of_includes_ends_at_ten_terms(void **state)
{
    (void)state;
    run(check_tree);
}

/* 127 macros and a long literal, and ten thousand terms: both as strings of 200 bytes. */
static void make_hostile_records(void)
{
    size_t used = (size_t)snprintf(crash_record, sizeof crash_record, "v=spf1 exists:");
    for (int i = 0; i < 127; i++)
        used += (size_t)snprintf(crash_record + used, sizeof crash_record - used, "%s%%{d}",
                                 i % 40 == 39 ? "|" : "");
    used += (size_t)snprintf(crash_record + used, sizeof crash_record - used, "|");
    for (int i = 0; i < 6; i++)
        used += (size_t)snprintf(crash_record + used, sizeof crash_record - used, "%s%040d",
                                 i == 3 ? ".|" : ".", i);
    snprintf(crash_record + used, sizeof crash_record - used, ".test| -all");

    used = (size_t)snprintf(long_record, sizeof long_record, "v=spf1");
    for (int i = 0; used < LONG_RECORD; i++)
        used += (size_t)snprintf(long_record + used, sizeof long_record - used,
                                 "%s ip4:198.51.100.%d", i % 10 ? "" : "|", i % 256);
    snprintf(long_record + used, sizeof long_record - used, "| ip4:192.0.2.1 -all");
}

static void check_hostile_records(void)
{
    struct auth_spf spf = check(V4, "u@crash.test");
    assert_result(&spf, "fail");
    assert_int_equal(spf.void_count, 1);
    spf = check(V4, "u@long.test");
    assert_result(&spf, "pass");
    assert_string_equal(spf.mechanism.at, "ip4:192.0.2.1");
    spf = check(V4, "u@p-crowd.test");
    assert_result(&spf, "fail");
    assert_in_range(spf.query_count, 3, 8);
}

static void long_records_are_evaluated(void **state)
{
    (void)state;
    make_hostile_records();
    run(check_hostile_records);
}

static void check_helo(void)
{
    struct auth_spf spf;
    struct auth_spf_question question = question_of(V4, "Plain.Test", NULL);
    assert_int_equal(auth_spf_check(dns, &question, arena, &spf), 0);
    assert_result(&spf, "pass");
    assert_true(spf.is_of_helo);
    assert_string_equal(spf.domain.at, "plain.test");
    struct mailbox null = mailbox_of("");
    question = question_of(V4, "local.test", &null);
    assert_int_equal(auth_spf_check(dns, &question, arena, &spf), 0);
    assert_string_equal(spf.mechanism.at, "-exists:%{l}.%{o}"); /* postmaster */
    question = question_of(V4, "[192.0.2.1]", &null);
    assert_int_equal(auth_spf_check(dns, &question, arena, &spf), 0);
    assert_result(&spf, "none");
    assert_int_equal(spf.query_count, 0);
}

static void without_a_sender_helo_is_checked(void **state)
{
    (void)state;
    run(check_helo);
}

static void check_budgets(void)
{
    struct auth_spf spf;
    struct mailbox sender = mailbox_of("u@silent.test");
    struct auth_spf_question question = question_of(V4, "helo", &sender);
    question.deadline_ms = task_in_ms(20);
    assert_int_equal(auth_spf_check(dns, &question, arena, &spf), 0);
    assert_result(&spf, "temperror");
    assert_int_equal(task_sleep(1), 0); /* the task itself goes on */
    sender = mailbox_of("u@t0.test");
    question.deadline_ms = 0;
    question.query_max = 3;
    assert_int_equal(auth_spf_check(dns, &question, arena, &spf), 0);
    assert_result(&spf, "permerror");
    assert_int_equal(spf.query_count, 3);
    sender = mailbox_of("u@plain.test");
    question.client.socket.any.sa_family = AF_UNSPEC; /* no IP: a socket of this machine */
    assert_int_equal(auth_spf_check(dns, &question, arena, &spf), 0);
    assert_result(&spf, "none");
}

static void time_and_questions_can_be_limited(void **state)
{
    (void)state;
    run(check_budgets);
}

static int check_silent(void *arg)
{
    struct auth_spf spf;
    struct mailbox sender = mailbox_of("u@silent.test");
    struct auth_spf_question question = question_of(V4, "helo", &sender);
    (void)arg;
    return auth_spf_check(dns, &question, arena, &spf);
}

static void cancel_a_check(void)
{
    struct task *task = task_start("spf", check_silent, NULL);
    task_sleep(20);
    task_cancel(task);
    assert_int_equal(task_join(task), -ECANCELED);
}

static void a_cancelled_check_ends(void **state)
{
    (void)state;
    run(cancel_a_check);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(the_first_match_decides),
        loop_test(includes_and_redirects_are_followed),
        loop_test(mechanisms_ask_what_they_should),
        loop_test(limits_are_the_rfcs),
        loop_test(a_tree_of_includes_ends_at_ten_terms),
        loop_test(long_records_are_evaluated),
        loop_test(without_a_sender_helo_is_checked),
        loop_test(time_and_questions_can_be_limited),
        loop_test(a_cancelled_check_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* DMARC against a name server: walks, policies, alignment, and what makes an evaluation end without a
 * verdict. */
#include <errno.h>
#include <strings.h>

#include "test.h"

#include "auth/dmarc.h"
#include "auth/dmarc_walk.h"
/* after test.h: it asserts */
#include "net/fake_dns.h"

#define L25 "aaaaaaaaaaaaaaaaaaaaaaaaa"
#define L63 L25 L25 "aaaaaaaaaaaaa"

static const struct fake_record records[] = {
    /* an ordinary domain, with policies for what is below it */
    {"_dmarc.example.test", DNS_TXT,
     "v=DMARC1; p=reject; sp=quarantine; np=reject;"
     " rua=mailto:a@example.test; ruf=mailto:f@example.test"},
    {"example.test", DNS_A, "192.0.2.1"},
    {"sub.example.test", DNS_A, "192.0.2.1"},
    {"deep.sub.example.test", DNS_TXT, "exists"},
    {"_dmarc.own.example.test", DNS_TXT, "v=DMARC1; p=none; sp=reject"},
    {"unsure.example.test", FAKE_ANY, FAKE_SERVFAIL},
    /* RFC 7489's form */
    {"_dmarc.old.test", DNS_TXT,
     "v=DMARC1; p=quarantine; pct=0; rf=afrf; ri=86400; adkim=r; aspf=r"},
    {"_dmarc.strict.test", DNS_TXT, "v=DMARC1; p=reject; adkim=s; aspf=s"},
    {"_dmarc.half.test", DNS_TXT, "v=DMARC1; p=reject; aspf=s"},
    {"_dmarc.testing.test", DNS_TXT, "v=DMARC1; p=reject; t=y"},
    {"_dmarc.testing2.test", DNS_TXT, "v=DMARC1; p=quarantine; t=y"},
    {"_dmarc.plain.test", DNS_TXT, "v=DMARC1; p=quarantine"},
    {"_dmarc.np.test", DNS_TXT, "v=DMARC1; p=reject; np=none"},
    /* discovery */
    {"_dmarc.two.test", DNS_TXT, "v=DMARC1; p=reject"},
    {"_dmarc.two.test", DNS_TXT, "v=DMARC1; p=none"},
    {"_dmarc.beside.test", DNS_TXT, "v=spf1 -all"},
    {"_dmarc.beside.test", DNS_TXT, "v=DMARC1; |p=reject"},
    {"_dmarc.beside.test", DNS_TXT, "v=DMARC2; p=none"},
    {"_dmarc.badp.test", DNS_TXT, "v=DMARC1; p=refuse; rua=mailto:a@badp.test"},
    {"_dmarc.badsilent.test", DNS_TXT, "v=DMARC1; p=refuse"},
    {"_dmarc.alias.test", FAKE_CNAME, "_dmarc.strict.test"},
    {"_dmarc.huge.test", DNS_TXT, "x*60000"},
    {"_dmarc.fail.test", DNS_TXT, FAKE_SERVFAIL},
    {"_dmarc.below.fail.test", DNS_TXT, "v=DMARC1; p=reject"},
    {"_dmarc.silent.test", DNS_TXT, FAKE_NO_ANSWER},
    /* psd: a registry with a policy, and those below it */
    {"_dmarc.registry.test", DNS_TXT, "v=DMARC1; p=reject; sp=quarantine; np=none; psd=y"},
    {"_dmarc.member.registry.test", DNS_TXT, "v=DMARC1; p=none"},
    {"other.registry.test", DNS_A, "192.0.2.1"},
    {"_dmarc.dept.big.test", DNS_TXT, "v=DMARC1; p=quarantine; psd=n"},
    {"_dmarc.big.test", DNS_TXT, "v=DMARC1; p=reject"},
    {"team.dept.big.test", DNS_A, "192.0.2.1"},
    {"_dmarc.a.mail.long.test", DNS_TXT, "v=DMARC1; p=none"},
    {"_dmarc.long.test", DNS_TXT, "v=DMARC1; p=reject"},
    /* seven labels, and eight, which are jumped over */
    {"_dmarc.c.d.e.f.g.jump.test", DNS_TXT, "v=DMARC1; p=quarantine; psd=n"},
    {"_dmarc.b.c.d.e.f.g.jump.test", DNS_TXT, "v=DMARC1; p=reject; psd=n"},
    {"_dmarc.r.d.e.f.g.psd.test", DNS_TXT, "v=DMARC1; p=reject; psd=y"},
    {"_dmarc.xn--piata-pta.test", DNS_TXT, "v=DMARC1; p=reject"},
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

static void assert_str(struct str s, const char *expected, const char *of)
{
    if (!str_equal(s, str_of(expected)))
        fail_msg("%s: \"%.*s\" instead of \"%s\"", of, STR_ARG(s), expected);
}

/* --- one case --- */

struct dmarc_case {
    const char *from; /* the domain, or with a ":" the whole header section */
    const char *spf;  /* "pass domain", NULL: none */
    const char *dkim; /* "pass domain, fail domain" */
    enum auth_result result;
    enum auth_dmarc_policy policy;
    const char *policy_domain, *organization; /* NULL: not compared */
};

/* Reads "pass domain" and moves *text past it and a comma. */
static struct str read_identifier(struct str *text, enum auth_result *result)
{
    struct str item = str_trim(str_cut(text, ','));
    assert_true(auth_result_from_name(str_cut(&item, ' '), result));
    return item;
}

static void evaluate(const struct dmarc_case *item, struct auth_dmarc *dmarc)
{
    struct message *message = message_new();
    struct auth_spf spf = {0};
    struct auth_dkim dkim[AUTH_DKIM_MAX] = {0};
    size_t dkim_count = 0;
    const char *raw = strchr(item->from, ':')
                          ? arena_printf(arena, "%s\r\n\r\nbody\r\n", item->from)
                          : arena_printf(arena, "From: A <a@%s>\r\n\r\n", item->from);
    header_parse(str_of(raw), message->arena, &message->header);
    struct str text = str_of(item->spf);
    if (item->spf)
        spf.domain = read_identifier(&text, &spf.result);
    for (text = str_of(item->dkim); text.length; dkim_count++)
        dkim[dkim_count].domain = read_identifier(&text, &dkim[dkim_count].result);
    struct auth_dmarc_input input = {message, &spf, dkim, dkim_count};
    assert_int_equal(auth_dmarc_evaluate(dns, &input, task_in_ms(5000), arena, dmarc), 0);
    message_release(message);
}

static void check_cases(const struct dmarc_case cases[])
{
    for (const struct dmarc_case *item = cases; item->from; item++) {
        struct auth_dmarc dmarc;
        evaluate(item, &dmarc);
        if (dmarc.result != item->result)
            fail_msg("%s, %s: %s (%.*s)", item->from, item->dkim ? item->dkim : item->spf,
                     auth_result_name(dmarc.result), STR_ARG(dmarc.reason));
        if (dmarc.policy != item->policy)
            fail_msg("%s: policy %d", item->from, (int)dmarc.policy);
        if (item->policy_domain)
            assert_str(dmarc.policy_domain, item->policy_domain, item->from);
        if (item->organization)
            assert_str(dmarc.organizational_domain, item->organization, item->from);
        if (dmarc.result != AUTH_PASS && dmarc.reason.length == 0 &&
            dmarc.policy_domain.length)
            fail_msg("%s: no reason", item->from);
    }
}

#define NONE       DMARC_POLICY_NONE
#define QUARANTINE DMARC_POLICY_QUARANTINE
#define REJECT     DMARC_POLICY_REJECT

/* --- alignment --- */

static void check_alignment(void)
{
    static const struct dmarc_case cases[] = {
        {"example.test", "pass example.test", NULL, AUTH_PASS, REJECT, "example.test",
         "example.test"},
        {"example.test", NULL, "pass example.test", AUTH_PASS, REJECT, NULL, NULL},
        {"Example.TEST", NULL, "pass EXAMPLE.test", AUTH_PASS, REJECT, "example.test",
         NULL},
        {"example.test", "pass bounce.example.test", NULL, AUTH_PASS, REJECT, NULL,
         "example.test"},
        {"sub.example.test", NULL, "pass example.test", AUTH_PASS, QUARANTINE,
         "example.test", "example.test"},
        {"sub.example.test", NULL, "pass other.example.test", AUTH_PASS, QUARANTINE, NULL,
         NULL},
        {"example.test", NULL, "fail example.test, pass elsewhere.test", AUTH_FAIL, REJECT,
         NULL, NULL},
        {"example.test", "softfail example.test", "neutral example.test", AUTH_FAIL, REJECT,
         NULL, NULL},
        {"example.test", "permerror example.test", "permerror example.test", AUTH_FAIL,
         REJECT, NULL, NULL},
        {"example.test", NULL, NULL, AUTH_FAIL, REJECT, NULL, NULL},
        {"example.test", "pass notexample.test", NULL, AUTH_FAIL, REJECT, NULL, NULL},
        {"example.test", "pass test", NULL, AUTH_FAIL, REJECT, NULL, NULL},
        {"example.test", "pass example.test.invalid", NULL, AUTH_FAIL, REJECT, NULL, NULL},
        {"example.test", "pass not a domain", NULL, AUTH_FAIL, REJECT, NULL, NULL},
        {"strict.test", "pass a.strict.test", "pass b.strict.test", AUTH_FAIL, REJECT, NULL,
         NULL},
        {"strict.test", "pass a.strict.test", "pass strict.test", AUTH_PASS, REJECT, NULL,
         NULL},
        {"a.strict.test", "pass strict.test", NULL, AUTH_FAIL, REJECT, "strict.test", NULL},
        {"a.strict.test", "pass a.strict.test", NULL, AUTH_PASS, REJECT, NULL, NULL},
        {"half.test", "pass a.half.test", NULL, AUTH_FAIL, REJECT, NULL, NULL},
        {"half.test", NULL, "pass a.half.test", AUTH_PASS, REJECT, NULL, NULL},
        {"pi\u00f1ata.test", NULL, "pass xn--piata-pta.test", AUTH_PASS, REJECT,
         "xn--piata-pta.test", NULL},
        {0},
    };
    check_cases(cases);
}

static void alignment_is_strict_or_relaxed_as_the_record_says(void **state)
{
    (void)state;
    run(check_alignment);
}

static void check_what_aligned(void)
{
    struct auth_dmarc dmarc;
    evaluate(&(struct dmarc_case){.from = "example.test",
                                  .spf = "pass example.test",
                                  .dkim = "pass strict.test"},
             &dmarc);
    assert_true(dmarc.is_spf_aligned);
    assert_false(dmarc.is_dkim_aligned);
    evaluate(&(struct dmarc_case){.from = "example.test",
                                  .spf = "fail example.test",
                                  .dkim = "pass strict.test, pass x.example.test"},
             &dmarc);
    assert_false(dmarc.is_spf_aligned);
    assert_true(dmarc.is_dkim_aligned);
    assert_str(dmarc.from_domain, "example.test", "from");
    assert_str(dmarc.report_aggregate, "mailto:a@example.test", "rua");
    assert_str(dmarc.report_failure, "mailto:f@example.test", "ruf");
}

static void it_is_told_what_aligned_and_where_reports_go(void **state)
{
    (void)state;
    run(check_what_aligned);
}

/* --- policies and walks --- */

static void check_policies(void)
{
    static const struct dmarc_case cases[] = {
        {"example.test", NULL, NULL, AUTH_FAIL, REJECT, "example.test", NULL},
        {"sub.example.test", NULL, NULL, AUTH_FAIL, QUARANTINE, "example.test", NULL},
        {"deep.sub.example.test", NULL, NULL, AUTH_FAIL, QUARANTINE, "example.test", NULL},
        {"missing.example.test", NULL, NULL, AUTH_FAIL, REJECT, "example.test", NULL},
        {"a.missing.example.test", NULL, NULL, AUTH_FAIL, REJECT, "example.test", NULL},
        {"own.example.test", NULL, NULL, AUTH_FAIL, NONE, "own.example.test", NULL},
        {"missing.np.test", NULL, NULL, AUTH_FAIL, NONE, "np.test", "np.test"},
        {"missing.plain.test", NULL, NULL, AUTH_FAIL, QUARANTINE, "plain.test", NULL},
        {"old.test", NULL, NULL, AUTH_FAIL, QUARANTINE, "old.test", NULL},
        {"a.old.test", "pass b.old.test", NULL, AUTH_PASS, QUARANTINE, "old.test", NULL},
        {"testing.test", NULL, NULL, AUTH_FAIL, QUARANTINE, NULL, NULL},
        {"testing2.test", NULL, NULL, AUTH_FAIL, NONE, NULL, NULL},
        {0},
    };
    check_cases(cases);
}

static void the_policy_is_p_sp_or_np_and_weaker_in_test(void **state)
{
    (void)state;
    run(check_policies);
}

static void check_discovery(void)
{
    static const struct dmarc_case cases[] = {
        {"nothing.test", "pass nothing.test", NULL, AUTH_NONE, NONE, "", "nothing.test"},
        {"a.b.c.nothing.test", "pass nothing.test", NULL, AUTH_NONE, NONE, "", NULL},
        {"test", "pass test", NULL, AUTH_NONE, NONE, "", NULL},
        {"two.test", "pass two.test", NULL, AUTH_NONE, NONE, "", NULL},
        {"beside.test", NULL, NULL, AUTH_FAIL, REJECT, "beside.test", NULL},
        {"badp.test", NULL, NULL, AUTH_FAIL, NONE, "badp.test", NULL},
        {"badsilent.test", NULL, NULL, AUTH_NONE, NONE, "", NULL},
        {"x.badsilent.test", NULL, NULL, AUTH_NONE, NONE, "", NULL},
        {"alias.test", NULL, NULL, AUTH_FAIL, REJECT, "alias.test", NULL},
        {"huge.test", NULL, NULL, AUTH_NONE, NONE, "", NULL},
        {0},
    };
    check_cases(cases);
}

static void a_record_is_one_alone_and_valid(void **state)
{
    (void)state;
    run(check_discovery);
}

static void check_walks(void)
{
    static const struct dmarc_case cases[] = {
        /* the registry's own mail, and that of those below it */
        {"registry.test", "pass registry.test", NULL, AUTH_PASS, REJECT, "registry.test",
         NULL},
        {"registry.test", "pass a.registry.test", NULL, AUTH_FAIL, REJECT, "registry.test",
         "registry.test"},
        {"other.registry.test", NULL, NULL, AUTH_FAIL, QUARANTINE, "registry.test",
         "other.registry.test"},
        {"missing.registry.test", NULL, NULL, AUTH_FAIL, NONE, "registry.test",
         "missing.registry.test"},
        {"other.registry.test", "pass x.other.registry.test", NULL, AUTH_PASS, QUARANTINE,
         NULL, NULL},
        {"other.registry.test", "pass member.registry.test", NULL, AUTH_FAIL, QUARANTINE,
         NULL, NULL},
        {"other.registry.test", "pass registry.test", NULL, AUTH_FAIL, QUARANTINE, NULL,
         NULL},
        {"x.member.registry.test", NULL, NULL, AUTH_FAIL, NONE, "member.registry.test",
         "member.registry.test"},
        /* psd=n cuts a department off */
        {"team.dept.big.test", "pass dept.big.test", NULL, AUTH_PASS, QUARANTINE,
         "dept.big.test", "dept.big.test"},
        {"team.dept.big.test", "pass big.test", NULL, AUTH_FAIL, QUARANTINE,
         "dept.big.test", NULL},
        {"big.test", "pass dept.big.test", NULL, AUTH_FAIL, REJECT, "big.test", "big.test"},
        {"big.test", "pass x.dept.big.test", NULL, AUTH_FAIL, REJECT, "big.test",
         "big.test"},
        /* the shortest name is the Organizational Domain, the Author Domain's record applies */
        {"a.mail.long.test", "pass long.test", NULL, AUTH_PASS, NONE, "a.mail.long.test",
         "long.test"},
        {"b.a.mail.long.test", NULL, NULL, AUTH_FAIL, REJECT, "long.test", "long.test"},
        /* eight labels and more */
        {"b.c.d.e.f.g.jump.test", NULL, NULL, AUTH_FAIL, REJECT, "b.c.d.e.f.g.jump.test",
         NULL},
        {"a.b.c.d.e.f.g.jump.test", NULL, NULL, AUTH_FAIL, QUARANTINE,
         "c.d.e.f.g.jump.test", "c.d.e.f.g.jump.test"},
        {"z.y.a.b.c.d.e.f.g.jump.test", "pass q.c.d.e.f.g.jump.test", NULL, AUTH_PASS,
         QUARANTINE, NULL, NULL},
        {"a.b.r.d.e.f.g.psd.test", "pass b.r.d.e.f.g.psd.test", NULL, AUTH_PASS, REJECT,
         "r.d.e.f.g.psd.test", "b.r.d.e.f.g.psd.test"},
        {0},
    };
    check_cases(cases);
}

static void the_tree_walk_finds_the_organizational_domain(void **state)
{
    (void)state;
    run(check_walks);
}

static void check_query_counts(void)
{
    struct auth_dmarc dmarc;
    char many[300] = "From: a@";
    evaluate(&(struct dmarc_case){.from = "strict.test", .spf = "pass strict.test"},
             &dmarc);
    assert_int_equal(dmarc.query_count, 1);
    for (size_t i = 0; i < 124; i++)
        strcat(many, "a.");
    strcat(many, "a");
    evaluate(&(struct dmarc_case){.from = many}, &dmarc);
    assert_int_equal(dmarc.result, AUTH_NONE);
    assert_int_equal(dmarc.query_count, 8);
    /* four labels of 63 are too long with "_dmarc." in front: the DNS need not be asked for that one */
    evaluate(
        &(struct dmarc_case){.from = "From: a@" L63 "." L63 "." L63 "." L25 L25 ".test"},
        &dmarc);
    assert_int_equal(dmarc.result, AUTH_NONE);
    assert_true(dmarc.query_count <= 8);
    evaluate(
        &(struct dmarc_case){.from = "long.test",
                             .dkim = "pass a.long.test, pass a.long.test, pass a.long.test,"
                                     "pass x.b.other, pass c.d.other.test"},
        &dmarc);
    assert_int_equal(dmarc.result, AUTH_PASS);
    assert_int_equal(dmarc.query_count, 3);
}

static void long_names_cost_no_more_than_eight_questions(void **state)
{
    (void)state;
    run(check_query_counts);
}

/* --- failures --- */

static void check_failures(void)
{
    static const struct dmarc_case cases[] = {
        {"fail.test", "pass fail.test", NULL, AUTH_TEMPERROR, NONE, "", NULL},
        {"x.fail.test", NULL, NULL, AUTH_TEMPERROR, NONE, "", NULL},
        {"silent.test", NULL, NULL, AUTH_TEMPERROR, NONE, "", NULL},
        /* a record is there, the Organizational Domain is unknown: it matters only for who might align */
        {"below.fail.test", "pass below.fail.test", NULL, AUTH_PASS, REJECT, NULL, NULL},
        {"below.fail.test", "pass fail.test", NULL, AUTH_TEMPERROR, REJECT, NULL, NULL},
        {"below.fail.test", "pass foreign.invalid", NULL, AUTH_FAIL, REJECT, NULL, NULL},
        {"below.fail.test", NULL, NULL, AUTH_FAIL, REJECT, NULL, NULL},
        /* SPF and DKIM that could not be told */
        {"plain.test", "temperror plain.test", NULL, AUTH_TEMPERROR, QUARANTINE, NULL,
         NULL},
        {"plain.test", NULL, "temperror x.plain.test", AUTH_TEMPERROR, QUARANTINE, NULL,
         NULL},
        {"plain.test", NULL, "temperror strict.test", AUTH_FAIL, QUARANTINE, NULL, NULL},
        {"plain.test", "temperror plain.test", "pass plain.test", AUTH_PASS, QUARANTINE,
         NULL, NULL},
        /* np depends on whether the domain exists */
        {"unsure.example.test", NULL, NULL, AUTH_TEMPERROR, QUARANTINE, NULL, NULL},
        {"unsure.example.test", "pass example.test", NULL, AUTH_PASS, QUARANTINE, NULL,
         NULL},
        {0},
    };
    check_cases(cases);
}

static void what_the_dns_withholds_is_a_temporary_error(void **state)
{
    (void)state;
    run(check_failures);
}

static void check_deadline(void)
{
    struct message *message = message_new();
    struct auth_spf spf = {0};
    struct auth_dmarc dmarc;
    header_parse(STR("From: a@x.silent.test\r\n\r\n"), message->arena, &message->header);
    struct auth_dmarc_input input = {.message = message, .spf = &spf};
    assert_int_equal(auth_dmarc_evaluate(dns, &input, task_in_ms(20), arena, &dmarc), 0);
    assert_int_equal(dmarc.result, AUTH_TEMPERROR);
    assert_true(task_deadline_set(TASK_FOREVER) == TASK_FOREVER);
    task_cancel(task_current());
    assert_int_equal(auth_dmarc_evaluate(dns, &input, task_in_ms(20), arena, &dmarc),
                     -ECANCELED);
    message_release(message);
}

static void a_deadline_is_a_temporary_error_and_cancelling_ends_it(void **state)
{
    (void)state;
    run(check_deadline);
}

/* --- From --- */

static void check_from(void)
{
    static const char *const bad[] = {
        "Subject: none",
        "From: a@example.test\r\nFrom: a@example.test",
        "From: a@example.test\r\nX: y\r\nFROM : b@old.test",
        "From: a@example.test, b@old.test",
        "From: a@example.test, b@sub.example.test",
        "From: a@[192.0.2.1]",
        "From: a@example.test, b@[192.0.2.1]",
        "From: group: a@example.test;",
        "From: undisclosed:;",
        "From:",
        "From: a",
        "From: <>",
        "From: a@example.test <b@example.test> c@example.test",
        "From: a@-example.test",
        "From: a@" L63 "a.test",
        "From: \"a@example.test",
    };
    static const char *const good[] = {
        "From: a@example.test",
        "from : A <a@EXAMPLE.test>",
        "From:\r\n\t\"b@old.test\" (c@old.test)\r\n <a@example.test>",
        "From: a@example.test, B <b@Example.test>",
        "X-From: b@old.test\r\nFrom: a@example.test\r\nSender: c@old.test",
    };
    struct auth_dmarc dmarc;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        evaluate(&(struct dmarc_case){.from = bad[i], .spf = "pass example.test"}, &dmarc);
        if (dmarc.result != AUTH_PERMERROR || dmarc.from_domain.length ||
            !dmarc.reason.length)
            fail_msg("%s: %s", bad[i], auth_result_name(dmarc.result));
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        evaluate(&(struct dmarc_case){.from = good[i], .spf = "pass example.test"}, &dmarc);
        if (dmarc.result != AUTH_PASS)
            fail_msg("%s: %.*s", good[i], STR_ARG(dmarc.reason));
    }
}

static void there_is_one_from_with_one_domain(void **state)
{
    (void)state;
    run(check_from);
}

static void check_many_fields(void)
{
    struct buf raw;
    struct auth_dmarc dmarc;
    buf_init(&raw, 100000);
    buf_append(&raw, STR("From: a@example.test\r\n"));
    for (size_t i = 0; i < HEADER_FIELDS_MAX; i++)
        buf_append(&raw, STR("X: y\r\n"));
    buf_append(&raw, STR("From: b@old.test"));
    char *text = arena_text(arena, buf_view(&raw));
    evaluate(&(struct dmarc_case){.from = text, .spf = "pass example.test"}, &dmarc);
    assert_int_equal(dmarc.result, AUTH_PERMERROR);
    buf_free(&raw);
}

static void a_from_cannot_hide_behind_thousands_of_fields(void **state)
{
    (void)state;
    run(check_many_fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(alignment_is_strict_or_relaxed_as_the_record_says),
        loop_test(it_is_told_what_aligned_and_where_reports_go),
        loop_test(the_policy_is_p_sp_or_np_and_weaker_in_test),
        loop_test(a_record_is_one_alone_and_valid),
        loop_test(the_tree_walk_finds_the_organizational_domain),
        loop_test(long_names_cost_no_more_than_eight_questions),
        loop_test(what_the_dns_withholds_is_a_temporary_error),
        loop_test(a_deadline_is_a_temporary_error_and_cancelling_ends_it),
        loop_test(there_is_one_from_with_one_domain),
        loop_test(a_from_cannot_hide_behind_thousands_of_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

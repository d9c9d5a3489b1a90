#include <errno.h>
#include <stdio.h>

#include "test.h"

#include "auth/results_header.h"
#include "base/buf.h"

static struct arena *arena;
static struct message *message;
static struct auth_verdict verdict;
static struct auth_options options;

static int open_message(void **state)
{
    (void)state;
    message = message_new();
    arena = message->arena;
    assert_int_equal(net_address_parse(STR("192.0.2.1"), 0, &message->client.address), 0);
    message->client.helo = STR("client.test");
    assert_int_equal(mailbox_parse(STR("anna@sender.test"), arena, &message->reverse_path),
                     0);
    verdict = (struct auth_verdict){.client = {.hostname = STR("")}};
    options = (struct auth_options){
        .authserv_id = STR("mx.example.test"),
        .spf = AUTH_MARK,
        .dkim = AUTH_MARK,
        .dmarc = AUTH_MARK,
        .arc = AUTH_MARK,
    };
    return 0;
}

static int release_message(void **state)
{
    (void)state;
    message_release(message);
    return 0;
}

static void assert_str(struct str s, const char *expected)
{
    if (!str_equal(s, str_of(expected)))
        fail_msg("\n%.*s\nis not\n%s", STR_ARG(s), expected);
}

/* --- reading --- */

static int parse(const char *value, struct auth_results *results)
{
    return auth_results_parse(str_of(value), arena, results);
}

static void a_field_is_read(void **state)
{
    (void)state;
    struct auth_results results;
    assert_int_equal(
        parse(" mx.dest.test 1 (one; two);\r\n"
              "\tspf=pass (dest.test: a \\( b) smtp.mailfrom=\"a b\"@x.test;\r\n"
              "\tdkim/1 = fail reason=\"no \\\"key\\\"\" header . d = x.test "
              "header.b=a/b+c=;\r\n"
              "\tarc=none;",
              &results),
        0);
    assert_str(results.authserv_id, "mx.dest.test");
    assert_int_equal(results.count, 3);
    assert_str(results.items[0].method, "spf");
    assert_str(results.items[0].result, "pass");
    assert_str(results.items[0].reason, "");
    assert_int_equal(results.items[0].property_count, 1);
    assert_str(results.items[0].properties[0].type, "smtp");
    assert_str(results.items[0].properties[0].name, "mailfrom");
    assert_str(results.items[0].properties[0].value, "a b@x.test");
    assert_str(results.items[1].method, "dkim");
    assert_str(results.items[1].reason, "no \"key\"");
    assert_int_equal(results.items[1].property_count, 2);
    assert_str(results.items[1].properties[1].value, "a/b+c=");
    assert_int_equal(results.items[2].property_count, 0);
}

static void large_sealers_fields_are_read(void **state)
{
    (void)state;
    const struct {
        const char *value;
        enum auth_result dmarc;
    } cases[] = {
        {" mx.microsoft.test 1; spf=pass smtp.mailfrom=a.test; dmarc=pass (p=none sp=none "
         "pct=100) action=none header.from=a.test; dkim=pass (signature was verified) "
         "header.d=a.test; arc=none (0)",
         AUTH_PASS},
        {" mx.google.test;\r\n       dkim=pass header.i=@a.test header.s=s1 "
         "header.b=AbC/dEf=;\r\n"
         "       spf=pass (google.test: domain of b@a.test designates 2001:db8::1 as "
         "permitted "
         "sender) smtp.mailfrom=b@a.test;\r\n       dmarc=fail (p=NONE sp=NONE dis=NONE) "
         "header.from=a.test",
         AUTH_FAIL},
        {"x.test; spf=pass smtp.mailfrom=; dmarc=bestguesspass; DMARC=Pass", AUTH_PASS},
        {"x.test; none", AUTH_NONE},
        {"x.test;none ", AUTH_NONE},
        {"x.test", AUTH_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct auth_results results;
        assert_int_equal(parse(cases[i].value, &results), 0);
        assert_int_equal(auth_results_of(&results, STR("dmarc")), cases[i].dmarc);
    }
}

static void a_malformed_field_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        ";",
        "; spf=pass",
        "spf=pass smtp.mailfrom=x",
        "x.test spf=pass",
        "x.test; spf",
        "x.test; spf=",
        "x.test; =pass",
        "x.test; spf=pass smtp.mailfrom",
        "x.test; spf=pass smtp.=a",
        "x.test; spf=pass .mailfrom=a",
        "x.test; spf=pass (open",
        "x.test; spf=pass reason=\"open",
        "x.test; spf=pass )",
        "x.test; spf=pass; none",
        "x.test; none; spf=pass",
        "x.test; none x",
        "(open x.test; spf=pass",
        "\"open; spf=pass",
        "x.test; spf=pass \\",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct auth_results results;
        if (parse(cases[i], &results) != -EINVAL)
            fail_msg("taken: %s", cases[i]);
    }
    struct auth_results results;
    assert_int_equal(auth_results_parse(STR("x.test; spf=pa\0ss"), arena, &results),
                     -EINVAL);
}

static void repeat(struct buf *buf, const char *text, size_t times)
{
    while (times--)
        assert_int_equal(buf_append(buf, str_of(text)), 0);
}

static int parse_repeated(const char *start, const char *text, size_t times)
{
    struct auth_results results;
    struct buf buf;
    buf_init(&buf, (size_t)1 << 20);
    repeat(&buf, start, 1);
    repeat(&buf, text, times);
    int result = auth_results_parse(buf_view(&buf), arena, &results);
    buf_free(&buf);
    return result;
}

static void too_much_of_anything_is_refused(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("x.test", ";a=pass", 64), 0);
    assert_int_equal(parse_repeated("x.test", ";a=pass", 65), -EINVAL);
    assert_int_equal(parse_repeated("x.test;a=pass", " b.c=d", 32), 0);
    assert_int_equal(parse_repeated("x.test;a=pass", " b.c=d", 33), -EINVAL);
    assert_int_equal(parse_repeated("x.test;a=pass b.c=\"", "d", 5000), -EINVAL);
    assert_int_equal(parse_repeated("x.test;a=pass ", "(", 100000), -EINVAL);
}

/* --- forged ones --- */

static size_t count_forged(struct str raw, struct str **ranges)
{
    struct header header;
    header_parse(raw, arena, &header);
    return auth_results_forged(raw, &header, STR("MX.example.test"), arena, ranges);
}

static void forged_fields_are_found_in_every_dress(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "Authentication-Results: mx.example.test; spf=pass",
        "authentication-RESULTS : MX.Example.TEST; spf=pass",
        "Authentication-Results:\r\n mx.example.test\r\n ; spf=pass",
        "Authentication-Results: (a (b) \\) c)\r\n\t(d)mx.example.test(e) 1 (f); spf=pass",
        "Authentication-Results: \"mx.example.test\"; spf=pass",
        "Authentication-Results: \"mx.exam\\ple.\r\n test\"; spf=pass",
        "Authentication-Results: mx.example.test.; spf=pass",
        "Authentication-Results: mx.example.test 1; spf=pass",
        "Authentication-Results: mx.example.test",
        "Authentication-Results: mx.example.test spf=pass",
        "Authentication-Results: mx.example.test/1; spf=pass",
        "Authentication-Results: \uff4d\uff58\u3002example.test; spf=pass",
        "Authentication-Results: mx.exa\u00admple.test; spf=pass",
        "Authentication-Results: \xff\xfe; spf=pass",
        "Authentication-Results: spf=pass",
        "Authentication-Results:",
        "Authentication-Results: (mx.example.test; spf=pass",
        "Authentication-Results: =?utf-8?q?mx.example.test?=; spf=pass",
        "X-Postern-Spam-Score: 0",
        "x-postern-anything: 0",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str raw = str_of(arena_printf(
            arena, "From: a@x.test\r\n%s\r\nTo: b@x.test\r\n\r\nbody\r\n", cases[i]));
        struct str *ranges;
        if (count_forged(raw, &ranges) != 1)
            fail_msg("not found: %s", cases[i]);
        assert_ptr_equal(ranges[0].at, raw.at + 16);
        assert_int_equal(ranges[0].length, strlen(cases[i]) + 2);
    }
}

static void other_peoples_fields_are_left_alone(void **state)
{
    (void)state;
    struct str *ranges;
    assert_int_equal(
        count_forged(STR("Authentication-Results: mx.dest.test; spf=pass\r\n"
                         "Authentication-Results: example.test; spf=pass\r\n"
                         "Authentication-Results: a.mx.example.test 1; spf=pass\r\n"
                         "Authentication-Results: filter_3; none\r\n"
                         "Authentication-Results: filter-; none\r\n"
                         "ARC-Authentication-Results: i=1; mx.example.test; spf=pass\r\n"
                         "X-Posterna: 1\r\n"
                         "X-Authentication-Results: mx.example.test; spf=pass\r\n"
                         "\r\n"
                         "Authentication-Results: mx.example.test; spf=pass\r\n"),
                     &ranges),
        0);
}

static void forged_fields_are_found_behind_thousands_and_in_bulk(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, (size_t)1 << 20);
    repeat(&buf, "A:b\r\n", HEADER_FIELDS_MAX * 2);
    repeat(&buf, "X-Postern-Spam-Score: 0\r\n", 20);
    repeat(&buf, "Authentication-Results: ", 1);
    repeat(&buf, "(comment)\r\n ", 20000);
    repeat(&buf, "mx.example.test; spf=pass\r\n\r\nbody", 1);
    struct str *ranges;
    assert_int_equal(count_forged(buf_view(&buf), &ranges), 21);
    buf_free(&buf);
}

/* --- ours --- */

static struct str fields(const char *quarantined_by)
{
    return auth_results_fields(&options, message, &verdict, quarantined_by, arena);
}

static void our_field_tells_every_check(void **state)
{
    (void)state;
    verdict.client =
        (struct auth_client){.hostname = STR("client.test"), .iprev = AUTH_PASS};
    verdict.spf = (struct auth_spf){.result = AUTH_PASS,
                                    .domain = STR("sender.test"),
                                    .mechanism = STR("include:_spf.sender.test")};
    verdict.dkim[0] = (struct auth_dkim){.result = AUTH_PASS,
                                         .domain = STR("sender.test"),
                                         .selector = STR("s1"),
                                         .algorithm = STR("rsa-sha256"),
                                         .signature = STR("AbC/dEf="),
                                         .key_bits = 2048};
    verdict.dkim[1] = (struct auth_dkim){.result = AUTH_FAIL,
                                         .domain = STR("list.test"),
                                         .reason = STR("body hash did not verify")};
    verdict.dkim_count = 2;
    verdict.dmarc = (struct auth_dmarc){.result = AUTH_PASS,
                                        .policy = DMARC_POLICY_REJECT,
                                        .from_domain = STR("sender.test"),
                                        .policy_domain = STR("sender.test")};
    verdict.arc = (struct auth_arc){.result = AUTH_PASS, .count = 1, .oldest_pass = 1};
    verdict.arc.sets[0] = (struct auth_arc_set){.instance = 1, .sealer = STR("list.test")};
    assert_str(fields(""),
               "Authentication-Results: mx.example.test;\r\n"
               "\tiprev=pass (client.test) policy.iprev=192.0.2.1;\r\n"
               "\tspf=pass (include:_spf.sender.test) smtp.mailfrom=anna@sender.test;\r\n"
               "\tdkim=pass (2048-bit key) header.d=sender.test header.s=s1\r\n"
               "\theader.a=rsa-sha256 header.b=\"AbC/dEf=\";\r\n"
               "\tdkim=fail (body hash did not verify) header.d=list.test;\r\n"
               "\tdmarc=pass (p=reject of sender.test) header.from=sender.test\r\n"
               "\tpolicy.dmarc=reject;\r\n"
               "\tarc=pass (i=1 by list.test) smtp.remote-ip=192.0.2.1\r\n"
               "\theader.oldest-pass=1\r\n");
}

static void a_check_that_is_off_is_not_told(void **state)
{
    (void)state;
    options.spf = options.dkim = options.dmarc = AUTH_OFF;
    assert_str(fields(""), "Authentication-Results: mx.example.test;\r\n\tarc=none\r\n");
    options.arc = AUTH_OFF;
    assert_str(fields(""), "Authentication-Results: mx.example.test; none\r\n");
}

static void helo_stands_for_a_null_reverse_path(void **state)
{
    (void)state;
    options.dkim = options.dmarc = options.arc = AUTH_OFF;
    message->reverse_path = (struct mailbox){.text = STR(""), .is_null = true};
    message->client.helo = STR("a b");
    assert_str(fields(""), "Authentication-Results: mx.example.test;\r\n"
                           "\tspf=none smtp.helo=\"a b\"\r\n");
}

static void marks_follow_the_results(void **state)
{
    (void)state;
    options.spf = options.dkim = options.dmarc = options.arc = AUTH_OFF;
    options.scores_spam = true;
    const struct auth_list_hit hits[] = {
        {.zone = STR("bl.test"), .code = STR("127.0.0.2")},
        {.zone = STR("wl.test"), .code = STR("127.0.0.3"), .is_allowed = true},
    };
    verdict.client.hits = hits;
    verdict.client.hit_count = 2;
    verdict.spam_score = 1.25;
    verdict.spam_reasons = STR("html_only=0.5 no_date=0.8");
    assert_str(fields("dmarc"),
               "Authentication-Results: mx.example.test; none\r\n"
               "X-Postern-Spam-Score: 1.2 (html_only=0.5 no_date=0.8)\r\n"
               "X-Postern-Block-List: bl.test=127.0.0.2 wl.test=127.0.0.3/allowed\r\n"
               "X-Postern-Quarantine: dmarc\r\n");
}

/* What is written reads back as what was meant: no value and no comment has become syntax. */
static void check_nothing_broke_out(struct str evil)
{
    struct header header;
    struct auth_results results;
    struct str written = fields("");
    header_parse(written, arena, &header);
    assert_int_equal(header.count, 1);
    assert_int_equal(header.body_offset, written.length);
    assert_int_equal(auth_results_parse(header.fields[0].value, arena, &results), 0);
    assert_int_equal(results.count, 5);
    for (size_t i = 0; i < results.count; i++)
        assert_string_equal(
            auth_result_name(auth_results_of(&results, results.items[i].method)), "fail");
    assert_int_equal(results.items[1].property_count, 1);
    struct str value = results.items[1].properties[0].value;
    assert_true(value.length == evil.length || value.length == 254);
    struct str rest = written;
    while (rest.length) {
        struct str line = str_cut(&rest, '\n');
        assert_true(line.length <= 998);
        assert_true(str_trim(line).length > 0);
    }
}

static void nothing_breaks_out_of_its_place(void **state)
{
    (void)state;
    static char long_text[3000];
    memset(long_text, '"', sizeof long_text);
    const struct str evils[] = {
        STR("x); dmarc=pass (y"),
        STR("\"; dmarc=pass; x=\""),
        STR("a\r\nX-Postern: b"),
        STR("a\r\n\r\nbody"),
        STR("\\"),
        STR("\\\""),
        STR("(((("),
        STR("a\0b"),
        STR("  two  blanks  "),
        STR("\xc3\xa9\xff"),
        STR("a;b"),
        STR("\x7f\x01"),
        {long_text, sizeof long_text},
    };
    for (size_t i = 0; i < sizeof evils / sizeof *evils; i++) {
        struct str evil = evils[i];
        verdict.client = (struct auth_client){.hostname = evil, .iprev = AUTH_FAIL};
        verdict.spf = (struct auth_spf){
            .result = AUTH_FAIL, .domain = evil, .mechanism = evil, .reason = evil};
        message->reverse_path.text = evil;
        verdict.dkim[0] =
            (struct auth_dkim){AUTH_FAIL, evil, evil, evil, evil, evil, evil, 1};
        verdict.dkim_count = 1;
        verdict.dmarc = (struct auth_dmarc){.result = AUTH_FAIL,
                                            .from_domain = evil,
                                            .policy_domain = evil,
                                            .reason = evil};
        verdict.arc = (struct auth_arc){.result = AUTH_FAIL, .count = 1, .reason = evil};
        verdict.arc.sets[0].sealer = evil;
        check_nothing_broke_out(evil);
    }
}

static void the_worst_case_stays_within_bounds(void **state)
{
    (void)state;
    static char long_text[3000];
    memset(long_text, '"', sizeof long_text);
    struct str evil = {long_text, sizeof long_text};
    for (size_t i = 0; i < AUTH_DKIM_MAX; i++)
        verdict.dkim[i] =
            (struct auth_dkim){AUTH_FAIL, evil, evil, evil, evil, evil, evil, 1};
    verdict.dkim_count = AUTH_DKIM_MAX;
    verdict.has_more_dkim = true;
    assert_true(fields("").length < 40000);
}

static void utf8_is_kept_where_the_message_may_have_it(void **state)
{
    (void)state;
    options.dkim = options.dmarc = options.arc = AUTH_OFF;
    message->reverse_path.text = STR("zo\u00eb@sender.test");
    assert_str(fields(""), "Authentication-Results: mx.example.test;\r\n"
                           "\tspf=none smtp.mailfrom=\"zo??@sender.test\"\r\n");
    message->is_utf8 = true;
    assert_str(fields(""), "Authentication-Results: mx.example.test;\r\n"
                           "\tspf=none smtp.mailfrom=zo\u00eb@sender.test\r\n");
}

#define message_test(name)                                                                 \
    cmocka_unit_test_setup_teardown(name, open_message, release_message)

int main(void)
{
    const struct CMUnitTest tests[] = {
        message_test(a_field_is_read),
        message_test(large_sealers_fields_are_read),
        message_test(a_malformed_field_is_refused),
        message_test(too_much_of_anything_is_refused),
        message_test(forged_fields_are_found_in_every_dress),
        message_test(other_peoples_fields_are_left_alone),
        message_test(forged_fields_are_found_behind_thousands_and_in_bulk),
        message_test(our_field_tells_every_check),
        message_test(a_check_that_is_off_is_not_told),
        message_test(helo_stands_for_a_null_reverse_path),
        message_test(marks_follow_the_results),
        message_test(nothing_breaks_out_of_its_place),
        message_test(the_worst_case_stays_within_bounds),
        message_test(utf8_is_kept_where_the_message_may_have_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

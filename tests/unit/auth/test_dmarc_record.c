/* DMARC records of every form: what is one, what its tags say, and what hostile ones cost. */
#include "test.h"

#include "auth/dmarc_record.h"
#include "base/mem.h"

static struct arena *arena;

static int open_arena(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

#define record_test(name) cmocka_unit_test_setup_teardown(name, open_arena, close_arena)

static void assert_str(struct str s, const char *expected)
{
    if (!str_equal(s, str_of(expected)))
        fail_msg("\"%.*s\" instead of \"%s\"", STR_ARG(s), expected);
}

static struct dmarc_record parse(struct str text)
{
    struct dmarc_record record;
    assert_true(dmarc_record_is_one(text));
    dmarc_record_parse(text, arena, &record);
    return record;
}

static void only_v_dmarc1_in_front_makes_a_record(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_one;
    } cases[] = {
        {"v=DMARC1", true},
        {"v=DMARC1;", true},
        {"v=DMARC1;p=none", true},
        {"v = DMARC1 ; p=none", true},
        {"V=DMARC1; p=none", true},
        {"v\t=\tDMARC1", true},
        {"", false},
        {"v", false},
        {";v=DMARC1", false},
        {" v=DMARC1", false},
        {"v=dmarc1", false},
        {"v=DMARC2; p=none", false},
        {"v=DMARC1 p=none", false},
        {"v=DMARC10; p=none", false},
        {"p=none; v=DMARC1", false},
        {"v=spf1 -all", false},
        {"v==DMARC1", false},
        {"v=DMARC1=; p=none", false},
        {"vv=DMARC1", false},
        {"v=", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (dmarc_record_is_one(str_of(cases[i].text)) != cases[i].is_one)
            fail_msg("\"%s\"", cases[i].text);
}

static void tags_are_read_in_any_order_and_case(void **state)
{
    (void)state;
    struct dmarc_record record = parse(
        STR("v=DMARC1; aspf = s ;adkim=S;t=y;psd=n; NP=Reject;sp=quarantine;P=NONE ;"));
    assert_int_equal(record.policy, DMARC_REQUEST_NONE);
    assert_int_equal(record.subdomain_policy, DMARC_REQUEST_QUARANTINE);
    assert_int_equal(record.nonexistent_policy, DMARC_REQUEST_REJECT);
    assert_int_equal(record.psd, DMARC_PSD_NO);
    assert_true(record.is_test && record.is_dkim_strict && record.is_spf_strict);
    assert_true(dmarc_record_is_usable(&record));
}

static void defaults_stand_for_what_is_missing_or_no_value(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "v=DMARC1; p=reject",
        "v=DMARC1; p=reject; adkim=x; aspf=; psd=maybe; t=yes; fo=nonsense",
        "v=DMARC1; p=reject; pct=0; rf=afrf; ri=0; future=1; =; ;; junk; x=y=z",
        "v=DMARC1; p=reject; p=none; adkim=r; adkim=s",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct dmarc_record record = parse(str_of(texts[i]));
        assert_int_equal(record.policy, DMARC_REQUEST_REJECT);
        assert_int_equal(record.subdomain_policy, DMARC_REQUEST_ABSENT);
        assert_int_equal(record.psd, DMARC_PSD_UNKNOWN);
        assert_false(record.is_test || record.is_dkim_strict || record.is_spf_strict);
    }
}

static void invalid_policies_are_none_for_those_who_want_reports(void **state)
{
    (void)state;
    static const char *const faults[] = {
        "p=rejct",       "sp=none",   "p=", "p=reject; sp=quarantin",
        "p=reject; np=", "np=reject", ""};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct str silent =
            str_of(arena_printf(arena, "v=DMARC1; %s; rua=ftp:", faults[i]));
        struct str told =
            str_of(arena_printf(arena, "v=DMARC1; rua=mailto:a@b.test; %s", faults[i]));
        struct dmarc_record record = parse(silent);
        assert_false(dmarc_record_is_usable(&record));
        record = parse(told);
        assert_true(dmarc_record_is_usable(&record));
        assert_int_equal(record.policy, DMARC_REQUEST_NONE);
        assert_int_equal(record.subdomain_policy, DMARC_REQUEST_ABSENT);
        assert_int_equal(record.nonexistent_policy, DMARC_REQUEST_ABSENT);
    }
}

static void reporting_addresses_are_valid_uris(void **state)
{
    (void)state;
    static const struct {
        const char *list, *kept;
    } cases[] = {
        {"mailto:a@b.test", "mailto:a@b.test"},
        {" mailto:a@b.test , MAILTO:c@d.test!10m,,", "mailto:a@b.test,MAILTO:c@d.test"},
        {"https://r.test/dmarc?x=1#f", "https://r.test/dmarc?x=1#f"},
        {"mailto:a%2Cb@b.test", "mailto:a%2Cb@b.test"},
        {"mailto:a@b.test?subject=x", "mailto:a@b.test?subject=x"},
        {"mailto:a@b test", ""},
        {"mailto:a%2@b.test", ""},
        {"mailto:a%zz@b.test", ""},
        {"mailto:@b.test", ""},
        {"mailto:b.test", ""},
        {"mailto:a@", ""},
        {"mailto:a@-b.test", ""},
        {"mailto:\"a\"@b.test", ""},
        {"a@b.test", ""},
        {":a@b.test", ""},
        {"1x:a", ""},
        {"x:", ""},
        {"mailto:a@b.test\r\nBcc:", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dmarc_record record = parse(str_of(arena_printf(
            arena, "v=DMARC1; p=none; rua=%s; ruf=%s", cases[i].list, cases[i].list)));
        assert_str(record.report_aggregate, cases[i].kept);
        assert_str(record.report_failure, cases[i].kept);
    }
}

static void reporting_addresses_are_bounded(void **state)
{
    (void)state;
    size_t bytes = 60000;
    char *list = arena_alloc(arena, bytes + 32);
    memcpy(list, "v=DMARC1;p=none;rua=", 20);
    for (size_t i = 20; i + 7 < bytes; i += 7)
        memcpy(list + i, "x:4567,", 7);
    struct dmarc_record record = parse(str_of(list));
    assert_int_equal(record.report_aggregate.length, DMARC_REPORT_URIS_MAX * 7 - 1);
    memset(list + 22, 'y', bytes - 22);
    record = parse((struct str){list, bytes});
    assert_int_equal(record.report_aggregate.length, 0);
}

static void many_tags_and_bytes_of_any_kind_are_read_past(void **state)
{
    (void)state;
    size_t bytes = 65536;
    char *text = arena_alloc(arena, bytes);
    memcpy(text, "v=DMARC1;", 9);
    for (size_t i = 9; i < bytes; i++)
        text[i] = "a=\0;\xFF=p"[i % 7];
    memcpy(text + bytes - 9, ";p=reject", 9);
    struct dmarc_record record = parse((struct str){text, bytes});
    assert_int_equal(record.policy, DMARC_REQUEST_REJECT);
    memset(text + 9, ';', bytes - 9);
    record = parse((struct str){text, bytes});
    assert_false(dmarc_record_is_usable(&record));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        record_test(only_v_dmarc1_in_front_makes_a_record),
        record_test(tags_are_read_in_any_order_and_case),
        record_test(defaults_stand_for_what_is_missing_or_no_value),
        record_test(invalid_policies_are_none_for_those_who_want_reports),
        record_test(reporting_addresses_are_valid_uris),
        record_test(reporting_addresses_are_bounded),
        record_test(many_tags_and_bytes_of_any_kind_are_read_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

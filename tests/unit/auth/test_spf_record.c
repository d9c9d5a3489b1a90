/* The syntax of SPF records and what macros expand to: tables, no DNS. */
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "auth/spf_macro.h"
#include "auth/spf_record.h"

static bool is_valid(const char *text)
{
    struct spf_record record;
    struct err err;
    return spf_record_parse(str_of(text), &record, &err) == 0;
}

static void good_records_are_taken(void **state)
{
    (void)state;
    static const char *const records[] = {
        "v=spf1",
        "V=SPF1  +ALL ",
        "v=spf1 a mx ptr include:a.test exists:%{i}.a.test ?all",
        "v=spf1 a/0 a//0 a/32//128 a:a.test/24 mx:a.test//64 A:a.test/24//64",
        "v=spf1 a:a/b.test/24 a:a.test. a:%{d}/8 a:%%.%{d2r./} a:a.x-1 a:a.1a",
        "v=spf1 ip4:192.0.2.0/24 ip4:0.0.0.0/0 ip6:::/0 ip6:2001:db8::1/128 ip6:::1.2.3.4",
        "v=spf1 redirect=%{d}.test exp=why.test",
        "v=spf1 a=%{c} all.all=x x-y_z.1=:/%{t} x=",
        "v=spf1 exists:%{L1R+-.,/_=}.%{S}.%{o}.%{h}.%{v}.%{p}%{d999999999999999999999}",
        "v=spf1 a:.test a:a..test", /* no name, but well-formed */
    };
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        if (!is_valid(records[i]))
            fail_msg("refused: %s", records[i]);
    }
}

static const char *const bad_terms[] = {
    "moo",
    "moo:a.test",
    "1x=y",
    "=x",
    "-x=y",
    "+redirect=a.test",
    "?exp=a.test",
    "redirect:a.test",
    "redirect=",
    "redirect=test",
    "redirect=a.test/24",
    "redirect=a.test redirect=a.test",
    "exp=a.test exp=a.test",
    "exp=%{c}.test",
    "x=%",
    "x=%a",
    "x=%{",
    "x=%{}",
    "x=%{d0}",
    "x=%{dr1}",
    "x=%{d*}",
    "x=%{a}",
    "x=%{d",
    "all:",
    "all.",
    "all/8",
    "--all",
    "+",
    "a:",
    "a:test",
    "a:test.",
    "a:1.2.3.4",
    "a:a.-test",
    "a:a.test-",
    "a:a.te_st",
    "a:a.test:80",
    "a:%{d}test",
    "a:a.test..",
    "a:%{r}.test",
    "a/",
    "a//",
    "a/33",
    "a/032",
    "a/00",
    "a//129",
    "a//64/24",
    "a///24",
    "a/24/64",
    "a:/24",
    "a.test",
    "a/8a",
    "mx:",
    "ptr/0",
    "ptr:",
    "include",
    "include:",
    "include/8",
    "include:a.test/8",
    "exists",
    "exists:a.test/24",
    "ip4",
    "ip4:",
    "ip4/8",
    "ip4:1.2.3",
    "ip4:1.2.3.256",
    "ip4:01.2.3.4",
    "ip4:1.2.3.4/",
    "ip4:1.2.3.4/33",
    "ip4:1.2.3.4//32",
    "ip4:::1",
    "ip4:%{i}",
    "ip6:1.2.3.4",
    "ip6:::1/129",
    "ip6:[::1]",
    "ip6:::1%lo",
    "ip6:2001:db8:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111",
    "a:a.test\t-all",
    "a:a.test\r",
    "\357\273\277all",
    "x=\x80",
    "a:%{d}\x7F.test",
};

static void bad_records_are_refused(void **state)
{
    (void)state;
    char record[200];
    for (size_t i = 0; i < sizeof bad_terms / sizeof *bad_terms; i++) {
        snprintf(record, sizeof record, "v=spf1 -all %s", bad_terms[i]);
        if (is_valid(record))
            fail_msg("taken: %s", record);
    }
}

static void only_spf1_is_a_record(void **state)
{
    (void)state;
    assert_true(spf_record_is(STR("v=spf1")));
    assert_true(spf_record_is(STR("V=sPf1 moo")));
    assert_false(spf_record_is(STR("v=spf10")));
    assert_false(spf_record_is(STR("v=spf1\t-all")));
    assert_false(spf_record_is(STR(" v=spf1")));
    assert_false(spf_record_is(STR("v=spf")));
    assert_false(spf_record_is(STR("")));
}

static void a_nul_hides_nothing(void **state)
{
    (void)state;
    struct spf_record record;
    struct err err;
    assert_int_equal(spf_record_parse(STR("v=spf1 ip4:1.2.3.4\0.test"), &record, &err),
                     -EINVAL);
}

static void long_terms_are_refused_in_few_words(void **state)
{
    (void)state;
    char text[3000];
    struct spf_record record;
    struct err err;
    memset(text, 'a', sizeof text);
    memcpy(text, "v=spf1 a:", 9);
    memcpy(text + sizeof text - 5, ".test", 5);
    assert_int_equal(spf_record_parse((struct str){text, sizeof text}, &record, &err),
                     -EINVAL);
    assert_true(strlen(err.text) < 100);
}

static void directives_come_one_by_one(void **state)
{
    (void)state;
    struct spf_record record;
    struct spf_directive directive;
    struct err err;
    struct str text = STR("v=spf1 redirect=b.test  ~a:%{d}/24//64 x=y -ip4:192.0.2.0/25 ");
    assert_int_equal(spf_record_parse(text, &record, &err), 0);
    assert_true(str_equal(record.redirect, STR("b.test")));
    struct str rest = record.terms;
    assert_true(spf_record_next(&rest, &directive));
    assert_int_equal(directive.mechanism, SPF_A);
    assert_int_equal(directive.qualifier, AUTH_SOFTFAIL);
    assert_true(str_equal(directive.text, STR("~a:%{d}/24//64")));
    assert_true(str_equal(directive.domain_spec, STR("%{d}")));
    assert_int_equal(directive.prefix_v4, 24);
    assert_int_equal(directive.prefix_v6, 64);
    assert_true(spf_record_next(&rest, &directive));
    assert_int_equal(directive.mechanism, SPF_IP4);
    assert_int_equal(directive.network.prefix_bits, 25);
    assert_false(spf_record_next(&rest, &directive));
}

/* --- macros --- */

static const struct spf_macro_values values = {
    .sender = {"Strong-Bad.x@email.a.test", 25},
    .local = {"Strong-Bad.x", 12},
    .sender_domain = {"email.a.test", 12},
    .domain = {"spf.b.test", 10},
    .address = {"192.0.2.3", 9},
    .validated = {"mx.c.test", 9},
    .helo = {"[a b]\xFF~", 7},
};

static void macros_expand(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *domain;
    } cases[] = {
        {"%{s}", "strong-bad.x@email.a.test"},
        {"%{o}.%{d}.%{p}", "email.a.test.spf.b.test.mx.c.test"},
        {"%{d2}", "b.test"},
        {"%{d1}", "test"},
        {"%{d9}", "spf.b.test"},
        {"%{dr}", "test.b.spf"},
        {"%{d2r}", "b.spf"},
        {"%{d1r}", "spf"},
        {"%{l-}", "strong.bad.x"},
        {"%{lr-}", "bad.x.strong"},
        {"%{l1r-}", "strong"},
        {"%{l1-}", "bad.x"},
        {"%{l.-}", "strong.bad.x"},
        {"%{lr.-}", "x.bad.strong"},
        {"%{s1r=}", "strong-bad.x@email.a.test"},
        {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.b.test"},
        {"%{H}.test", "%5ba%20b%5d%ff~.test"},
        {"a%%b%_c%-d.test", "a%b c%20d.test"},
        {"a.test.", "a.test"},
        {"A.Test", "a.test"},
    };
    struct arena *arena = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(spf_macro_is_domain_spec(str_of(cases[i].spec)));
        struct str domain = spf_macro_expand(str_of(cases[i].spec), &values, arena);
        assert_string_equal(domain.at, cases[i].domain);
        assert_int_equal(domain.length, strlen(cases[i].domain));
    }
    arena_free(arena);
}

static void addresses_of_ipv6_are_nibbles_of_ip6(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct spf_macro_values v6 = {.address = {"2.0.0.1", 7}, .is_v6 = true};
    assert_string_equal(spf_macro_expand(STR("%{ir}.%{v}.test"), &v6, arena).at,
                        "1.0.0.2.ip6.test");
    arena_free(arena);
}

static void labels_fall_off_at_the_start_of_a_long_name(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    char spec[1024] = "";
    for (int i = 0; i < 127; i++)
        strcat(spec, "%{d}");
    memset(spec + 508, 'x', 60);
    strcpy(spec + 568, ".test");
    struct str domain = spf_macro_expand(str_of(spec), &values, arena);
    assert_true(domain.length <= 253);
    assert_true(domain.length > 253 - 64);
    assert_true(str_starts(domain, STR("testspf.b.")) || str_starts(domain, STR("b.")));
    assert_true(str_ends_nocase(domain, STR("xxxx.test")));
    struct spf_macro_values edge = values;
    char label[260];
    memset(label, 'y', sizeof label);
    label[1] = '.';
    edge.domain = (struct str){label + 1, 254}; /* ".yyy…": falls to just 253 */
    assert_int_equal(spf_macro_expand(STR("%{d}"), &edge, arena).length, 253);
    edge.domain = (struct str){label, 255};
    assert_int_equal(spf_macro_expand(STR("%{d}"), &edge, arena).length, 253);
    arena_free(arena);
}

static void letters_are_found_in_macros_only(void **state)
{
    (void)state;
    assert_true(spf_macro_uses(STR("a.%{P}"), 'p'));
    assert_false(spf_macro_uses(STR("p.%{d}%%{p"), 'p'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_records_are_taken),
        cmocka_unit_test(bad_records_are_refused),
        cmocka_unit_test(only_spf1_is_a_record),
        cmocka_unit_test(a_nul_hides_nothing),
        cmocka_unit_test(long_terms_are_refused_in_few_words),
        cmocka_unit_test(directives_come_one_by_one),
        cmocka_unit_test(macros_expand),
        cmocka_unit_test(addresses_of_ipv6_are_nibbles_of_ip6),
        cmocka_unit_test(labels_fall_off_at_the_start_of_a_long_name),
        cmocka_unit_test(letters_are_found_in_macros_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

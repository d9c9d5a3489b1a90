#include <errno.h>

#include "arena_fixture.h"
#include "test.h"

#include "mail/domain.h"

#define LABEL_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void domains_get_their_normal_form(void **state)
{
    (void)state;
    static const struct {
        const char *given, *normal;
    } cases[] = {
        {"example.com", "example.com"},
        {"EXAMPLE.Com", "example.com"},
        {"example.com.", "example.com"},
        {"localhost", "localhost"},
        {"1.2.3.4", "1.2.3.4"},
        {"_dmarc.Example.com", "_dmarc.example.com"},
        {"r3---sn-a.example.com", "r3---sn-a.example.com"},
        {"Piñata.ES", "xn--piata-pta.es"},
        {"XN--PIATA-PTA.es", "xn--piata-pta.es"},
        {"faß.de", "xn--fa-hia.de"},
        {"例え。テスト", "xn--r8jz45g.xn--zckzah"},
        {"ｅｘａｍｐｌｅ.com", "example.com"},
        {"n\xCC\x83.es", "xn--ida.es"},
        {"_dmarc.ñ.es.", "_dmarc.xn--ida.es"},
        {LABEL_63 "." LABEL_63 ".x", LABEL_63 "." LABEL_63 ".x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str normal;
        assert_int_equal(domain_normalize(str_of(cases[i].given), arena, &normal), 0);
        assert_string_equal(arena_text(arena, normal), cases[i].normal);
    }
}

static void bad_domains_are_refused(void **state)
{
    (void)state;
    const struct str cases[] = {
        STR(""),
        STR("."),
        STR(".."),
        STR("a..b"),
        STR(".a"),
        STR("a.."),
        STR("-a.com"),
        STR("a-.com"),
        STR("a.-"),
        STR("a b.com"),
        STR("a\0b.com"),
        STR("ñ\0.com"),
        STR("a/b"),
        STR("a@b"),
        STR("[1.2.3.4]"),
        STR("a\r\n.com"),
        STR("a\x7F"),
        STR("\xFF\xFE.com"),
        STR("\xC3.com"),
        STR("℀.com"),
        STR("☃.net"),
        STR("ñ b.com"),
        STR("xn--a.ñ.com"),
        STR("\xC2\xAD"),
        STR("a" LABEL_63 ".com"),
        STR(LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str normal;
        if (domain_normalize(cases[i], arena, &normal) != -EINVAL)
            fail_msg("accepted: %.*s", STR_ARG(cases[i]));
    }
}

static void a_domain_of_253_bytes_is_the_longest(void **state)
{
    (void)state;
    char text[2000];
    struct str normal;
    memset(text, 'a', sizeof text);
    for (size_t i = 49; i < sizeof text; i += 50)
        text[i] = '.';
    assert_int_equal(domain_normalize((struct str){text, 253}, arena, &normal), 0);
    assert_int_equal(normal.length, 253);
    assert_int_equal(domain_normalize((struct str){text, 254}, arena, &normal), -EINVAL);
    assert_int_equal(domain_normalize((struct str){text, sizeof text}, arena, &normal),
                     -EINVAL);
}

static void people_see_unicode(void **state)
{
    (void)state;
    static const struct {
        const char *normal, *unicode;
    } cases[] = {
        {"xn--piata-pta.es", "piñata.es"},
        {"example.com", "example.com"},
        {"xn--a.com", "xn--a.com"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str unicode = domain_to_unicode(str_of(cases[i].normal), arena);
        assert_string_equal(arena_text(arena, unicode), cases[i].unicode);
    }
}

static void a_domain_is_within_itself_and_those_above(void **state)
{
    (void)state;
    assert_true(domain_is_within(STR("example.com"), STR("example.com")));
    assert_true(domain_is_within(STR("a.b.example.com"), STR("example.com")));
    assert_true(domain_is_within(STR("example.com"), STR("com")));
    assert_false(domain_is_within(STR("badexample.com"), STR("example.com")));
    assert_false(domain_is_within(STR("com"), STR("example.com")));
    assert_false(domain_is_within(STR("example.com"), STR("")));
    assert_false(domain_is_within(STR(""), STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(domains_get_their_normal_form),
        cmocka_unit_test(bad_domains_are_refused),
        cmocka_unit_test(a_domain_of_253_bytes_is_the_longest),
        cmocka_unit_test(people_see_unicode),
        cmocka_unit_test(a_domain_is_within_itself_and_those_above),
    };
    return cmocka_run_group_tests(tests, open_arena, free_arena);
}

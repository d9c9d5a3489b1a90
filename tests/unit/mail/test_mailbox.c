#include <errno.h>

#include "arena_fixture.h"
#include "test.h"

#include "mail/mailbox.h"

/* A bounce address that has been forwarded once: over 64 bytes. */
#define VERP                                                                               \
    "SRS0=x7Qz=YA=bounce.sender.test=0100018c1f2e3d4c-5b6a7988-1234-5678-9abc-000000"

static void addresses_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *given, *text, *local, *domain, *ascii;
        bool is_utf8;
    } cases[] = {
        {"Anna@Example.com", "Anna@Example.com", "Anna", "example.com", "Anna@example.com",
         false},
        {"a.b+c=d@x.test", "a.b+c=d@x.test", "a.b+c=d", "x.test", "a.b+c=d@x.test", false},
        {"!#$%&'*+-/=?^_`{|}~@x", "!#$%&'*+-/=?^_`{|}~@x", "!#$%&'*+-/=?^_`{|}~", "x",
         "!#$%&'*+-/=?^_`{|}~@x", false},
        {"\"a b\"@x", "\"a b\"@x", "a b", "x", "\"a b\"@x", false},
        {"\"plain\"@x", "plain@x", "plain", "x", "plain@x", false},
        {"\"a@b\"@x", "\"a@b\"@x", "a@b", "x", "\"a@b\"@x", false},
        {"\"a\\\"\\\\b\"@x", "\"a\\\"\\\\b\"@x", "a\"\\b", "x", "\"a\\\"\\\\b\"@x", false},
        {"\"\\a..\"@x", "\"a..\"@x", "a..", "x", "\"a..\"@x", false},
        {"josé@piñata.es", "josé@piñata.es", "josé", "xn--piata-pta.es",
         "josé@xn--piata-pta.es", true},
        {"jo@piñata.es", "jo@piñata.es", "jo", "xn--piata-pta.es", "jo@xn--piata-pta.es",
         false},
        {"\"é \"@x", "\"é \"@x", "é ", "x", "\"é \"@x", true},
        {"a@[192.0.2.1]", "a@[192.0.2.1]", "a", "[192.0.2.1]", "a@[192.0.2.1]", false},
        {"a@[IPv6:2001:DB8::0:1]", "a@[IPv6:2001:DB8::0:1]", "a", "[IPv6:2001:db8::1]",
         "a@[IPv6:2001:db8::1]", false},
        {"a@[ipv6:::ffff:192.0.2.1]", "a@[ipv6:::ffff:192.0.2.1]", "a", "[192.0.2.1]",
         "a@[192.0.2.1]", false},
        {VERP "@x", VERP "@x", VERP, "x", VERP "@x", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mailbox mailbox;
        if (mailbox_parse(str_of(cases[i].given), arena, &mailbox) != 0)
            fail_msg("refused: %s", cases[i].given);
        assert_string_equal(arena_text(arena, mailbox.text), cases[i].text);
        assert_string_equal(arena_text(arena, mailbox.local), cases[i].local);
        assert_string_equal(arena_text(arena, mailbox.domain), cases[i].domain);
        assert_string_equal(arena_text(arena, mailbox_ascii_text(&mailbox, arena)),
                            cases[i].ascii);
        assert_int_equal(mailbox.is_utf8, cases[i].is_utf8);
        assert_false(mailbox.is_null);
    }
}

static void bad_addresses_are_refused(void **state)
{
    (void)state;
    const struct str cases[] = {
        STR(""),
        STR("@"),
        STR("a"),
        STR("a@"),
        STR("@x"),
        STR("<a@x>"),
        STR("<>"),
        STR("a b@x"),
        STR(" a@x"),
        STR("a@x "),
        STR(".a@x"),
        STR("a.@x"),
        STR("a..b@x"),
        STR(".@x"),
        STR("a@b@x"),
        STR("a(b)@x"),
        STR("a,b@x"),
        STR("a:b@x"),
        STR("a;b@x"),
        STR("@r:a@x"),
        STR("\"\"@x"),
        STR("\"a@x"),
        STR("\"a\\\"@x"),
        STR("\"a\\"),
        STR("\""),
        STR("\"a\"b@x"),
        STR("b\"a\"@x"),
        STR("\"a\".b@x"),
        STR("\"a\tb\"@x"),
        STR("\"a\rb\"@x"),
        STR("\"a\nb\"@x"),
        STR("\"a\\\nb\"@x"),
        STR("\"a\\\xC3\xA9\"@x"),
        STR("\"a\x7F\"@x"),
        STR("a\0b@x"),
        STR("a\r\n@x"),
        STR("a\x7F@x"),
        STR("a@x\r\n"),
        STR("a@x\0y"),
        STR("a@x."),
        STR("a@.x"),
        STR("a@x..y"),
        STR("a@-x"),
        STR("a@x/y"),
        STR("\xFF@x"),
        STR("\xC3@x"),
        STR("\xC0\x80@x"),
        STR("\xED\xA0\x80@x"),
        STR("\xF4\x90\x80\x80@x"),
        STR("a@\xC3.com"),
        STR("a@[]"),
        STR("a@["),
        STR("a@[192.0.2.1"),
        STR("a@192.0.2.1]"),
        STR("a@[192.0.2.256]"),
        STR("a@[192.0.2]"),
        STR("a@[192.0.2.1]x"),
        STR("a@[[::1]]"),
        STR("a@[::1]"),
        STR("a@[IPv6:]"),
        STR("a@[IPv6:192.0.2.1]"),
        STR("a@[IPv6:[::1]]"),
        STR("a@[IPv6:::1%lo]"),
        STR("a@[IPv6:1:2:3:4:5:6:7:8:9]"),
        STR("a@[192.0.2.1 ]"),
        STR("a@[tag:content]"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mailbox mailbox;
        if (mailbox_parse(cases[i], arena, &mailbox) != -EINVAL)
            fail_msg("accepted: %.*s", STR_ARG(cases[i]));
    }
}

static void an_address_of_254_bytes_is_the_longest(void **state)
{
    (void)state;
    char text[400];
    struct mailbox mailbox;
    memset(text, 'a', sizeof text);
    text[10] = '@';
    for (size_t i = 60; i < sizeof text; i += 50)
        text[i] = '.';
    assert_int_equal(mailbox_parse((struct str){text, 254}, arena, &mailbox), 0);
    assert_int_equal(mailbox_parse((struct str){text, 255}, arena, &mailbox), -EINVAL);
}

static bool are_same(const char *a, const char *b)
{
    struct mailbox first, second;
    assert_int_equal(mailbox_parse(str_of(a), arena, &first), 0);
    assert_int_equal(mailbox_parse(str_of(b), arena, &second), 0);
    return mailbox_same(&first, &second);
}

static void the_same_address_may_be_written_differently(void **state)
{
    (void)state;
    assert_true(are_same("Anna@Example.com", "anna@EXAMPLE.COM"));
    assert_true(are_same("\"anna\"@x", "anna@x"));
    assert_true(are_same("a@piñata.es", "a@xn--piata-pta.es"));
    assert_false(are_same("a.b@x", "ab@x"));
    assert_false(are_same("a@x", "a@y.x"));
}

static void the_null_path_is_only_itself(void **state)
{
    (void)state;
    struct mailbox null = {.is_null = true}, mailbox;
    assert_int_equal(mailbox_parse(STR("a@x"), arena, &mailbox), 0);
    assert_true(mailbox_same(&null, &null));
    assert_false(mailbox_same(&null, &mailbox));
    assert_int_equal(mailbox_ascii_text(&null, arena).length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_taken_apart),
        cmocka_unit_test(bad_addresses_are_refused),
        cmocka_unit_test(an_address_of_254_bytes_is_the_longest),
        cmocka_unit_test(the_same_address_may_be_written_differently),
        cmocka_unit_test(the_null_path_is_only_itself),
    };
    return cmocka_run_group_tests(tests, open_arena, free_arena);
}

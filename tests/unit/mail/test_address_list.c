#include <errno.h>

#include "arena_fixture.h"
#include "test.h"

#include "mail/address_list.h"

static void addresses_are_found_in_what_is_around_them(void **state)
{
    (void)state;
    static const struct {
        const char *value, *first, *second;
    } cases[] = {
        {"a@x", "a@x", NULL},
        {" <a@x> ", "a@x", NULL},
        {"Anna B. <a@x>", "a@x", NULL},
        {"\"Anna, B <b@y>\" <a@x>", "a@x", NULL},
        {"\"q\\\"<b@y>\" <a@x>", "a@x", NULL},
        {"Jos\xC3\xA9 <a@x>", "a@x", NULL},
        {"=?utf-8?Q?=3Cb@y=3E?= <a@x>", "a@x", NULL},
        {"a@x (Anna (B) <b@y>, \\) c@z)", "a@x", NULL},
        {"(hi)a@x", "a@x", NULL},
        {"\r\n Anna\r\n\t<a@x> (c)\r\n", "a@x", NULL},
        {"<\"a>b\"@x>", "\"a>b\"@x", NULL},
        {"\"a b\"@x", "\"a b\"@x", NULL},
        {"a@[IPv6:::1]", "a@[IPv6:::1]", NULL},
        {"a@x,B <b@y>", "a@x", "b@y"},
        {"A <a@x> , (c) b@y", "a@x", "b@y"},
        {"b@y <a@x>", "a@x", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mailbox mailboxes[2];
        int count = address_list_parse(str_of(cases[i].value), arena, mailboxes, 2);
        if (count != (cases[i].second ? 2 : 1))
            fail_msg("%s: %d", cases[i].value, count);
        assert_string_equal(arena_text(arena, mailboxes[0].text), cases[i].first);
        if (count == 2)
            assert_string_equal(arena_text(arena, mailboxes[1].text), cases[i].second);
    }
}

static void malformed_lists_are_refused(void **state)
{
    (void)state;
    const struct str cases[] = {
        STR(""),          STR(" "),          STR(","),           STR("a@x,"),
        STR(",a@x"),      STR("a@x,,b@y"),   STR("a@x,b@y,c@z"), STR("Anna"),
        STR("<>"),        STR("Anna <>"),    STR("<a@x"),        STR("a@x>"),
        STR("<a@x> b@y"), STR("<a@x><b@y>"), STR("<a@x> x"),     STR("<<a@x>>"),
        STR("a@x b@y"),   STR("a@x; b@y"),   STR("us: a@x;"),    STR("us:;"),
        STR("\"a <a@x>"), STR("(a <a@x>"),   STR("a@x (b"),      STR("a@x )"),
        STR("(a\\)"),     STR("a(b)@x"),     STR("a @x"),        STR("<a@x\r\n>"),
        STR("<@r:a@x>"),  STR("a@[1.2.3.4"), STR("a@x\0"),       STR("a@x\0, b@y"),
        STR("\\"),        STR("\"\\"),       STR("(\\"),         STR("<\""),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mailbox mailboxes[2];
        if (address_list_parse(cases[i], arena, mailboxes, 2) != -EINVAL)
            fail_msg("accepted: %.*s", STR_ARG(cases[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_found_in_what_is_around_them),
        cmocka_unit_test(malformed_lists_are_refused),
    };
    return cmocka_run_group_tests(tests, open_arena, free_arena);
}

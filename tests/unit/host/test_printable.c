/* Strangers' text for a terminal. */
#include "arena_fixture.h"
#include "test.h"

#include "cli/printable.h"

static void what_a_terminal_would_obey_is_escaped(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        const char *shown;
    } rows[] = {
        {{"", 0}, ""},
        {{"a b~", 4}, "a b~"},
        {{"\0\x1b[2J\r\n\t\x7f", 9}, "\\x00\\x1b[2J\\x0d\\x0a\\x09\\x7f"},
        {{"\xc2\x9b", 2}, "\\x9b"},
        {{"caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80", 14},
         "caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80"},
        {{"caf\xe9", 4}, "caf\\xe9"},
        {{"\xe2\x80\xae"
          "a\xe2\x80\xac\xe2\x81\xa6\xe2\x81\xa9\xd8\x9c",
          15},
         "\\u202ea\\u202c\\u2066\\u2069\\u061c"},
        {{"\xe2\x80\x8b\xef\xbb\xbf\xe2\x80\xa8", 9}, "\\u200b\\ufeff\\u2028"},
        {{"\xf3\xa0\x81\x81", 4}, "\\ue0041"},
        {{"\xc0\x80\xed\xa0\x80", 5}, "\\xc0\\x80\\xed\\xa0\\x80"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(printable(rows[i].text, arena), rows[i].shown);
}

static void a_long_text_is_cut(void **state)
{
    (void)state;
    assert_string_equal(printable_cut(STR("abcd"), 4, arena), "abcd");
    assert_string_equal(printable_cut(STR("abcde"), 4, arena), "abc\xe2\x80\xa6");
    assert_string_equal(printable_cut(STR("a\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"), 4, arena),
                        "a\xc3\xa9\xc3\xa9\xe2\x80\xa6");
    /* an escape is shown whole or not at all */
    assert_string_equal(printable_cut(STR("ab\x1b"
                                          "cd"),
                                      4, arena),
                        "ab\xe2\x80\xa6");
    assert_int_equal(printable_width("a\xc3\xa9\xe2\x80\xa6"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_terminal_would_obey_is_escaped),
        cmocka_unit_test(a_long_text_is_cut),
    };
    return cmocka_run_group_tests_name("printable", tests, open_arena, free_arena);
}

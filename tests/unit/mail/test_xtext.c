/* xtext and its UTF-8 form, both ways, well formed and not. */
#include <errno.h>

#include "arena_fixture.h"
#include "test.h"

#include "mail/xtext.h"

static void assert_str(struct str actual, struct str expected)
{
    assert_int_equal(actual.length, expected.length);
    assert_memory_equal(actual.at, expected.at, expected.length);
}

static void xtext_is_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct str decoded;
    } rows[] = {
        {"", {"", 0}},
        {"abc!~", {"abc!~", 5}},
        {"a+2Bb+3Dc", {"a+b=c", 5}},
        {"+20", {" ", 1}},
        {"+2b", {"+", 1}},
        {"+00+FF", {"\0\xFF", 2}},
        {"a\\x{20}", {"a\\x{20}", 7}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str decoded;
        assert_int_equal(xtext_decode(str_of(rows[i].text), arena, &decoded), 0);
        assert_str(decoded, rows[i].decoded);
    }
}

static void what_is_no_xtext_is_refused(void **state)
{
    (void)state;
    static const struct str rows[] = {
        {"+", 1},    {"+2", 2}, {"+2G", 3},  {"++2B", 4},  {"a=b", 3},      {"a b", 3},
        {"\x7F", 1}, {"\0", 1}, {"a\tb", 3}, {"\x80x", 2}, {"\xC3\xA9", 2}, {"+ 1", 3}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str decoded;
        assert_int_equal(xtext_decode(rows[i], arena, &decoded), -EINVAL);
    }
}

static void all_bytes_come_back_from_xtext(void **state)
{
    (void)state;
    char bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    struct str all = {bytes, sizeof bytes}, decoded;
    struct str text = xtext_encode(all, arena);
    assert_int_equal(xtext_decode(text, arena, &decoded), 0);
    assert_str(decoded, all);
    assert_str(xtext_encode(STR("a+b=c d"), arena), STR("a+2Bb+3Dc+20d"));
    assert_str(xtext_encode(STR(""), arena), STR(""));
}

static void addresses_in_utf8_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *text, *decoded;
    } rows[] = {
        {"anna@dest.test", "anna@dest.test"},
        {"j\\x{FC}rgen@dest.test", "j\xC3\xBCrgen@dest.test"},
        {"j\xC3\xBCrgen@dest.test", "j\xC3\xBCrgen@dest.test"},
        {"a\\x{2B}b\\x{3d}c\\x{5C}d", "a+b=c\\d"},
        {"\\x{20AC}\\x{1F600}\\x{10FFFF}", "\xE2\x82\xAC\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF"},
        {"\\x{7FF}\\x{800}\\x{FFFF}\\x{10000}",
         "\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\xF0\x90\x80\x80"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str decoded;
        assert_int_equal(xtext_decode_utf8(str_of(rows[i].text), arena, &decoded), 0);
        assert_str(decoded, str_of(rows[i].decoded));
    }
}

static void what_is_no_such_address_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "\\",          "\\x",          "\\x{}",     "\\x{41",      "\\x{4}",
        "\\x{110000}", "\\x{0010FF1}", "\\x{D800}", "\\x{DFFF}",   "\\x{G1}",
        "\\n",         "a+2B",         "a=b",       "a b",         "a\x80",
        "\xC3",        "a\x7F",        "\\x{-1}",   "\xC3\\x{A9}", "\xED\xA0\x80"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str decoded;
        assert_int_equal(xtext_decode_utf8(str_of(rows[i]), arena, &decoded), -EINVAL);
    }
}

static void addresses_in_utf8_are_written_in_ascii(void **state)
{
    (void)state;
    static const struct {
        const char *text, *encoded;
    } rows[] = {
        {"", ""},
        {"anna@dest.test", "anna@dest.test"},
        {"a+b=c\\d e", "a\\x{2B}b\\x{3D}c\\x{5C}d\\x{20}e"},
        {"\x01\x7F", "\\x{01}\\x{7F}"},
        {"a\xFF\xC3", "a\\x{FFFD}\\x{FFFD}"},
        {"j\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80", "j\\x{FC}\\x{20AC}\\x{1F600}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_str(xtext_encode_utf8(str_of(rows[i].text), arena), str_of(rows[i].encoded));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xtext_is_decoded),
        cmocka_unit_test(what_is_no_xtext_is_refused),
        cmocka_unit_test(all_bytes_come_back_from_xtext),
        cmocka_unit_test(addresses_in_utf8_are_decoded),
        cmocka_unit_test(what_is_no_such_address_is_refused),
        cmocka_unit_test(addresses_in_utf8_are_written_in_ascii),
    };
    return cmocka_run_group_tests(tests, open_arena, free_arena);
}

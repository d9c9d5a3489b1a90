/* Views of bytes: comparing, searching, cutting, numbers. */
#include "test.h"

#include "base/str.h"

static const struct str none;

static void views_compare(void **state)
{
    (void)state;
    assert_true(str_equal(STR("ab"), STR("ab")));
    assert_false(str_equal(STR("ab"), STR("aB")));
    assert_false(str_equal(STR("ab"), STR("abc")));
    assert_true(str_equal(none, STR("")));
    assert_true(str_equal_nocase(STR("Example.COM"), STR("eXAMPLE.com")));
    assert_false(str_equal_nocase(STR("[a"), STR("{a")));
    assert_false(str_equal_nocase(STR("\xc3\x84"), STR("\xc3\xa4")));
    assert_true(str_equal_nocase(none, STR("")));
    assert_true(str_equal(str_of(NULL), none));
}

static void beginnings_and_ends_are_seen(void **state)
{
    (void)state;
    assert_true(str_starts(STR("MAIL FROM"), STR("MAIL")));
    assert_true(str_starts(STR("MAIL"), STR("")));
    assert_false(str_starts(STR("MAI"), STR("MAIL")));
    assert_true(str_starts(none, none));
    assert_true(str_starts_nocase(STR("mail from"), STR("MAIL ")));
    assert_false(str_starts_nocase(STR("mai"), STR("MAIL")));
    assert_true(str_ends_nocase(STR("mx.Example.Com"), STR(".example.com")));
    assert_false(str_ends_nocase(STR("com"), STR(".com")));
    assert_true(str_ends_nocase(none, none));
}

static void bytes_and_strings_are_found(void **state)
{
    (void)state;
    assert_int_equal(str_index(STR("a.b.c"), '.'), 1);
    assert_int_equal(str_last_index(STR("a.b.c"), '.'), 3);
    assert_int_equal(str_index(STR("abc"), '.'), -1);
    assert_int_equal(str_last_index(STR("abc"), '.'), -1);
    assert_int_equal(str_index(STR("a\0b"), '\0'), 1);
    assert_int_equal(str_index(none, 'a'), -1);
    assert_int_equal(str_last_index(none, 'a'), -1);
    assert_int_equal(str_find(STR("a\r\n.\r\n"), STR("\r\n.\r\n")), 1);
    assert_int_equal(str_find(STR("abc"), STR("abcd")), -1);
    assert_int_equal(str_find(none, STR("a")), -1);
}

static void a_cut_leaves_the_rest(void **state)
{
    (void)state;
    struct str rest = STR("a,,b");
    assert_true(str_equal(str_cut(&rest, ','), STR("a")));
    assert_true(str_equal(str_cut(&rest, ','), STR("")));
    assert_true(str_equal(rest, STR("b")));
    assert_true(str_equal(str_cut(&rest, ','), STR("b")));
    assert_int_equal(rest.length, 0);
    assert_int_equal(str_cut(&rest, ',').length, 0);
    rest = none;
    assert_int_equal(str_cut(&rest, ',').length, 0);
    rest = STR("a,");
    assert_true(str_equal(str_cut(&rest, ','), STR("a")));
    assert_int_equal(rest.length, 0);
}

static void white_space_is_trimmed_at_both_ends(void **state)
{
    (void)state;
    assert_true(str_equal(str_trim(STR(" \t\r\na b\n ")), STR("a b")));
    assert_int_equal(str_trim(STR(" \r\n\t")).length, 0);
    assert_int_equal(str_trim(none).length, 0);
    assert_true(str_equal(str_trim(STR("a\v")), STR("a\v")));
}

static void only_plain_decimal_numbers_are_numbers(void **state)
{
    (void)state;
    unsigned long long number = 7;
    assert_true(str_to_number(STR("0"), &number));
    assert_int_equal(number, 0);
    assert_true(str_to_number(STR("00042"), &number));
    assert_int_equal(number, 42);
    assert_true(str_to_number(STR("999999999999999999"), &number));
    assert_true(number == 999999999999999999ULL);
    static const char *const refused[] = {
        "", "1000000000000000000", "-1", "+1", " 1", "1 ", "0x1", "1.0", "1e3"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_false(str_to_number(str_of(refused[i]), &number));
    assert_false(str_to_number(none, &number));
    assert_false(str_to_number(STR("1\0"), &number));
}

static void letters_and_digits_are_ascii(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        bool is_digit = c >= '0' && c <= '9';
        assert_int_equal(ascii_alpha((char)c), is_letter);
        assert_int_equal(ascii_digit((char)c), is_digit);
        assert_int_equal(ascii_alnum((char)c), is_letter || is_digit);
        assert_int_equal(ascii_lower((char)c), (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_compare),
        cmocka_unit_test(beginnings_and_ends_are_seen),
        cmocka_unit_test(bytes_and_strings_are_found),
        cmocka_unit_test(a_cut_leaves_the_rest),
        cmocka_unit_test(white_space_is_trimmed_at_both_ends),
        cmocka_unit_test(only_plain_decimal_numbers_are_numbers),
        cmocka_unit_test(letters_and_digits_are_ascii),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

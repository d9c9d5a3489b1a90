#include <errno.h>

#include "test.h"

#include "mail/encode.h"
#include "mail/utf8.h"

static struct buf out;

static int set_up(void **state)
{
    (void)state;
    buf_init(&out, 100000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_free(&out);
    return 0;
}

struct example {
    struct str text, encoded;
};

static void check(const struct example *examples, size_t count,
                  int (*encode)(struct str text, struct buf *out))
{
    for (size_t i = 0; i < count; i++) {
        buf_clear(&out);
        assert_int_equal(encode(examples[i].text, &out), 0);
        if (!str_equal(buf_view(&out), examples[i].encoded))
            fail_msg("example %zu: %.*s", i, STR_ARG(buf_view(&out)));
    }
}

#define CHECK(examples, encode) check(examples, sizeof examples / sizeof *examples, encode)

static void lines_end_with_crlf(void **state)
{
    (void)state;
    const struct example examples[] = {
        {STR(""), STR("")},
        {STR("a"), STR("a\r\n")},
        {STR("a\nb\rc\r\n"), STR("a\r\nb\r\nc\r\n")},
        {STR("\n\r"), STR("\r\n\r\n")},
        {STR("\r\r\n\n"), STR("\r\n\r\n\r\n")},
        {STR("a\0b\r"), STR("a\0b\r\n")},
    };
    CHECK(examples, encode_lines);
}

#define X75 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void quoted_printable_keeps_text_readable(void **state)
{
    (void)state;
    const struct example examples[] = {
        {STR(""), STR("")},
        {STR("a=b\r\n"), STR("a=3Db\r\n")},
        {STR("a \r\nb\t\r\n c"), STR("a=20\r\nb=09\r\n c")},
        {STR("x "), STR("x=20")},
        {STR("\xC3\xBC\x7F"), STR("=C3=BC=7F")},
        {STR("a\rb\nc\0"), STR("a=0Db=0Ac=00")},
        {STR("\r\n\r\n"), STR("\r\n\r\n")},
        {STR(X75 "\r\n"), STR(X75 "\r\n")},
        {STR(X75 "yz\r\n"), STR(X75 "=\r\nyz\r\n")},
        {STR(X75 "\xFC"), STR(X75 "=\r\n=FC")},
    };
    CHECK(examples, encode_quoted_printable);
}

static void encoded_words_cut_no_character(void **state)
{
    (void)state;
    const struct example examples[] = {
        {STR(""), STR("")},
        {STR("abc"), STR("=?utf-8?B?YWJj?=")},
        {STR("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xC3\xBC"),
         STR("=?utf-8?B?eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=?= "
             "=?utf-8?B?w7w=?=")},
    };
    CHECK(examples, encode_words);
}

static void seven_bit_text_is_recognised(void **state)
{
    (void)state;
    char line[1000];
    memset(line, 'x', sizeof line);
    assert_true(encode_is_7bit((struct str){line, 998}));
    assert_false(encode_is_7bit((struct str){line, sizeof line}));
    assert_true(encode_is_7bit(STR("a\tb ~\r\n")));
    assert_false(encode_is_7bit(STR("a\0")));
    assert_false(encode_is_7bit(STR("\x1B")));
    assert_false(encode_is_7bit(STR("\x7F")));
    assert_false(encode_is_7bit(STR("\xC3\xBC")));
}

static void a_ceiling_is_kept(void **state)
{
    (void)state;
    int (*const encoders[])(struct str, struct buf *) = {encode_lines, encode_words,
                                                         encode_quoted_printable};
    for (size_t i = 0; i < 3; i++)
        for (size_t ceiling = 0; ceiling < 8; ceiling++) {
            struct buf small;
            buf_init(&small, ceiling);
            assert_int_equal(encoders[i](STR("a\r\nb\r\n\xC3\xBC"), &small), -ENOBUFS);
            buf_free(&small);
        }
}

static void utf8_is_checked(void **state)
{
    (void)state;
    const struct str good[] = {STR(""),
                               STR("a\0"),
                               STR("\xC2\x80"),
                               STR("\xE0\xA0\x80"),
                               STR("\xED\x9F\xBF"),
                               STR("\xEE\x80\x80"),
                               STR("\xF0\x90\x80\x80"),
                               STR("\xF4\x8F\xBF\xBF")};
    const struct str bad[] = {STR("\x80"),
                              STR("\xC0\x80"),
                              STR("\xC1\xBF"),
                              STR("\xC2"),
                              STR("\xC2\x41"),
                              STR("\xE0\x9F\xBF"),
                              STR("\xE2\x82"),
                              STR("\xE2\x82\x41"),
                              STR("\xED\xA0\x80"),
                              STR("\xF0\x8F\xBF\xBF"),
                              STR("\xF4\x90\x80\x80"),
                              STR("\xF5\x80\x80\x80"),
                              STR("\xFF"),
                              STR("12345678\xC3")};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(utf8_is_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(utf8_is_valid(bad[i]));
}

#define encode_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        encode_test(lines_end_with_crlf),
        encode_test(quoted_printable_keeps_text_readable),
        encode_test(encoded_words_cut_no_character),
        encode_test(seven_bit_text_is_recognised),
        encode_test(a_ceiling_is_kept),
        encode_test(utf8_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Character sets to UTF-8, a step at a time. */
#include "test.h"

#include "mail/charset.h"

/* In static memory. In steps as small as may be, so that characters are cut between them. */
static const char *converted(const char *label, struct str bytes, bool *is_broken)
{
    static char text[2000];
    size_t length = 0;
    struct charset *charset = charset_find(str_of(label));
    assert_non_null(charset);
    *is_broken = false;
    charset_begin(charset);
    while (bytes.length) {
        assert_true(length + CHARSET_STEP_BYTES_MIN < sizeof text);
        length +=
            charset_step(charset, &bytes, text + length, CHARSET_STEP_BYTES_MIN, is_broken);
    }
    text[length] = '\0';
    return text;
}

static void bytes_become_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *label, *bytes, *text;
        bool is_broken;
    } rows[] = {
        {"utf-8", "a\xc3\xa9", "a\xc3\xa9", false},
        {" UTF8 ", "0123456789abcdef\xc3\xa9 0123456789",
         "0123456789abcdef\xc3\xa9 0123456789", false},
        {"iso-8859-1", "\x80\xe9", "\xe2\x82\xac\xc3\xa9", false},
        {"us-ascii", "\xe9", "\xc3\xa9", false},
        {"windows-1252", "\x81", "\xef\xbf\xbd", true},
        {"koi8-r", "\xf0", "\xd0\x9f", false},
        {"gb2312", "\xc4\xe3", "\xe4\xbd\xa0", false},
        {"shift_jis", "\x93\xfa", "\xe6\x97\xa5", false},
        {"iso-2022-jp", "\x1b$BF|\x1b(Ba", "\xe6\x97\xa5\x61", false},
        {"utf-7", "+AOk-", "\xc3\xa9", false},
        {"utf-8", "a\xff\xc3", "a\xef\xbf\xbd\xef\xbf\xbd", true},
        {"utf-8", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", true},
        {"utf-8", "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
         true},
        {"euc-jp", "a\xc6", "a\xef\xbf\xbd", true},
        {"big5", "\xff\x41", "\xef\xbf\xbd\x41", true},
        {"gb18030", "", "", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool is_broken;
        assert_string_equal(converted(rows[i].label, str_of(rows[i].bytes), &is_broken),
                            rows[i].text);
        assert_int_equal(is_broken, rows[i].is_broken);
    }
}

static void a_broken_text_leaves_nothing_behind(void **state)
{
    (void)state;
    bool is_broken;
    converted("iso-2022-jp", STR("\x1b$BF"), &is_broken);
    assert_true(is_broken);
    assert_string_equal(converted("iso-2022-jp", STR("ab"), &is_broken), "ab");
}

static void what_is_not_for_mail_is_not_known(void **state)
{
    (void)state;
    static const char *const labels[] = {
        "", " ", "ebcdic-us", "utf-8 iso-8859-1", "../../tmp/x", "UTF-8//TRANSLIT", "ansi",
    };
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        assert_null(charset_find(str_of(labels[i])));
}

static void a_text_that_says_nothing_is_guessed(void **state)
{
    (void)state;
    assert_ptr_equal(charset_guess(STR("caf\xc3\xa9")), charset_utf8());
    assert_ptr_equal(charset_guess(STR("caf\xe9")), charset_find(STR("windows-1252")));
}

/* The last test: it is for good. */
static void what_was_not_opened_in_time_is_not_known(void **state)
{
    (void)state;
    assert_non_null(charset_find(STR("koi8-u")));
    charset_open_no_more();
    assert_null(charset_find(STR("ibm866")));
    assert_non_null(charset_find(STR("koi8-u")));
    assert_non_null(charset_find(STR("utf-8")));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_become_utf8),
        cmocka_unit_test(a_broken_text_leaves_nothing_behind),
        cmocka_unit_test(what_is_not_for_mail_is_not_known),
        cmocka_unit_test(a_text_that_says_nothing_is_guessed),
        cmocka_unit_test(what_was_not_opened_in_time_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

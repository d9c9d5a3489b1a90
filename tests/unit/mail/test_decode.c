/* Encoded words for people: as RFC 2047 has them, as senders write them, and broken. */
#include "arena_fixture.h"
#include "test.h"

#include "mail/decode.h"

struct row {
    const char *text, *decoded; /* NULL: as it stands */
};

static void check(const struct row rows[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct str text = str_of(rows[i].text);
        struct str expected = rows[i].decoded ? str_of(rows[i].decoded) : text;
        struct str decoded = decode_words(text, arena);
        if (!str_equal(decoded, expected))
            print_error("%s became %.*s\n", rows[i].text, STR_ARG(decoded));
        assert_true(str_equal(decoded, expected));
    }
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

static void words_are_decoded(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"=?utf-8?B?SGVsbG8=?=", "Hello"},
        {"=?UTF-8?b?SGVsbG8?=", "Hello"}, /* without its padding */
        {"=?utf-8?Q?a_b=3dc=C3=A9?=", "a b=c\xc3\xa9"},
        {"=?iso-8859-1?Q?caf=E9?=", "caf\xc3\xa9"},
        {"=?iso-8859-1*fr?Q?caf=E9?=", "caf\xc3\xa9"},
        {"=?Windows-1252?Q?=80?=", "\xe2\x82\xac"},
        {"=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac"},
        {"Re: =?utf-8?Q?a?= (b)", "Re: a (b)"},
        {"\"=?utf-8?Q?a?=\"", "\"a\""},
        {"=?utf-8?Q?"
         "?=",
         ""},
    };
    CHECK(rows);
}

static void blanks_between_words_go(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"},
        {"=?utf-8?Q?a?= \t =?iso-8859-1?Q?=E9?=", "a\xc3\xa9"},
        {"=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"},
        {" =?utf-8?Q?a?= ", " a "},
        {"=?utf-8?Q?a?= =?none?Q?b?= =?utf-8?Q?c?=", "a =?none?Q?b?= c"},
        {"=?utf-8?Q?a?= =?big5?Q?=E9?= =?utf-8?Q?b?=", "a =?big5?Q?=E9?= b"},
        {"=?us-ascii?Q?=E9?=", "\xc3\xa9"}, /* as the web reads it */
        {"=?utf-8?Q?a?= =?utf-8?Q?=zz?=", "a =?utf-8?Q?=zz?="},
    };
    CHECK(rows);
}

static void a_character_cut_in_two_is_put_together(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"=?utf-8?Q?=C3?= =?UTF-8?B?qQ==?=", "\xc3\xa9"},
        {"=?utf-8?Q?=C3?= =?iso-8859-1?Q?=E9?=", "=?utf-8?Q?=C3?= \xc3\xa9"},
    };
    CHECK(rows);
}

static void what_is_no_word_stays(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", NULL},
        {"Hello", NULL},
        {"caf\xc3\xa9 \xff", NULL},
        {"=?", NULL},
        {"=?utf-8", NULL},
        {"=?utf-8?", NULL},
        {"=?utf-8?Q", NULL},
        {"=?utf-8?Q?", NULL},
        {"=?utf-8?Q?abc", NULL},
        {"=?utf-8?Q?abc?", NULL},
        {"=?utf-8?X?abc?=", NULL},
        {"=?utf-8?Q?a b?=", NULL},
        {"=?utf-8?Q?=C?=", NULL},
        {"=?utf-8?Q?=FF?=", NULL},
        {"=?utf-8?B?A?=", NULL},
        {"=?utf-8?B?!!!!?=", NULL},
        {"=?ebcdic-us?Q?a?=", NULL},
        {"=?utf-8//TRANSLIT?Q?a?=", NULL},
        {"=?iso-2022-cn-ext?B?AAAA?=", NULL},
        {"=?euc-jp?B?////?=", NULL},
        {"=?=?utf-8?Q?a?=", "=?a"},
    };
    CHECK(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_decoded),
        cmocka_unit_test(blanks_between_words_go),
        cmocka_unit_test(a_character_cut_in_two_is_put_together),
        cmocka_unit_test(what_is_no_word_stays),
    };
    return cmocka_run_group_tests_name("encoded words", tests, open_arena, free_arena);
}

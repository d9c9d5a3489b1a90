/* Tag lists (RFC 6376 section 3.2), and the numbers, lists and base64 in them. */
#include <errno.h>

#include "test.h"

#include "mail/tag_list.h"

static const char *const good[] = {
    "v=1",
    "v=1;",
    "v=1; a=rsa-sha256",
    " v = 1 ; a = rsa-sha256 ; ",
    "v=1;\r\n\ta=rsa-sha256;\r\n b=AB\r\n CD==",
    "v=1;\n a=b",
    "p=",
    "p=;",
    "p= ;",
    "a_9=x=y=z",
    "i=p\xC3\xA9ter@x.test",
    "v=1;\r\n \r\n a=b",
};

static const char *const bad[] = {
    "",        " ",          ";",       "v",      "=1",      "v=1;;a=2",
    ";v=1",    "9v=1",       "v-x=1",   "_v=1",   "v=1;v=2", "v=1; v =1",
    "v=1\rx",  "v=1\r\nx=2", "v=1\nx",  "v=\x01", "v=1;a",   "v=1; =2",
    "v=a\x7F", "b",          "v=1\r\n", "a b=c",  "\r\nv=1",
};

static void well_formed_lists_are_read(void **state)
{
    (void)state;
    struct tag_list list;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (tag_list_parse(str_of(good[i]), &list) < 0)
            fail_msg("refused: %s", good[i]);
}

static void malformed_lists_are_refused(void **state)
{
    (void)state;
    struct tag_list list;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (tag_list_parse(str_of(bad[i]), &list) == 0)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(list.count, 0);
    }
}

static void values_are_trimmed_and_raw_is_not(void **state)
{
    (void)state;
    struct tag_list list;
    assert_int_equal(tag_list_parse(STR("a=1; b=\r\n AB\r\n CD ;c=3"), &list), 0);
    const struct tag *tag = tag_list_find(&list, STR("b"));
    assert_true(str_equal(tag->value, STR("AB\r\n CD")));
    assert_true(str_equal(tag->raw, STR("\r\n AB\r\n CD ")));
    assert_true(str_equal(tag_list_value(&list, STR("c")), STR("3")));
    assert_null(tag_list_find(&list, STR("C")));
    assert_int_equal(tag_list_value(&list, STR("d")).length, 0);
}

static void a_list_has_an_end(void **state)
{
    (void)state;
    char text[8 * (TAG_LIST_MAX + 1)];
    size_t length = 0;
    struct tag_list list;
    for (int i = 0; i <= TAG_LIST_MAX; i++) {
        assert_int_equal(tag_list_parse((struct str){text, length}, &list),
                         i ? 0 : -EINVAL);
        length += (size_t)snprintf(text + length, sizeof text - length, "t%d=x;", i);
    }
    assert_int_equal(tag_list_parse((struct str){text, length}, &list), -EINVAL);
}

static void elements_are_cut_at_colons(void **state)
{
    (void)state;
    struct str list = STR("From : To::\r\n Subject");
    static const char *const expected[] = {"From", "To", "", "Subject"};
    bool is_done = false;
    struct str element;
    for (size_t i = 0; i < 4; i++) {
        assert_true(tag_next_element(&list, &is_done, &element));
        assert_true(str_equal(element, str_of(expected[i])));
    }
    assert_false(tag_next_element(&list, &is_done, &element));
    assert_true(tag_has_element(STR("sha1 : SHA256"), STR("sha256")));
    assert_false(tag_has_element(STR("sha2567"), STR("sha256")));
}

static void numbers_are_digits_and_saturate(void **state)
{
    (void)state;
    uint64_t number;
    assert_true(tag_number(STR("18446744073709551614"), &number));
    assert_true(number == UINT64_MAX - 1);
    assert_true(tag_number(STR("99999999999999999999999999999999999999"), &number));
    assert_true(number == UINT64_MAX);
    assert_true(tag_number(STR("007"), &number) && number == 7);
    assert_false(tag_number(STR(""), &number));
    assert_false(tag_number(STR("-1"), &number));
    assert_false(tag_number(STR("1 2"), &number));
}

static void base64_is_decoded_strictly(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    static const struct {
        const char *text, *bytes;
    } rows[] = {
        {"", ""},         {"Zg==", "f"},        {"Zm8=", "fo"},
        {"Zm9v", "foo"},  {"Zm9vYg==", "foob"}, {"Zm\r\n 9v", "foo"},
        {"Z g = =", "f"}, {"Zg", NULL},         {"Zg=", NULL},
        {"Zg===", NULL},  {"Zg==Zg==", NULL},   {"Z=g=", NULL},
        {"====", NULL},   {"Zm9-", NULL},       {"=", NULL},
        {"Z", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str bytes;
        int result = tag_base64(str_of(rows[i].text), arena, &bytes);
        if (!rows[i].bytes ? result != -EINVAL
                           : result != 0 || !str_equal(bytes, str_of(rows[i].bytes)))
            fail_msg("base64: %s", rows[i].text);
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_lists_are_read),
        cmocka_unit_test(malformed_lists_are_refused),
        cmocka_unit_test(values_are_trimmed_and_raw_is_not),
        cmocka_unit_test(a_list_has_an_end),
        cmocka_unit_test(elements_are_cut_at_colons),
        cmocka_unit_test(numbers_are_digits_and_saturate),
        cmocka_unit_test(base64_is_decoded_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Transfer encodings undone: right ones, and those that transport or senders have spoilt. */
#include "test.h"

#include "mail/encode.h"
#include "mail/transfer.h"

struct row {
    const char *encoded, *decoded;
    bool is_broken;
};

static void check(const struct row rows[], size_t count,
                  size_t (*decode)(struct str, char *, bool *))
{
    for (size_t i = 0; i < count; i++) {
        char text[200] = {0};
        bool is_broken = false;
        struct str encoded = str_of(rows[i].encoded);
        size_t length = decode(encoded, text, &is_broken);
        assert_true(length <= encoded.length);
        assert_string_equal(text, rows[i].decoded);
        assert_int_equal(is_broken, rows[i].is_broken);
    }
}

static void base64_is_read_through_what_is_in_its_way(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", "", false},
        {"YQ==", "a", false},
        {"YWI=", "ab", false},
        {"YWJj", "abc", false},
        {"YWJjZGVm\r\nZ2hp\r\n", "abcdefghi", false},
        {" Y W\tJ\nj ", "abc", false},
        {"YQ==YWJj", "aabc", false},
        {"YQ", "a", true},
        {"Y", "", true},
        {"Y===", "", true},
        {"YWJj=", "abc", false},
        {"YW*Jj", "abc", true},
        {"YWJj\x80", "abc", true},
        {"====", "", false},
    };
    check(rows, sizeof rows / sizeof *rows, transfer_decode_base64);
}

static void quoted_printable_is_read_as_far_as_it_is(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", "", false},
        {"a=3Db", "a=b", false},
        {"a=3db", "a=b", false},
        {"a=\r\nb", "ab", false},
        {"a= \t\r\nb", "ab", false},
        {"a=\nb", "ab", false},
        {"a=", "a", false},
        {"a \t\r\nb ", "a\r\nb", false},
        {"a=20\r\n", "a \r\n", false},
        {"a\nb", "a\nb", false},
        {"=zz", "=zz", true},
        {"=4", "=4", true},
        {"a=b=3D", "a=b=", true},
        {"\xc3\xa9", "\xc3\xa9", false},
    };
    check(rows, sizeof rows / sizeof *rows, transfer_decode_quoted_printable);
}

static void base64_lines_come_back(void **state)
{
    (void)state;
    char bytes[200], lines[ENCODE_BASE64_BYTES(sizeof bytes)] = {0}, back[sizeof lines];
    for (size_t length = 0; length <= sizeof bytes; length++) {
        bool is_broken = false;
        for (size_t i = 0; i < length; i++)
            bytes[i] = (char)(i * 37);
        struct str encoded = {lines,
                              encode_base64_lines((struct str){bytes, length}, lines)};
        assert_true(encoded.length < sizeof lines);
        assert_int_equal(transfer_decode_base64(encoded, back, &is_broken), length);
        assert_memory_equal(back, bytes, length);
        assert_false(is_broken);
        while (encoded.length)
            assert_true(str_cut(&encoded, '\n').length <= 77);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_read_through_what_is_in_its_way),
        cmocka_unit_test(quoted_printable_is_read_as_far_as_it_is),
        cmocka_unit_test(base64_lines_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Command lines, chunk sizes and host names, well formed and not. */
#include "test.h"

#include "smtp/command.h"

static void assert_str(struct str actual, const char *expected)
{
    assert_int_equal(actual.length, strlen(expected));
    assert_memory_equal(actual.at, expected, actual.length);
}

static void lines_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        struct str line;
        enum smtp_verb verb;
        const char *argument;
        enum smtp_line_bytes bytes;
    } rows[] = {
        {{"NOOP", 4}, SMTP_NOOP, "", SMTP_LINE_ASCII},
        {{"noop  ", 6}, SMTP_NOOP, "", SMTP_LINE_ASCII},
        {{"EHLO  a.test \t", 14}, SMTP_EHLO, "a.test", SMTP_LINE_ASCII},
        {{"MAIL FROM:<>", 12}, SMTP_MAIL, "FROM:<>", SMTP_LINE_ASCII},
        {{"MAIL\tFROM:<>", 12}, SMTP_UNKNOWN, "", SMTP_LINE_ASCII},
        {{" NOOP", 5}, SMTP_UNKNOWN, "NOOP", SMTP_LINE_ASCII},
        {{"", 0}, SMTP_UNKNOWN, "", SMTP_LINE_ASCII},
        {{"NOOPS", 5}, SMTP_UNKNOWN, "", SMTP_LINE_ASCII},
        {{"STARTTLSX", 9}, SMTP_UNKNOWN, "", SMTP_LINE_ASCII},
        {{"VRFY \xC3\xA9", 7}, SMTP_VRFY, "\xC3\xA9", SMTP_LINE_8BIT},
        {{"NOOP \xFF\0", 7}, SMTP_NOOP, NULL, SMTP_LINE_CONTROL},
        {{"NO\0OP", 5}, SMTP_UNKNOWN, "", SMTP_LINE_CONTROL},
        {{"NOOP \x7F", 6}, SMTP_NOOP, "\x7F", SMTP_LINE_CONTROL},
        {{"expn a", 6}, SMTP_NOT_IMPLEMENTED, "a", SMTP_LINE_ASCII},
        {{"Get /", 5}, SMTP_HTTP, "/", SMTP_LINE_ASCII},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct smtp_command command;
        smtp_command_parse(rows[i].line, &command);
        assert_int_equal(command.verb, rows[i].verb);
        assert_int_equal(command.bytes, rows[i].bytes);
        if (rows[i].argument)
            assert_str(command.argument, rows[i].argument);
    }
}

static void the_keyword_of_a_path_has_no_case(void **state)
{
    (void)state;
    struct str argument = STR("from: <a@b.test> SIZE=1");
    assert_true(smtp_command_cut_keyword(&argument, STR("FROM:")));
    assert_str(argument, "<a@b.test> SIZE=1");
    assert_false(smtp_command_cut_keyword(&argument, STR("FROM:")));
    argument = STR("FROM");
    assert_false(smtp_command_cut_keyword(&argument, STR("FROM:")));
}

static void chunk_sizes_are_read(void **state)
{
    (void)state;
    struct smtp_chunk chunk;
    assert_true(smtp_chunk_parse(STR("0 LAST"), &chunk));
    assert_true(chunk.is_last && chunk.bytes == 0);
    assert_true(smtp_chunk_parse(STR("1000"), &chunk));
    assert_true(!chunk.is_last && chunk.bytes == 1000);
    assert_true(smtp_chunk_parse(STR("7  last"), &chunk));
    assert_true(chunk.is_last && chunk.bytes == 7);
    static const char *const bad[] = {"",        "LAST",  "-1",   "+1",
                                      "1 FIRST", "1LAST", "1\t1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(smtp_chunk_parse(str_of(bad[i]), &chunk));
}

static void host_names_are_bounded_not_judged(void **state)
{
    (void)state;
    char longest[256];
    memset(longest, 'x', sizeof longest);
    assert_true(smtp_helo_is_valid(STR("localhost")));
    assert_true(smtp_helo_is_valid(STR("[IPv6:2001:db8::1]")));
    assert_true(smtp_helo_is_valid(STR("(none)")));
    assert_true(smtp_helo_is_valid((struct str){longest, 255}));
    assert_false(smtp_helo_is_valid((struct str){longest, 256}));
    assert_false(smtp_helo_is_valid(STR("")));
    assert_false(smtp_helo_is_valid(STR("a b")));
    assert_false(smtp_helo_is_valid(STR("a\x80")));
    assert_false(smtp_helo_is_valid(STR("a\0")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_taken_apart),
        cmocka_unit_test(the_keyword_of_a_path_has_no_case),
        cmocka_unit_test(chunk_sizes_are_read),
        cmocka_unit_test(host_names_are_bounded_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

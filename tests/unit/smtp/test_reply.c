/* Replies: what is written stays within the wire's limits, what is parsed may be anything. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "smtp/reply.h"

static char *wire_text(const struct reply *reply)
{
    struct buf out;
    buf_init(&out, 8192);
    assert_int_equal(reply_write(reply, &out), 0);
    struct str view = buf_view(&out);
    char *text = strndup(view.at, view.length);
    buf_free(&out);
    return text;
}

static void assert_wire(struct reply reply, const char *expected)
{
    char *text = wire_text(&reply);
    assert_string_equal(text, expected);
    free(text);
}

static void a_reply_is_written_with_its_enhanced_code_on_every_line(void **state)
{
    (void)state;
    assert_wire(reply_make(250, "2.1.0", "fine"), "250 2.1.0 fine\r\n");
    assert_wire(reply_make(550, "5.1.1", "no such person\nask %s", "postmaster"),
                "550-5.1.1 no such person\r\n550 5.1.1 ask postmaster\r\n");
    assert_wire(reply_make(354, "", "go on"), "354 go on\r\n");
    assert_wire(reply_make(250, "", "%s", ""), "250 \r\n");
    assert_wire(reply_make(250, "", "mx.test\n\nSIZE"),
                "250-mx.test\r\n250-\r\n250 SIZE\r\n");
    assert_wire(reply_make(250, "", "ends\n"), "250-ends\r\n250 \r\n");
}

static void control_bytes_and_broken_utf8_become_question_marks(void **state)
{
    (void)state;
    static const struct {
        const char *given, *kept;
    } cases[] = {
        {"a\r\nb\tc\x7F", "a?\nb?c?"},
        {"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F"},
        {"\xE2\x82\xAC \xF0\x9F\x93\xAC", "\xE2\x82\xAC \xF0\x9F\x93\xAC"},
        {"\xC3", "?"},
        {"\xC3(", "?("},
        {"\xC0\xAF", "??"},
        {"\xC2\x85", "??"},
        {"\xED\xA0\x80", "???"},
        {"\xE0\x80\x80", "???"},
        {"\xF0\x80\x80\x80", "????"},
        {"\xF4\x90\x80\x80", "????"},
        {"\xFF\x80", "??"},
        {"\xE2\x82", "??"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reply reply = reply_make(250, "", "%s", cases[i].given);
        assert_string_equal(reply.text, cases[i].kept);
    }
}

static void a_long_line_is_folded_into_lines_of_512_bytes(void **state)
{
    (void)state;
    char words[REPLY_TEXT_BYTES];
    for (size_t variant = 0; variant < 2; variant++) {
        for (size_t i = 0; i < sizeof words - 1; i++)
            words[i] = variant == 0 && i % 7 == 6 ? ' ' : (char)(i % 2 ? 0xA9 : 0xC3);
        words[sizeof words - 1] = '\0';
        struct reply reply = reply_make(550, "5.7.1", "%s", words);
        char *text = wire_text(&reply);
        size_t lines = 0;
        for (char *line = text; *line; lines++) {
            char *end = strstr(line, "\r\n");
            assert_non_null(end);
            assert_true(end + 2 - line <= 512);
            assert_memory_equal(line, end[2] ? "550-5.7.1 " : "550 5.7.1 ", 10);
            assert_int_not_equal((unsigned char)line[10], 0xA9);
            line = end + 2;
        }
        assert_in_range(lines, 2, 3);
        free(text);
    }
}

static void a_reply_on_one_line_for_logs(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct reply reply = reply_make(550, "5.1.1", "one\ntwo");
    assert_string_equal(reply_line(&reply, arena).at, "550 5.1.1 one; two");
    reply = reply_make(250, "", "%s", "");
    assert_string_equal(reply_line(&reply, arena).at, "250");
    arena_free(arena);
}

static void classes_are_told_apart(void **state)
{
    (void)state;
    struct reply ok = reply_make(354, "", "go"), soft = reply_make(451, "", "later"),
                 hard = reply_make(550, "", "no"), none = {0};
    assert_true(reply_is_ok(&ok) && !reply_is_temporary(&ok) && !reply_is_permanent(&ok));
    assert_true(!reply_is_ok(&soft) && reply_is_temporary(&soft));
    assert_true(!reply_is_ok(&hard) && reply_is_permanent(&hard));
    assert_true(!reply_is_ok(&none) && !reply_is_temporary(&none) &&
                !reply_is_permanent(&none));
}

static void upstream_replies_are_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        int code;
        const char *enhanced, *text, *rest;
    } cases[] = {
        {"250 OK\r\n", 250, "", "OK", ""},
        {"250\r\n", 250, "", "", ""},
        {"250 \r\n", 250, "", "", ""},
        {"250\n", 250, "", "", ""},
        {"250 OK\n354 go\n", 250, "", "OK", "354 go\n"},
        {"550 5.1.1 no such user\r\n", 550, "5.1.1", "no such user", ""},
        {"550 5.1.1\r\n", 550, "5.1.1", "", ""},
        {"550-5.1.1 no\r\n550 5.1.1 such user\r\n", 550, "5.1.1", "no\nsuch user", ""},
        {"550-5.1.1 no\r\n550 such user\r\n", 550, "5.1.1", "no\nsuch user", ""},
        {"550-5.1.1 no\r\n550 5.1.12 x\r\n", 550, "5.1.1", "no\n5.1.12 x", ""},
        {"250-mx\r\n250-\r\n250-SIZE 10\r\n250 HELP\r\nrest", 250, "",
         "mx\n\nSIZE 10\nHELP", "rest"},
        {"550 4.2.2 class differs\r\n", 550, "", "4.2.2 class differs", ""},
        {"250 2.0 version\r\n", 250, "", "2.0 version", ""},
        {"250 2.0.1234 x\r\n", 250, "", "2.0.1234 x", ""},
        {"250 2.100.999 x\r\n", 250, "2.100.999", "x", ""},
        {"220 2.0.0.1 host\r\n", 220, "", "2.0.0.1 host", ""},
        {"250-2.0.0 a\r\n550 5.0.0 b\r\n", 550, "", "a\n5.0.0 b", ""},
        {"571 odd middle digit\r\n", 571, "", "odd middle digit", ""},
        {"250 a\001b\xFF\r\n", 250, "", "a?b?", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reply reply;
        struct str wire = str_of(cases[i].wire);
        int used = reply_parse(wire, &reply);
        assert_int_equal(used, (int)(wire.length - strlen(cases[i].rest)));
        assert_int_equal(reply.code, cases[i].code);
        assert_string_equal(reply.enhanced, cases[i].enhanced);
        assert_string_equal(reply.text, cases[i].text);
    }
}

static void an_unfinished_reply_needs_more(void **state)
{
    (void)state;
    struct reply reply;
    const char *wire = "250-mx.test\r\n250 SIZE\r\n";
    for (size_t length = 0; length < strlen(wire); length++)
        assert_int_equal(reply_parse((struct str){wire, length}, &reply), 0);
}

static void what_is_no_reply_is_a_protocol_error(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "\r\n",           "\n",           "25\r\n",        "2500 x\r\n",  "150 x\r\n",
        "650 x\r\n",      "abc x\r\n",    " 250 x\r\n",    "250x\r\n",    "250\tx\r\n",
        "HTTP/1.1 200\n", "250-a\r\nb\n", "250-a\r\n\r\n", "2\r50 x\r\n", "250-a\n25\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reply reply;
        assert_int_equal(reply_parse(str_of(cases[i]), &reply), -EPROTO);
    }
}

static int parse_repeated(const char *line, size_t count, const char *last)
{
    struct buf wire;
    struct reply reply;
    buf_init(&wire, (size_t)1 << 20);
    for (size_t i = 0; i < count; i++)
        buf_append(&wire, str_of(line));
    buf_append(&wire, str_of(last));
    int result = reply_parse(buf_view(&wire), &reply);
    buf_free(&wire);
    return result;
}

static void endless_replies_are_given_up(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("250-x\r\n", 99, "250 x\r\n"), 700);
    assert_int_equal(parse_repeated("250-x\r\n", 100, "250 x\r\n"), -EPROTO);
    assert_int_equal(parse_repeated("250-x\r\n", 99, ""), 0);
    assert_int_equal(parse_repeated("2", 65535, ""), 0);
    assert_int_equal(parse_repeated("2", 65536, ""), -EPROTO);
    assert_int_equal(parse_repeated("2", 65536, "\r\n"), -EPROTO);
}

static void a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    struct buf wire;
    struct reply reply;
    buf_init(&wire, (size_t)1 << 16);
    buf_append(&wire, STR("250 x"));
    for (size_t i = 0; i < 2000; i++)
        buf_append(&wire, STR("\xC3\xA9"));
    buf_append(&wire, STR("\r\n"));
    assert_int_equal(reply_parse(buf_view(&wire), &reply), 4007);
    assert_int_equal(strlen(reply.text), REPLY_TEXT_BYTES - 1);
    buf_free(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_is_written_with_its_enhanced_code_on_every_line),
        cmocka_unit_test(control_bytes_and_broken_utf8_become_question_marks),
        cmocka_unit_test(a_long_line_is_folded_into_lines_of_512_bytes),
        cmocka_unit_test(a_reply_on_one_line_for_logs),
        cmocka_unit_test(classes_are_told_apart),
        cmocka_unit_test(upstream_replies_are_parsed),
        cmocka_unit_test(an_unfinished_reply_needs_more),
        cmocka_unit_test(what_is_no_reply_is_a_protocol_error),
        cmocka_unit_test(endless_replies_are_given_up),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The content reader: the same verdict and the same bytes however the input is cut. */
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "base/mem.h"
#include "smtp/content.h"

#define BYTES_MAX      1000
#define LINE_BYTES_MAX 40

struct verdict {
    enum smtp_content_step step;
    enum smtp_fault fault;
    bool is_8bit;
    size_t taken;
    size_t length;
    char bytes[BYTES_MAX];
};

/* Feeds the input in two cuts (or one, when both are at its ends) until the content has ended. */
static struct verdict read_in_pieces(struct str input, bool is_dotted, size_t first,
                                     size_t second)
{
    struct smtp_content content;
    struct verdict verdict = {.step = SMTP_CONTENT_MORE};
    size_t ends[] = {first, second, input.length};
    smtp_content_open(&content, is_dotted, BYTES_MAX, LINE_BYTES_MAX);
    for (size_t i = 0; i < 3 && verdict.step == SMTP_CONTENT_MORE; i++) {
        size_t taken;
        struct str piece = str_part(input, verdict.taken, ends[i] - verdict.taken);
        verdict.step = smtp_content_feed(&content, piece, &taken);
        verdict.taken += taken;
    }
    if (!is_dotted && verdict.step == SMTP_CONTENT_MORE && !smtp_content_finish(&content))
        verdict.step = SMTP_CONTENT_BARE_NEWLINE;
    verdict.fault = content.fault;
    verdict.is_8bit = content.is_8bit;
    char *bytes = smtp_content_take(&content, &verdict.length);
    memcpy(verdict.bytes, bytes, verdict.length);
    free(bytes);
    smtp_content_close(&content);
    return verdict;
}

static void assert_same(const struct verdict *a, const struct verdict *b)
{
    assert_int_equal(a->step, b->step);
    assert_int_equal(a->fault, b->fault);
    if (a->step == SMTP_CONTENT_BARE_NEWLINE)
        return; /* how much was taken before it was seen may differ */
    assert_int_equal(a->is_8bit, b->is_8bit);
    assert_int_equal(a->taken, b->taken);
    assert_int_equal(a->length, b->length);
    assert_memory_equal(a->bytes, b->bytes, a->length);
}

/* Reads the input whole, and cut at every two places. */
static struct verdict read_every_way(struct str input, bool is_dotted)
{
    struct verdict whole = read_in_pieces(input, is_dotted, input.length, input.length);
    for (size_t first = 0; first <= input.length; first++) {
        for (size_t second = first; second <= input.length; second++) {
            struct verdict cut = read_in_pieces(input, is_dotted, first, second);
            assert_same(&whole, &cut);
        }
    }
    return whole;
}

static void assert_content(struct str input, bool is_dotted, struct str expected)
{
    struct verdict verdict = read_every_way(input, is_dotted);
    assert_int_equal(verdict.step, is_dotted ? SMTP_CONTENT_END : SMTP_CONTENT_MORE);
    assert_int_equal(verdict.fault, SMTP_FAULT_NONE);
    assert_int_equal(verdict.length, expected.length);
    assert_memory_equal(verdict.bytes, expected.at, expected.length);
}

static void data_ends_at_a_dot_alone(void **state)
{
    (void)state;
    assert_content(STR(".\r\n"), true, STR(""));
    assert_content(STR("\r\n.\r\n"), true, STR("\r\n"));
    assert_content(STR("a\r\n\r\nb\r\n.\r\n"), true, STR("a\r\n\r\nb\r\n"));
    assert_content(STR("a.\r\n .\r\n.\r\n"), true, STR("a.\r\n .\r\n"));
}

static void leading_dots_are_unstuffed(void **state)
{
    (void)state;
    assert_content(STR("..\r\n...\r\n.a\r\n..b\r\n.\r\n"), true,
                   STR(".\r\n..\r\na\r\n.b\r\n"));
}

static void what_follows_the_final_dot_is_left(void **state)
{
    (void)state;
    struct verdict verdict = read_every_way(STR("a\r\n.\r\nQUIT\r\n.\r\n"), true);
    assert_int_equal(verdict.step, SMTP_CONTENT_END);
    assert_int_equal(verdict.taken, strlen("a\r\n.\r\n"));
}

static void chunks_have_no_dots(void **state)
{
    (void)state;
    assert_content(STR(".\r\n..\r\n"), false, STR(".\r\n..\r\n"));
    assert_content(STR(""), false, STR(""));
    assert_content(STR("no line end"), false, STR("no line end\r\n"));
    assert_content(STR("."), false, STR(".\r\n"));
}

static void bare_newlines_are_refused_everywhere(void **state)
{
    (void)state;
    static const struct str inputs[] = {
        {"\n", 1},       {"\r\r\n", 3},       {"a\n", 2},
        {"a\r", 2}, /* in a chunk: the end */
        {"a\rb\r\n", 5}, {"a\r\n\nb", 5},     {"a\n.\n", 4},
        {"a\n.\r\n", 5}, {"a\r\n.\n", 5},     {"a\r\n.\rb", 6},
        {"a\r.\r", 4},   {"a\r\n.\r\r\n", 7},
    };
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        struct verdict verdict = read_every_way(inputs[i], false);
        assert_int_equal(verdict.step, SMTP_CONTENT_BARE_NEWLINE);
        if (str_equal(inputs[i], STR("a\r")))
            continue;
        verdict = read_every_way(inputs[i], true);
        assert_int_equal(verdict.step, SMTP_CONTENT_BARE_NEWLINE);
    }
}

static void an_unfinished_message_needs_more(void **state)
{
    (void)state;
    static const struct str inputs[] = {
        {"", 0}, {".", 1}, {".\r", 2}, {"a", 1}, {"a\r", 2}, {"a\r\n.", 4}, {"a\r\n.\r", 5},
    };
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
        assert_int_equal(read_every_way(inputs[i], true).step, SMTP_CONTENT_MORE);
}

static void faults_are_seen_and_the_end_is_found(void **state)
{
    (void)state;
    struct verdict verdict = read_every_way(STR("a\0b\r\n.\r\n"), true);
    assert_int_equal(verdict.step, SMTP_CONTENT_END);
    assert_int_equal(verdict.fault, SMTP_FAULT_NUL);
    assert_int_equal(verdict.length, 0);

    verdict = read_every_way(STR("12345678901234567890123456789012345678\r\n.\r\n"), true);
    assert_int_equal(verdict.fault, SMTP_FAULT_NONE);
    verdict = read_every_way(STR("123456789012345678901234567890123456789\r\n.\r\n"), true);
    assert_int_equal(verdict.step, SMTP_CONTENT_END);
    assert_int_equal(verdict.fault, SMTP_FAULT_LINE_TOO_LONG);
}

static void a_stuffed_dot_does_not_count_in_the_line(void **state)
{
    (void)state;
    struct verdict verdict =
        read_every_way(STR("..2345678901234567890123456789012345678\r\n.\r\n"), true);
    assert_int_equal(verdict.fault, SMTP_FAULT_NONE);
}

static void a_message_over_the_limit_keeps_no_bytes(void **state)
{
    (void)state;
    struct smtp_content content;
    size_t taken;
    smtp_content_open(&content, true, 10, 100);
    smtp_content_feed(&content, STR("12345678\r\n"), &taken);
    assert_int_equal(content.fault, SMTP_FAULT_NONE);
    smtp_content_feed(&content, STR("\r\n"), &taken);
    assert_int_equal(content.fault, SMTP_FAULT_TOO_BIG);
    assert_int_equal(content.bytes.capacity, 0);
    assert_int_equal(smtp_content_feed(&content, STR("more\r\n.\r\n"), &taken),
                     SMTP_CONTENT_END);
    assert_int_equal(content.total_bytes, 21);
    smtp_content_close(&content);
}

static void bytes_above_127_are_noted(void **state)
{
    (void)state;
    assert_true(read_every_way(STR("caf\xC3\xA9\r\n.\r\n"), true).is_8bit);
    assert_false(read_every_way(STR("cafe\r\n.\r\n\xC3"), true).is_8bit);
}

static void an_announced_size_is_room_not_content(void **state)
{
    (void)state;
    struct smtp_content content;
    size_t length;
    smtp_content_open(&content, true, 100, 100);
    smtp_content_expect(&content, UINT64_MAX); /* over the limit: no room is made */
    assert_int_equal(content.bytes.length, 0);
    smtp_content_expect(&content, 100);
    assert_true(content.bytes.capacity >= 100);
    free(smtp_content_take(&content, &length));
    assert_int_equal(length, 0);
    smtp_content_close(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_ends_at_a_dot_alone),
        cmocka_unit_test(leading_dots_are_unstuffed),
        cmocka_unit_test(what_follows_the_final_dot_is_left),
        cmocka_unit_test(chunks_have_no_dots),
        cmocka_unit_test(bare_newlines_are_refused_everywhere),
        cmocka_unit_test(an_unfinished_message_needs_more),
        cmocka_unit_test(faults_are_seen_and_the_end_is_found),
        cmocka_unit_test(a_stuffed_dot_does_not_count_in_the_line),
        cmocka_unit_test(a_message_over_the_limit_keeps_no_bytes),
        cmocka_unit_test(bytes_above_127_are_noted),
        cmocka_unit_test(an_announced_size_is_room_not_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

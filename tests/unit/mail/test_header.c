#include <errno.h>

#include "arena_fixture.h"
#include "test.h"

#include "mail/header.h"

static void fields_are_views_into_the_message(void **state)
{
    (void)state;
    struct str raw = STR("From: a@x\r\nSubject : one\r\n two\r\nEmpty:\r\n\r\nbody\r\n");
    struct header header;
    header_parse(raw, arena, &header);
    assert_int_equal(header.count, 3);
    assert_true(str_equal(header.fields[0].whole, STR("From: a@x\r\n")));
    assert_ptr_equal(header.fields[0].whole.at, raw.at);
    assert_true(str_equal(header.fields[1].name, STR("Subject")));
    assert_true(str_equal(header.fields[1].value, STR(" one\r\n two")));
    assert_true(str_equal(header.fields[2].value, STR("")));
    assert_true(str_equal(str_from(raw, header.body_offset), STR("body\r\n")));
}

static void the_section_ends_where_it_should(void **state)
{
    (void)state;
    const struct {
        struct str raw;
        size_t count, body_offset;
    } cases[] = {
        {STR(""), 0, 0},
        {STR("\r\n"), 0, 2},
        {STR("\n"), 0, 1},
        {STR("\r"), 0, 0},
        {STR("\r\nA: b\r\n"), 0, 2},
        {STR("A: b"), 1, 4},
        {STR("A: b\r\n"), 1, 6},
        {STR("A: b\r\n\r"), 1, 6},
        {STR("A: b\r\n\r\n"), 1, 8},
        {STR("A: b\n\nx"), 1, 6},
        {STR("A: b\r\nno field\r\nC: d"), 1, 6},
        {STR("A: b\r\n: d\r\n\r\n"), 1, 6},
        {STR("A: b\r\nB\r\n c: d\r\n"), 1, 6},
        {STR("A: b\r\nB B: d\r\n"), 1, 6},
        {STR(" A: b\r\n\r\n"), 0, 0},
        {STR("A: b\r\n \r\n\r\nx"), 1, 11},
        {STR("A\0: b\r\n\r\n"), 0, 0},
        {STR("\xC3\xA9: b\r\n\r\n"), 0, 0},
        {STR("A:"), 1, 2},
        {STR("A \t:\r"), 1, 5},
        {STR("A:\n"), 1, 3},
        {STR("A: b\rC: d\r\n\r\n"), 1, 13},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct header header;
        header_parse(cases[i].raw, arena, &header);
        if (header.count != cases[i].count || header.body_offset != cases[i].body_offset)
            fail_msg("case %zu: %zu fields, body at %zu", i, header.count,
                     header.body_offset);
    }
}

static void fields_past_the_limit_are_not_indexed(void **state)
{
    (void)state;
    struct buf raw;
    buf_init(&raw, 1000000);
    for (size_t i = 0; i < HEADER_FIELDS_MAX + 5; i++)
        assert_int_equal(buf_printf(&raw, "X-%zu: y\r\n", i), 0);
    assert_int_equal(buf_append(&raw, STR("\r\nbody")), 0);
    struct header header;
    header_parse(buf_view(&raw), arena, &header);
    assert_int_equal(header.count, HEADER_FIELDS_MAX);
    assert_true(str_equal(str_from(buf_view(&raw), header.body_offset), STR("body")));
    buf_free(&raw);
}

static void fields_are_found_in_any_case(void **state)
{
    (void)state;
    struct header header;
    header_parse(STR("To: a\r\nRECEIVED: 1\r\nTo: b\r\nreceived:\r\n\t2 \r\n\r\n"), arena,
                 &header);
    size_t index = 0;
    const struct header_field *field = header_next(&header, STR("Received"), &index);
    assert_true(str_equal(field->value, STR(" 1")));
    assert_int_equal(index, 2);
    field = header_next(&header, STR("Received"), &index);
    assert_true(str_equal(header_unfold(field->value, arena), STR("2")));
    assert_null(header_next(&header, STR("Received"), &index));
    assert_int_equal(header_count(&header, STR("to")), 2);
    assert_int_equal(header_count(&header, STR("t")), 0);
    assert_true(str_equal(header_value(&header, STR("TO"), arena), STR("a")));
    assert_int_equal(header_value(&header, STR("Cc"), arena).length, 0);
}

static void unfolding_leaves_no_line_end(void **state)
{
    (void)state;
    const struct {
        struct str folded, value;
    } cases[] = {
        {STR(" one\r\n two"), STR("one two")},
        {STR("\r\n\tone\r\n"), STR("one")},
        {STR(" a\n b\r c\r\n\t"), STR("a b c")},
        {STR(" a\0b"), STR("a\0b")},
        {STR(" \r\n \r\n"), STR("")},
        {STR(""), STR("")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(str_equal(header_unfold(cases[i].folded, arena), cases[i].value));
}

static void names_and_values_are_checked(void **state)
{
    (void)state;
    char long_text[8001];
    memset(long_text, 'x', sizeof long_text);
    assert_true(header_name_is_valid(STR("X-Ticket")));
    assert_true(header_name_is_valid((struct str){long_text, 76}));
    const struct str bad_names[] = {STR(""),       STR("a b"), STR("a:"),   STR(" a"),
                                    STR("a\r\nb"), STR("a\0"), STR("\x7F"), STR("é")};
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++)
        assert_false(header_name_is_valid(bad_names[i]));
    assert_false(header_name_is_valid((struct str){long_text, 77}));
    assert_true(header_value_is_valid(STR("")));
    assert_true(header_value_is_valid(STR("é \t x")));
    assert_true(header_value_is_valid((struct str){long_text, 8000}));
    assert_false(header_value_is_valid((struct str){long_text, 8001}));
    assert_false(header_value_is_valid(STR("a\rb")));
    assert_false(header_value_is_valid(STR("a\nb")));
    assert_false(header_value_is_valid(STR("a\0b")));
}

static void short_fields_stay_on_one_line(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    assert_int_equal(header_append(&buf, STR("A"), STR(" b  c ")), 0);
    assert_int_equal(header_append(&buf, STR("Empty"), STR(" ")), 0);
    assert_true(str_equal(buf_view(&buf), STR("A: b  c\r\nEmpty:\r\n")));
    buf_free(&buf);
}

/* Lines are bounded, and unfolding gives the value back. */
static void check_folding(struct str value, size_t line_bytes_max)
{
    struct buf buf;
    buf_init(&buf, 100000);
    assert_int_equal(header_append(&buf, STR("Subject"), value), 0);
    struct header header;
    header_parse(buf_view(&buf), arena, &header);
    assert_int_equal(header.count, 1);
    assert_int_equal(header.body_offset, buf.length);
    assert_true(str_equal(header_value(&header, STR("subject"), arena), value));
    struct str rest = buf_view(&buf);
    while (rest.length) {
        struct str line = str_cut(&rest, '\n');
        assert_true(line.length <= line_bytes_max + 1);
        assert_true(str_trim(line).length > 0);
    }
    buf_free(&buf);
}

static void long_fields_are_folded_at_blanks(void **state)
{
    (void)state;
    char text[8000];
    memset(text, 'x', sizeof text);
    check_folding((struct str){text, 997}, 998);
    for (size_t i = 10; i < sizeof text; i += 11)
        text[i] = i % 2 ? ' ' : '\t';
    check_folding((struct str){text, sizeof text}, 78);
    memset(text + 100, ' ', 500);
    check_folding((struct str){text, sizeof text}, 998);
}

static void a_field_that_cannot_be_written_changes_nothing(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'x', sizeof text);
    struct buf buf;
    buf_init(&buf, 300);
    assert_int_equal(buf_append(&buf, STR("A: b\r\n")), 0);
    assert_int_equal(header_append(&buf, STR("B"), (struct str){text, 998}), -EINVAL);
    assert_int_equal(header_append(&buf, STR("B"), (struct str){text, 900}), -ENOBUFS);
    assert_int_equal(header_append(&buf, STR("B"), STR("c\r\nD: e")), -EINVAL);
    assert_int_equal(header_append(&buf, STR("B:"), STR("c")), -EINVAL);
    assert_true(str_equal(buf_view(&buf), STR("A: b\r\n")));
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_views_into_the_message),
        cmocka_unit_test(the_section_ends_where_it_should),
        cmocka_unit_test(fields_past_the_limit_are_not_indexed),
        cmocka_unit_test(fields_are_found_in_any_case),
        cmocka_unit_test(unfolding_leaves_no_line_end),
        cmocka_unit_test(names_and_values_are_checked),
        cmocka_unit_test(short_fields_stay_on_one_line),
        cmocka_unit_test(long_fields_are_folded_at_blanks),
        cmocka_unit_test(a_field_that_cannot_be_written_changes_nothing),
    };
    return cmocka_run_group_tests(tests, open_arena, free_arena);
}

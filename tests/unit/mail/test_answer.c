#include "arena_fixture.h"
#include "test.h"

#include "mail/answer.h"
#include "mail/references.h"

static const struct header *header_of(struct str raw)
{
    struct header *header = arena_new_of(arena, struct header);
    header_parse(raw, arena, header);
    return header;
}

static void message_ids_are_recognised(void **state)
{
    (void)state;
    char text[251];
    memset(text, 'x', sizeof text);
    text[0] = '<';
    text[249] = '>';
    assert_true(message_id_is_valid((struct str){text, 250}));
    text[249] = 'x';
    text[250] = '>';
    assert_false(message_id_is_valid((struct str){text, 251}));
    assert_true(message_id_is_valid(STR("<a@b>")));
    assert_true(message_id_is_valid(STR("<\"a,b\"@[x]>")));
    const struct str bad[] = {STR(""),    STR("<>"),     STR("<"),      STR(">"),
                              STR("a@b"), STR("<a b>"),  STR("<a><b>"), STR("<a"),
                              STR("a>"),  STR("<a\0b>"), STR("<\xC3>"), STR("<a\x7F>"),
                              STR(" <a>")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(message_id_is_valid(bad[i]));
}

static void references_are_counted_in_all_fields(void **state)
{
    (void)state;
    const struct header *header = header_of(STR("References: <a> <b>\r\n <c><d\r\n"
                                                "X: <e>\r\nreferences: <f>, <g\r\n\r\n"));
    assert_int_equal(references_count(header), 6);
    assert_int_equal(references_count(header_of(STR("\r\n"))), 0);
}

static void an_answer_continues_the_thread(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *references;
    } cases[] = {
        {"Message-ID: <3>\r\nReferences: <1>\r\n\t<2>\r\nIn-Reply-To: <2>\r\n",
         "<1> <2> <3>"},
        {"Message-ID: <3>\r\nIn-Reply-To: Your mail <2>\r\n", "<2> <3>"},
        {"Message-ID: <3>\r\nIn-Reply-To: <1> <2>\r\n", "<3>"},
        {"Message-ID: <3>\r\n", "<3>"},
        {"Message-ID: <3>\r\nReferences: x <a b> <1>, <\r\n", "<1> <3>"},
        {"Subject: x\r\n", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str references = answer_references(header_of(str_of(cases[i].raw)), arena);
        assert_string_equal(arena_text(arena, references), cases[i].references);
    }
}

/* A header with that many identifiers of 3 digits and `bytes` more. */
static struct str long_thread(int count, int bytes)
{
    char *raw = arena_printf(arena, "Message-ID: <own>\r\nReferences:");
    for (int i = 0; i < count; i++)
        raw = arena_printf(arena, "%s\r\n <%03d%0*d>", raw, i, bytes, 0);
    return str_of(arena_printf(arena, "%s\r\n", raw));
}

static void a_long_thread_keeps_both_ends(void **state)
{
    (void)state;
    static const struct {
        int count, bytes;
    } cases[] = {
        {99, 1},
        {100, 1},
        {100, 200},
        {150, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct header *original =
            header_of(long_thread(cases[i].count, cases[i].bytes));
        struct str references = answer_references(original, arena);
        assert_true(references.length <= 7500);
        assert_true(str_starts(references, STR("<000")));
        struct str rest = references, id;
        size_t count = 0;
        for (; references_next(&rest, &id); count++)
            assert_true(message_id_is_valid(id));
        assert_true(count <= REFERENCES_MAX && count > 30);
        if (cases[i].count <= 100)
            assert_true(str_ends_nocase(references, STR(" <own>")));
    }
}

static void the_subject_is_taken_over(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *subject;
    } cases[] = {
        {"Subject: hello\r\n", "Re: hello"},
        {"Subject: RE: hello\r\n", "RE: hello"},
        {"Subject: one\r\n two\r\n", "Re: one two"},
        {"Subject: Gr\xC3\xBC\xC3\x9F"
         "e\r\n",
         "Re: Gr\xC3\xBC\xC3\x9F"
         "e"},
        {"Subject: Gr\xFC\xDF"
         "e\r\n",
         "Re: Gr??e"},
        {"X: y\r\n", "Re: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str subject = answer_subject(header_of(str_of(cases[i].raw)), arena);
        assert_string_equal(arena_text(arena, subject), cases[i].subject);
    }
    struct str nul = answer_subject(header_of(STR("Subject: a\0b\r\n")), arena);
    assert_true(str_equal(nul, STR("Re: a?b")));
    const char *long_text = arena_printf(arena, "Subject: %0900d\r\n", 0);
    assert_int_equal(answer_subject(header_of(str_of(long_text)), arena).length, 800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_ids_are_recognised),
        cmocka_unit_test(references_are_counted_in_all_fields),
        cmocka_unit_test(an_answer_continues_the_thread),
        cmocka_unit_test(a_long_thread_keeps_both_ends),
        cmocka_unit_test(the_subject_is_taken_over),
    };
    return cmocka_run_group_tests(tests, open_arena, free_arena);
}

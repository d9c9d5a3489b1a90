/* Edits of a header: which, with what values, and the section that comes out. */
#include <errno.h>

#include "test.h"

#include "mail/header_edit.h"

static struct arena *arena;

static struct header parsed(const char *section)
{
    struct header header;
    header_parse(str_of(section), arena, &header);
    return header;
}

static void only_safe_fields_may_be_changed(void **state)
{
    (void)state;
    static const char *const allowed[] = {"Subject",       "reply-to", "LIST-ID",
                                          "Precedence",    "Comments", "X-Ticket",
                                          "Auto-Submitted"};
    static const char *const refused[] = {"From",
                                          "Received",
                                          "Return-Path",
                                          "DKIM-Signature",
                                          "ARC-Seal",
                                          "Content-Type",
                                          "Authentication-Results",
                                          "MIME-Version",
                                          "Sender",
                                          "Message-ID",
                                          "Date",
                                          "To",
                                          "List-",
                                          "X-",
                                          "X-Postern-Hop",
                                          "Subjects",
                                          ""};
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        assert_true(header_edit_is_allowed(str_of(allowed[i])));
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_false(header_edit_is_allowed(str_of(refused[i])));
}

static void what_is_signed_is_found_in_any_signature(void **state)
{
    (void)state;
    struct header header = parsed("DKIM-Signature: v=1; h=From:To; b=x\r\n"
                                  "DKIM-Signature: broken\r\n"
                                  "DKIM-Signature: v=1; h=from :\r\n x-Case; b=y\r\n\r\n");
    assert_true(header_edit_is_signed(&header, STR("To")));
    assert_true(header_edit_is_signed(&header, STR("X-Case")));
    assert_false(header_edit_is_signed(&header, STR("Subject")));
}

static void edits_keep_places_and_all_else(void **state)
{
    (void)state;
    const char *section = "X-A: 1\r\nSubject: old\r\n folded\r\nFrom: a@b.test\r\n"
                          "subject: second\r\nList-Id: <l>\r\n\r\n";
    const struct header_edit edits[] = {{STR("Subject"), STR("new"), false},
                                        {STR("List-ID"), STR(""), true},
                                        {STR("Reply-To"), STR("r@b.test"), false},
                                        {STR("X-None"), STR(""), true}};
    struct header header = parsed(section);
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(header_edit_apply(str_of(section), &header, edits, 4, &out), 0);
    assert_true(str_equal(buf_view(&out), STR("X-A: 1\r\nSubject: new\r\nFrom: a@b.test\r\n"
                                              "Reply-To: r@b.test\r\n\r\n")));
    buf_free(&out);
}

static void a_section_without_fields_gets_them(void **state)
{
    (void)state;
    const struct header_edit edit = {STR("Subject"), STR("new"), false};
    struct header header = parsed("\r\n");
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(header_edit_apply(STR("\r\n"), &header, &edit, 1, &out), 0);
    assert_true(str_equal(buf_view(&out), STR("Subject: new\r\n\r\n")));
    buf_free(&out);
}

static void values_cannot_bring_fields_along(void **state)
{
    (void)state;
    struct str value;
    assert_int_equal(header_edit_value(STR("Subject"), STR("a\r\nBcc: x"), arena, &value),
                     -EINVAL);
    assert_int_equal(header_edit_value(STR("Subject"), STR("a\xff"), arena, &value),
                     -EINVAL);
    assert_int_equal(
        header_edit_value(STR("Reply-To"), STR("J\xc3\xb6rg <j@a.test>"), arena, &value),
        -EINVAL);
    assert_int_equal(header_edit_value(STR("Subject"),
                                       STR("Gr\xc3\xbc\xc3\x9f"
                                           "e"),
                                       arena, &value),
                     0);
    assert_true(str_starts(value, STR("=?UTF-8?")) || str_starts(value, STR("=?utf-8?")));
}

static void from_names_both(void **state)
{
    (void)state;
    static const struct {
        const char *from, *via;
    } cases[] = {
        {"From: Anna <anna@a.test>\r\n", "\"Anna via help\" <help@gate.test>"},
        {"From: \"Doe, \\\"J\" <j@a.test>\r\n", "\"Doe, J via help\" <help@gate.test>"},
        {"From: anna@a.test\r\n", "\"anna via help\" <help@gate.test>"},
        {"From: <anna@a.test>\r\n", "\"anna via help\" <help@gate.test>"},
        {"From: \xff <anna@a.test>\r\n", "\"anna via help\" <help@gate.test>"},
        {"From: what\r\n", "\"somebody via help\" <help@gate.test>"},
        {"", "\"somebody via help\" <help@gate.test>"},
        {"From: =?utf-8?q?A=0D=0ABcc=3A_x=22?= <a@a.test>\r\n",
         "\"ABcc: x via help\" <help@gate.test>"},
    };
    struct mailbox address;
    assert_int_equal(mailbox_parse(STR("help@gate.test"), arena, &address), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct header header = parsed(arena_printf(arena, "%s\r\n", cases[i].from));
        struct str via = header_edit_via(&header, &address, arena);
        assert_string_equal(arena_text(arena, via), cases[i].via);
    }
    struct header header = parsed("From: =?utf-8?q?J=C3=B6rg?= <j@a.test>\r\n\r\n");
    struct str via = header_edit_via(&header, &address, arena);
    assert_true(str_ends_nocase(via, STR("?= <help@gate.test>")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_safe_fields_may_be_changed),
        cmocka_unit_test(what_is_signed_is_found_in_any_signature),
        cmocka_unit_test(edits_keep_places_and_all_else),
        cmocka_unit_test(a_section_without_fields_gets_them),
        cmocka_unit_test(values_cannot_bring_fields_along),
        cmocka_unit_test(from_names_both),
    };
    arena = arena_new();
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(arena);
    return result;
}

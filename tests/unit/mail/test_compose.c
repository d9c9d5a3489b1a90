#include <errno.h>

#include "test.h"

#include "mail/compose.h"
#include "mail/header.h"

static struct arena *arena;
static struct buf out;
static struct err err;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new();
    buf_init(&out, 1000000);
    err = (struct err){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    buf_free(&out);
    return 0;
}

static struct compose_reply plain_reply(void)
{
    return (struct compose_reply){
        .from = STR("support@example.com"),
        .to = STR("anna@mail.test"),
        .subject = STR("Re: hello"),
        .text = STR("We got it.\nThank you."),
        .in_reply_to = STR("<1@mail.test>"),
        .references = STR("<0@mail.test> <1@mail.test>"),
        .message_id = STR("<2@example.com>"),
        .date_ms = 1795321752000,
    };
}

static void a_plain_reply_reads_as_expected(void **state)
{
    (void)state;
    struct compose_reply parts = plain_reply();
    struct compose_header own = {STR("X-Ticket"), STR("42")};
    parts.headers = &own;
    parts.header_count = 1;
    assert_int_equal(compose_reply(&parts, &out, &err), 0);
    assert_string_equal(arena_text(arena, buf_view(&out)),
                        "Date: Sun, 22 Nov 2026 04:29:12 +0000\r\n"
                        "Message-ID: <2@example.com>\r\n"
                        "From: support@example.com\r\n"
                        "To: anna@mail.test\r\n"
                        "Subject: Re: hello\r\n"
                        "In-Reply-To: <1@mail.test>\r\n"
                        "References: <0@mail.test> <1@mail.test>\r\n"
                        "Auto-Submitted: auto-replied\r\n"
                        "X-Ticket: 42\r\n"
                        "MIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: 7bit\r\n"
                        "\r\n"
                        "We got it.\r\n"
                        "Thank you.\r\n");
}

static void text_and_html_are_alternatives(void **state)
{
    (void)state;
    struct compose_reply parts = plain_reply();
    parts.text = STR("--=_postern--");
    parts.html = STR("<p>Grüße</p>\r\n");
    assert_int_equal(compose_reply(&parts, &out, &err), 0);
    struct str message = buf_view(&out);
    ptrdiff_t start = str_find(message, STR("Content-Type: multipart"));
    assert_true(start > 0);
    assert_string_equal(arena_text(arena, str_from(message, (size_t)start)),
                        "Content-Type: multipart/alternative; boundary=\"=_postern\"\r\n"
                        "\r\n"
                        "--=_postern\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: quoted-printable\r\n"
                        "\r\n"
                        "--=3D_postern--\r\n"
                        "--=_postern\r\n"
                        "Content-Type: text/html; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: quoted-printable\r\n"
                        "\r\n"
                        "<p>Gr=C3=BC=C3=9Fe</p>\r\n"
                        "--=_postern--\r\n");
}

static void header_text_is_encoded_when_it_must_be(void **state)
{
    (void)state;
    static const struct {
        const char *subject, *field;
    } cases[] = {
        {"", "Subject:\r\n"},
        {"Grüße", "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n"},
        {"Re: =?utf-8?B?R3LDvMOfZQ==?=", "Subject: Re: =?utf-8?B?R3LDvMOfZQ==?=\r\n"},
        {"a\x1B[1m", "Subject: =?utf-8?B?YRtbMW0=?=\r\n"},
        {"ääääääääääääääääääääää€",
         "Subject: =?utf-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOk?=\r\n"
         " =?utf-8?B?w6Tigqw=?=\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct compose_reply parts = plain_reply();
        parts.subject = str_of(cases[i].subject);
        buf_clear(&out);
        assert_int_equal(compose_reply(&parts, &out, &err), 0);
        if (str_find(buf_view(&out), str_of(cases[i].field)) < 0)
            fail_msg("%s: not %s", cases[i].subject, cases[i].field);
    }
}

static void long_header_text_keeps_lines_short(void **state)
{
    (void)state;
    char text[4000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "\xE2\x82\xAC"[i % 3];
    struct compose_reply parts = plain_reply();
    parts.subject = (struct str){text, 3999};
    assert_int_equal(compose_reply(&parts, &out, &err), 0);
    memset(text, 'x', sizeof text);
    parts.subject = (struct str){text, sizeof text};
    assert_int_equal(compose_reply(&parts, &out, &err), 0);
    for (struct str rest = buf_view(&out); rest.length;)
        assert_true(str_cut(&rest, '\n').length <= 79);
}

static void fields_with_line_breaks_are_refused(void **state)
{
    (void)state;
    const struct str evil[] = {STR("a\r\nBcc: x@y"), STR("a\nb"),     STR("a\rb"),
                               STR("a\0b"),          STR("<a\r\nb>"), STR("\xFF")};
    for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
        struct compose_header own = {STR("X-A"), evil[i]};
        struct compose_reply parts[7];
        for (size_t k = 0; k < 7; k++)
            parts[k] = plain_reply();
        parts[0].from = parts[1].to = parts[2].subject = parts[3].in_reply_to = evil[i];
        parts[4].references = parts[5].message_id = evil[i];
        parts[6].headers = &own;
        parts[6].header_count = 1;
        for (size_t k = 0; k < 7; k++) {
            err.text[0] = '\0';
            assert_int_equal(compose_reply(&parts[k], &out, &err), -EINVAL);
            assert_true(err.text[0] != '\0');
            assert_int_equal(out.length, 0);
        }
    }
}

static void managed_and_malformed_header_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {
        "from",
        "To",
        "CC",
        "Bcc",
        "Sender",
        "Subject",
        "Date",
        "Message-Id",
        "MIME-Version",
        "Content-Type",
        "Content-X",
        "In-Reply-To",
        "References",
        "Received",
        "Return-Path",
        "Resent-To",
        "DKIM-Signature",
        "ARC-Seal",
        "Auto-Submitted",
        "Authentication-Results",
        "Received-SPF",
        "",
        "a b",
        "a:",
        "a\r\nb",
        "é",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct compose_reply parts = plain_reply();
        struct compose_header own = {str_of(names[i]), STR("x")};
        parts.headers = &own;
        parts.header_count = 1;
        if (compose_reply(&parts, &out, &err) != -EINVAL)
            fail_msg("accepted: %s", names[i]);
    }
}

static void a_reply_to_address_is_not_encoded(void **state)
{
    (void)state;
    struct compose_reply parts = plain_reply();
    struct compose_header own = {STR("reply-to"), STR("Jos\xC3\xA9 <jose@x.test>")};
    parts.headers = &own;
    parts.header_count = 1;
    assert_int_equal(compose_reply(&parts, &out, &err), -EINVAL);
    own.value = STR("Jose <jose@x.test>");
    assert_int_equal(compose_reply(&parts, &out, &err), 0);
    assert_true(str_find(buf_view(&out), STR("reply-to: Jose <jose@x.test>\r\n")) > 0);
}

static void bad_parts_are_refused(void **state)
{
    (void)state;
    struct compose_reply parts[10];
    for (size_t i = 0; i < 10; i++)
        parts[i] = plain_reply();
    parts[0].from = STR("");
    parts[1].to = STR("Anna <anna@mail.test>");
    parts[2].text = STR("");
    parts[3].text = STR("a\0b");
    parts[4].text = STR("\xC3");
    parts[5].html = STR("\xFF");
    parts[6].in_reply_to = STR("");
    parts[7].message_id = STR("<a b>");
    parts[8].references = STR("<a> b");
    parts[9].references = STR("<a>  <b>");
    for (size_t i = 0; i < 10; i++) {
        if (compose_reply(&parts[i], &out, &err) != -EINVAL)
            fail_msg("accepted: %zu", i);
        assert_int_equal(out.length, 0);
    }
}

static void a_reply_past_the_ceiling_changes_nothing(void **state)
{
    (void)state;
    struct compose_reply parts = plain_reply();
    assert_int_equal(compose_reply(&parts, &out, &err), 0);
    size_t needed = out.length;
    struct buf small;
    for (size_t ceiling = 1; ceiling < needed; ceiling += 7) {
        buf_init(&small, ceiling);
        assert_int_equal(buf_append(&small, STR("x")), 0);
        assert_int_equal(compose_reply(&parts, &small, &err), -ENOBUFS);
        assert_int_equal(small.length, 1);
        buf_free(&small);
    }
}

static void a_raw_reply_gets_what_it_lacks(void **state)
{
    (void)state;
    struct str id = STR("<2@example.com>");
    assert_int_equal(
        compose_raw_reply(STR("From: a@b\nDate: now\n\nhi\rho"), id, 0, &out, &err), 0);
    assert_string_equal(arena_text(arena, buf_view(&out)),
                        "Message-ID: <2@example.com>\r\n"
                        "Auto-Submitted: auto-replied\r\n"
                        "From: a@b\r\n"
                        "Date: now\r\n"
                        "\r\n"
                        "hi\r\n"
                        "ho\r\n");
    struct str whole = STR("Message-ID: <x>\r\nDate: now\r\nAuto-Submitted: no\r\n\r\n");
    buf_clear(&out);
    assert_int_equal(compose_raw_reply(whole, id, 0, &out, &err), 0);
    assert_true(str_equal(buf_view(&out), whole));
}

static void a_raw_reply_cannot_continue_our_fields(void **state)
{
    (void)state;
    const struct str cases[] = {STR(""), STR(" x\r\nFrom: a@b\r\n"), STR("\nFrom: a@b\n"),
                                STR("hello"), STR(": x")};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(compose_raw_reply(cases[i], STR("<1@x>"), 0, &out, &err), -EINVAL);
        assert_int_equal(out.length, 0);
    }
}

#define compose_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        compose_test(a_plain_reply_reads_as_expected),
        compose_test(text_and_html_are_alternatives),
        compose_test(header_text_is_encoded_when_it_must_be),
        compose_test(long_header_text_keeps_lines_short),
        compose_test(fields_with_line_breaks_are_refused),
        compose_test(managed_and_malformed_header_names_are_refused),
        compose_test(a_reply_to_address_is_not_encoded),
        compose_test(bad_parts_are_refused),
        compose_test(a_reply_past_the_ceiling_changes_nothing),
        compose_test(a_raw_reply_gets_what_it_lacks),
        compose_test(a_raw_reply_cannot_continue_our_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <errno.h>

#include "test.h"

#include "mail/reply_check.h"

static struct mailbox recipient;
static struct message *original;
static struct err err;

static void set_original(const char *sender, struct str raw)
{
    message_release(original);
    original = message_new();
    original->raw = blob_copy(raw);
    header_parse(blob_view(original->raw), original->arena, &original->header);
    original->reverse_path.is_null = *sender == '\0';
    if (*sender)
        assert_int_equal(
            mailbox_parse(str_of(sender), original->arena, &original->reverse_path), 0);
    err = (struct err){0};
}

static int set_up(void **state)
{
    (void)state;
    set_original("Anna@mail.test", STR("Message-ID:\r\n <1@mail.test>\r\n\r\nhello\r\n"));
    return mailbox_parse(STR("support@example.com"), original->arena, &recipient);
}

static int tear_down(void **state)
{
    (void)state;
    message_release(original);
    original = NULL;
    return 0;
}

static void a_persons_mail_may_be_answered(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "Subject: hi",
        "Auto-Submitted: no",
        "Auto-Submitted: No; x=y",
        "Auto-Submitted: no (really)",
        "Precedence: normal",
        "Precedence: first-class",
        "X-Auto-Response-Suppress: DR, RN",
        "Listen: to this",
        "References: <a> <b>",
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct arena *arena = arena_new();
        const char *raw = arena_printf(arena, "%s\r\nmessage-id: <1@x>\r\n\r\n", fields[i]);
        set_original("noreply@mail.test", str_of(raw));
        if (reply_check_original(original, &err) != 0)
            fail_msg("refused: %s", fields[i]);
        arena_free(arena);
    }
}

static void automatic_mail_is_not_answered(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "Auto-Submitted: auto-replied",
        "AUTO-SUBMITTED: auto-generated; x",
        "Auto-Submitted:",
        "Auto-Submitted: nope",
        "Precedence: bulk",
        "precedence: LIST",
        "Precedence:\r\n junk",
        "List-Id: <x>",
        "list-unsubscribe: <mailto:a@b>",
        "List-Post: NO",
        "X-Auto-Response-Suppress: All",
        "X-Auto-Response-Suppress: DR, RN, NRN, OOF, AutoReply",
        "X-Auto-Response-Suppress: DR,oof",
        "X-Auto-Response-Suppress: autoreply",
        "Message-ID: <2@x>",
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct arena *arena = arena_new();
        const char *raw = arena_printf(arena, "Message-ID: <1@x>\r\n%s\r\n\r\n", fields[i]);
        set_original("anna@mail.test", str_of(raw));
        if (reply_check_original(original, &err) != -EPERM || err.text[0] == '\0')
            fail_msg("answered: %s", fields[i]);
        arena_free(arena);
    }
}

static void mail_systems_and_lists_are_not_answered(void **state)
{
    (void)state;
    static const char *const senders[] = {
        "",
        "MAILER-DAEMON@x.test",
        "mailer-daemon@x.test",
        "news-request@x.test",
        "Owner-news@x.test",
        "news-OWNER@x.test",
    };
    for (size_t i = 0; i < sizeof senders / sizeof *senders; i++) {
        set_original(senders[i], STR("Message-ID: <1@x>\r\n\r\n"));
        assert_int_equal(reply_check_original(original, &err), -EPERM);
    }
    set_original("request@x.test", STR("Message-ID: <1@x>\r\n\r\n"));
    assert_int_equal(reply_check_original(original, &err), 0);
}

static void mail_without_a_usable_message_id_is_not_answered(void **state)
{
    (void)state;
    const struct str cases[] = {STR("Subject: x\r\n\r\n"),
                                STR("Message-ID:\r\n\r\n"),
                                STR("Message-ID: 1@x\r\n\r\n"),
                                STR("Message-ID: <a b>\r\n\r\n"),
                                STR("Message-ID: <a> <b>\r\n\r\n"),
                                STR("Message-ID: <\xC3\xA9>\r\n\r\n"),
                                STR("")};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_original("anna@mail.test", cases[i]);
        assert_int_equal(reply_check_original(original, &err), -EPERM);
    }
}

/* A message with `count` identifiers in its References. */
static struct str with_references(size_t count, const char *top, struct arena *arena)
{
    char *raw = arena_printf(arena, "%sReferences:", top);
    for (size_t i = 0; i < count; i++)
        raw = arena_printf(arena, "%s\r\n <%zu@x>", raw, i);
    return str_of(arena_printf(arena, "%s\r\n\r\n", raw));
}

static void a_hundred_references_are_enough(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    const char *top = "Message-ID: <1@x>\r\n";
    set_original("anna@mail.test", with_references(100, top, arena));
    assert_int_equal(reply_check_original(original, &err), 0);
    set_original("anna@mail.test", with_references(101, top, arena));
    assert_int_equal(reply_check_original(original, &err), -EPERM);
    arena_free(arena);
}

#define GOOD                                                                               \
    "From: Support <help@EXAMPLE.com>\r\nTo: \"Anna\" <anna@mail.test>\r\n"                \
    "In-Reply-To: <1@mail.test>\r\n"

static void a_proper_answer_passes(void **state)
{
    (void)state;
    const struct str cases[] = {
        STR(GOOD "\r\nhello\r\n"),
        STR(GOOD),
        STR(GOOD "\r\n"),
        STR("from: a@example.com\r\nto: ANNA@MAIL.test (her)\r\n"
            "in-reply-to:\r\n <1@mail.test>\r\nReferences: <1@mail.test>\r\n\r\n"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (reply_check_raw(cases[i], original, &recipient, &err) != 0)
            fail_msg("case %zu: %s", i, err.text);
}

static void an_improper_answer_is_refused(void **state)
{
    (void)state;
    const struct str cases[] = {
        STR(""),
        STR("hello\r\n"),
        STR("\r\n" GOOD "\r\n"),
        STR(" " GOOD "\r\n"),
        STR(GOOD "From: x@example.com\r\n\r\n"),
        STR(GOOD "To: x@example.com\r\n\r\n"),
        STR(GOOD "Cc: anna@mail.test\r\n\r\n"),
        STR(GOOD "bcc: x@y\r\n\r\n"),
        STR(GOOD "Subject: a\r\nSubject: b\r\n\r\n"),
        STR(GOOD "Content-Type: a\r\nContent-Type: b\r\n\r\n"),
        STR(GOOD "In-Reply-To: <1@mail.test>\r\n\r\n"),
        STR(GOOD "no field\r\n\r\n"),
        STR(GOOD "Subject: \xC3\xA9\r\n\r\n"),
        STR(GOOD "\r\na\nb\r\n"),
        STR(GOOD "\r\na\rb\r\n"),
        STR(GOOD "\r\na\0b\r\n"),
        STR(GOOD "\r\nno end"),
        STR("To: anna@mail.test\r\nIn-Reply-To: <1@mail.test>\r\n\r\n"),
        STR("From: a@example.com\r\nIn-Reply-To: <1@mail.test>\r\n\r\n"),
        STR("From: a@example.com\r\nTo: anna@mail.test\r\n\r\n"),
        STR("From: a@example.com\r\nTo: anna@mail.test\r\nIn-Reply-To: <2@x>\r\n\r\n"),
        STR("From: a@other.com\r\nTo: anna@mail.test\r\nIn-Reply-To: "
            "<1@mail.test>\r\n\r\n"),
        STR("From: a@sub.example.com\r\nTo: anna@mail.test\r\n"
            "In-Reply-To: <1@mail.test>\r\n\r\n"),
        STR("From: a@example.com, b@example.com\r\nTo: anna@mail.test\r\n"
            "In-Reply-To: <1@mail.test>\r\n\r\n"),
        STR("From: a@example.com\r\nTo: anna@mail.test, x@y\r\n"
            "In-Reply-To: <1@mail.test>\r\n\r\n"),
        STR("From: a@example.com\r\nTo: x: anna@mail.test;\r\n"
            "In-Reply-To: <1@mail.test>\r\n\r\n"),
        STR("From: a@example.com\r\nTo: ben@mail.test\r\nIn-Reply-To: "
            "<1@mail.test>\r\n\r\n"),
        STR("From:\r\nTo: anna@mail.test\r\nIn-Reply-To: <1@mail.test>\r\n\r\n"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err.text[0] = '\0';
        if (reply_check_raw(cases[i], original, &recipient, &err) != -EINVAL ||
            err.text[0] == '\0')
            fail_msg("passed: %.*s", STR_ARG(cases[i]));
    }
}

static void an_answer_has_limits(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    assert_int_equal(
        reply_check_raw(with_references(100, GOOD, arena), original, &recipient, &err), 0);
    assert_int_equal(
        reply_check_raw(with_references(101, GOOD, arena), original, &recipient, &err),
        -EINVAL);
    const char *long_line = arena_printf(arena, GOOD "\r\n%0999d\r\n", 0);
    assert_int_equal(reply_check_raw(str_of(long_line), original, &recipient, &err),
                     -EINVAL);
    long_line = arena_printf(arena, GOOD "\r\n%0998d\r\n", 0);
    assert_int_equal(reply_check_raw(str_of(long_line), original, &recipient, &err), 0);
    arena_free(arena);
}

#define check_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        check_test(a_persons_mail_may_be_answered),
        check_test(automatic_mail_is_not_answered),
        check_test(mail_systems_and_lists_are_not_answered),
        check_test(mail_without_a_usable_message_id_is_not_answered),
        check_test(a_hundred_references_are_enough),
        check_test(a_proper_answer_passes),
        check_test(an_improper_answer_is_refused),
        check_test(an_answer_has_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

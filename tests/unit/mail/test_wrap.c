/* A message around another one: what is within stays byte for byte, and its subject brings nothing along. */
#include "test.h"

#include "mail/header.h"
#include "mail/wrap.h"

#define WITHIN "Subject: x\r\n\r\nbody\r\n"

static struct str wrapped(struct str subject, struct str within, struct buf *out)
{
    const struct mailbox to = {
        .text = STR("t@b.test"), .local = STR("t"), .domain = STR("b.test")};
    const struct wrap wrap = {.to = &to,
                              .from_field = STR("\"A via h\" <h@gate.test>"),
                              .subject = subject,
                              .message_id = STR("<1@gate.test>"),
                              .boundary = STR("=_b"),
                              .date_ms = 1000,
                              .parts = &within,
                              .part_count = 1};
    buf_init(out, 65536);
    assert_int_equal(wrap_message(&wrap, out), 0);
    return buf_view(out);
}

static void what_is_within_stays(void **state)
{
    (void)state;
    struct buf out;
    struct str whole = wrapped(STR("hello"), STR(WITHIN), &out);
    assert_true(str_find(whole, STR("Subject: Fwd: hello\r\n")) > 0);
    assert_true(str_find(whole, STR("Content-Type: message/rfc822\r\n\r\n" WITHIN
                                    "\r\n--=_b--\r\n")) > 0);
    buf_free(&out);
    whole = wrapped(STR("hello"), STR("Subject: \xc3\xbc\r\n\r\n"), &out);
    assert_true(str_find(whole, STR("Content-Transfer-Encoding: 8bit\r\n\r\nSubject: "
                                    "\xc3\xbc\r\n\r\n")) > 0);
    buf_free(&out);
}

static void a_hostile_subject_is_one_field(void **state)
{
    (void)state;
    static const struct str subjects[] = {
        {"a\r\nBcc: x@y.test", 17}, {"a\0b", 3}, {"\xff\xfe", 2}, {"\x1b[2J", 4}, {"", 0}};
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
        struct arena *arena = arena_new();
        struct header header;
        struct buf out;
        header_parse(wrapped(subjects[i], STR(WITHIN), &out), arena, &header);
        assert_int_equal(header.count, 8);
        assert_int_equal(header_count(&header, STR("Bcc")), 0);
        buf_free(&out);
        arena_free(arena);
    }
}

static void what_does_not_fit_is_an_error(void **state)
{
    (void)state;
    const struct mailbox to = {
        .text = STR("t@b.test"), .local = STR("t"), .domain = STR("b.test")};
    const struct str within = STR(WITHIN);
    const struct wrap wrap = {.to = &to,
                              .from_field = STR("h@gate.test"),
                              .message_id = STR("<1@gate.test>"),
                              .boundary = STR("=_b"),
                              .parts = &within,
                              .part_count = 1};
    struct buf out;
    buf_init(&out, 100);
    assert_int_not_equal(wrap_message(&wrap, &out), 0);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_within_stays),
        cmocka_unit_test(a_hostile_subject_is_one_field),
        cmocka_unit_test(what_does_not_fit_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

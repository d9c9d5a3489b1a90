/* Paths as MAIL and RCPT say them. */
#include <errno.h>

#include "test.h"

#include "smtp/address.h"

static struct arena *arena;

static int open_arena(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static void assert_path(const char *text, enum smtp_path_kind kind, const char *local,
                        const char *domain, const char *left)
{
    struct str rest = str_of(text);
    struct mailbox mailbox;
    assert_int_equal(smtp_path_parse(&rest, kind, arena, &mailbox), 0);
    assert_true(str_equal(mailbox.local, str_of(local)));
    assert_true(str_equal(mailbox.domain, str_of(domain)));
    assert_true(str_equal(rest, str_of(left)));
}

static void paths_are_parsed(void **state)
{
    (void)state;
    assert_path("<a@b.test>", SMTP_FORWARD_PATH, "a", "b.test", "");
    assert_path("<a@B.Test> SIZE=1", SMTP_REVERSE_PATH, "a", "b.test", " SIZE=1");
    assert_path("<\"a>b\"@b.test>", SMTP_FORWARD_PATH, "a>b", "b.test", "");
    assert_path("<\"a\\\">\"@b.test> X", SMTP_FORWARD_PATH, "a\">", "b.test", " X");
    assert_path("<\"a:b\"@b.test>", SMTP_FORWARD_PATH, "a:b", "b.test", "");
    assert_path("<a@[192.0.2.1]>", SMTP_FORWARD_PATH, "a", "[192.0.2.1]", "");
}

static void source_routes_are_dropped(void **state)
{
    (void)state;
    assert_path("<@c.test:a@b.test>", SMTP_FORWARD_PATH, "a", "b.test", "");
    assert_path("<@c.test,@d.test:a@b.test>", SMTP_REVERSE_PATH, "a", "b.test", "");
    assert_path("<@c.test:\"a:@\"@b.test>", SMTP_FORWARD_PATH, "a:@", "b.test", "");
}

static void the_null_path_is_a_reverse_path(void **state)
{
    (void)state;
    struct str rest = STR("<> SIZE=1");
    struct mailbox mailbox;
    assert_int_equal(smtp_path_parse(&rest, SMTP_FORWARD_PATH, arena, &mailbox), -EINVAL);
    assert_int_equal(smtp_path_parse(&rest, SMTP_REVERSE_PATH, arena, &mailbox), 0);
    assert_true(mailbox.is_null);
    assert_int_equal(mailbox.text.length, 0);
}

static void postmaster_alone_is_a_forward_path(void **state)
{
    (void)state;
    assert_path("<PostMaster>", SMTP_FORWARD_PATH, "PostMaster", "", "");
    struct str rest = STR("<postmaster>");
    struct mailbox mailbox;
    assert_int_equal(smtp_path_parse(&rest, SMTP_REVERSE_PATH, arena, &mailbox), -EINVAL);
}

static void malformed_paths_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "<",
        ">",
        "a@b.test",
        "<a@b.test",
        "a@b.test>",
        "<<a@b.test>>",
        "<a@b.test>x",
        "<a@b.test>\tX",
        "<a>",
        "<@>",
        "<@b.test>",
        "<@c.test:>",
        "<@:a@b.test>",
        "<@c.test,:a@b.test>",
        "<@c.test,d.test:a@b.test>",
        "<c.test:a@b.test>",
        "<\"a@b.test>",
        "<\"a\\\"@b.test>",
        "< a@b.test>",
        "<a@b.test >",
        "<a@b.test,c@d.test>",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str rest = str_of(rows[i]);
        struct mailbox mailbox;
        assert_int_equal(smtp_path_parse(&rest, SMTP_REVERSE_PATH, arena, &mailbox),
                         -EINVAL);
        assert_ptr_equal(rest.at, rows[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_parsed),
        cmocka_unit_test(source_routes_are_dropped),
        cmocka_unit_test(the_null_path_is_a_reverse_path),
        cmocka_unit_test(postmaster_alone_is_a_forward_path),
        cmocka_unit_test(malformed_paths_are_refused),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}

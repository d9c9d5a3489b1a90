/* Hop fields: counted when they are ours and this message's, whatever else says it is one. */
#include <stdio.h>
#include <string.h>

#include "secrets_fixture.h"
#include "test.h"

#include "mail/hop.h"

#define NAMES                                                                              \
    "From: Anna <anna@a.test>\r\nDate: Sun, 22 Nov 2026 04:29:12 +0000\r\n"                \
    "Message-ID: <1@a.test>\r\n"
/* Python: base32(hmac(hmac(bytes(range(32)), b"postern hop"), b"0002\n<1@a.test>\nSun, ...\nAnna ...\n"))[:26] */
#define KNOWN "X-Postern-Hop: 2; ZXU32EV4RYXJJASK3JASPKPYZ2\r\n"

static struct header header_of(struct str raw)
{
    struct header header;
    header_parse(arena_str(arena, raw), arena, &header);
    return header;
}

static const char *field_for(const struct secret *secret, const char *raw, unsigned count)
{
    struct header header = header_of(str_of(raw));
    return arena_text(arena, hop_field(secret, &header, count, arena));
}

static unsigned count_in(const struct secret *secret, const char *top, const char *rest)
{
    struct header header = header_of(str_of(arena_printf(arena, "%s%s\r\n", top, rest)));
    return hop_count(secret, &header);
}

static void a_field_has_its_known_text_and_is_recognised(void **state)
{
    (void)state;
    assert_string_equal(field_for(known, NAMES "\r\n", 2), KNOWN);
    assert_int_equal(count_in(known, KNOWN, NAMES), 2);
    assert_int_equal(count_in(known, "", NAMES), 0);
}

static void the_greatest_of_several_counts(void **state)
{
    (void)state;
    const char *fields =
        arena_printf(arena, "%s%s%s", field_for(known, NAMES, 1),
                     field_for(known, NAMES, 3), field_for(known, NAMES, 2));
    assert_int_equal(count_in(known, fields, NAMES), 3);
}

static void what_is_forged_or_malformed_counts_for_nothing(void **state)
{
    (void)state;
    static const char *const values[] = {
        "",
        "2",
        "2;",
        "; ZXU32EV4RYXJJASK3JASPKPYZ2",
        "3; ZXU32EV4RYXJJASK3JASPKPYZ2",
        "-2; ZXU32EV4RYXJJASK3JASPKPYZ2",
        "2x; ZXU32EV4RYXJJASK3JASPKPYZ2",
        "10002; ZXU32EV4RYXJJASK3JASPKPYZ2",
        "2, ZXU32EV4RYXJJASK3JASPKPYZ2",
        "2; ZXU32EV4RYXJJASK3JASPKPYZ2A",
        "2; ZXU32EV4RYXJJASK3JASPKPYZ",
        "2; AAAAAAAAAAAAAAAAAAAAAAAAAA",
        "2; 11111111111111111111111111",
        "2; ZXU32EV4RYXJJASK3JASPKPYZ2; x",
        "2;                                                  ZXU32EV4RYXJJASK3JASPKPYZ2",
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        const char *top = arena_printf(arena, "X-Postern-Hop: %s\r\n", values[i]);
        if (count_in(known, top, NAMES) != 0)
            fail_msg("taken: %s", values[i]);
        top = arena_printf(arena, "%s" KNOWN, top);
        assert_int_equal(count_in(known, top, NAMES), 2);
    }
}

static void one_message_s_field_is_not_another_s(void **state)
{
    (void)state;
    static const char *const others[] = {
        "From: Anna <anna@a.test>\r\nDate: Sun, 22 Nov 2026 04:29:12 +0000\r\n"
        "Message-ID: <2@a.test>\r\n",
        "From: Anna <anna@a.test>\r\nMessage-ID: <1@a.test>\r\n",
        "From: Ben <anna@a.test>\r\nDate: Sun, 22 Nov 2026 04:29:12 +0000\r\n"
        "Message-ID: <1@a.test>\r\n",
        "",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(count_in(known, KNOWN, others[i]), 0);
    assert_int_equal(count_in(known, field_for(known, "Subject: x\r\n", 4), "To: y\r\n"),
                     4);
}

static void neighbours_may_fold_add_and_reorder(void **state)
{
    (void)state;
    assert_int_equal(count_in(known,
                              "x-postern-hop:2;\r\n\tzxu32ev4ryxjjask3jaspkpyz2 \r\n",
                              "Received: from x\r\nMESSAGE-ID:\r\n <1@a.test> \r\n"
                              "Date: Sun, 22 Nov 2026\r\n\t04:29:12   +0000\r\n"
                              "from:Anna\t<anna@a.test>\r\nFrom: second\r\n"),
                     2);
}

static void bytes_that_end_a_text_are_covered_too(void **state)
{
    (void)state;
    struct header one = header_of(STR("From: a\0b\r\n")),
                  changed = header_of(STR("From: a\0c\r\n"));
    struct str field = hop_field(known, &one, 1, arena);
    assert_false(str_equal(field, hop_field(known, &changed, 1, arena)));
}

static void an_older_secret_still_verifies(void **state)
{
    (void)state;
    assert_int_equal(count_in(rotated, KNOWN, NAMES), 2);
    assert_int_equal(count_in(other, KNOWN, NAMES), 0);
    assert_string_equal(field_for(rotated, NAMES, 2), field_for(other, NAMES, 2));
}

static void the_count_has_an_end(void **state)
{
    (void)state;
    assert_int_equal(count_in(known, field_for(known, NAMES, 9999), NAMES), 9999);
    assert_string_equal(field_for(known, NAMES, 4000000000U),
                        field_for(known, NAMES, 9999));
}

static void only_so_many_fields_are_looked_at(void **state)
{
    (void)state;
    char fields[64 * 40] = "";
    for (int i = 0; i < 31; i++)
        strcat(fields, "X-Postern-Hop: 1; AAAAAAAAAAAAAAAAAAAAAAAAAA\r\n");
    assert_int_equal(count_in(known, arena_printf(arena, "%s" KNOWN, fields), NAMES), 2);
    strcat(fields, "X-Postern-Hop:\r\n");
    assert_int_equal(count_in(known, arena_printf(arena, "%s" KNOWN, fields), NAMES), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_has_its_known_text_and_is_recognised),
        cmocka_unit_test(the_greatest_of_several_counts),
        cmocka_unit_test(what_is_forged_or_malformed_counts_for_nothing),
        cmocka_unit_test(one_message_s_field_is_not_another_s),
        cmocka_unit_test(neighbours_may_fold_add_and_reorder),
        cmocka_unit_test(bytes_that_end_a_text_are_covered_too),
        cmocka_unit_test(an_older_secret_still_verifies),
        cmocka_unit_test(the_count_has_an_end),
        cmocka_unit_test(only_so_many_fields_are_looked_at),
    };
    return cmocka_run_group_tests(tests, open_secrets, free_secrets);
}

/* A trail as JSON: whatever mail says, it is JSON, and whole characters. */
#include <string.h>

#include "test.h"

#include "mail/utf8.h"
#include "status/trail_json.h"

static struct str json_of(struct arena *arena, struct str text)
{
    struct trail *trail = trail_new(arena, STR("m1"));
    status_log_level(STR("off"));
    EVENT(trail, STATUS_RULE_MATCHED, FIELD("rule", text), FIELD_NUMBER("n", -7));
    return trail_json(trail, arena);
}

static void texts_are_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *text, *json;
    } rows[] = {
        {"plain", "plain"},
        {"a\"b\\c", "a\\\"b\\\\c"},
        {"a\r\n\x1b", "a\\u000d\\u000a\\u001b"},
        {"\x7f", "\\u007f"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"caf\xe9", "caf?"},
        {"\xc3", "?"},
    };
    struct arena *arena = arena_new();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str json = json_of(arena, str_of(rows[i].text));
        const char *field = arena_printf(arena, "\"rule\":\"%s\",\"n\":-7}]", rows[i].json);
        assert_true(str_ends_nocase(json, str_of(field)));
        assert_true(str_starts(json, STR("[{\"event\":\"rule.matched\",\"after_ms\":")));
    }
    arena_free(arena);
}

static void a_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    char text[3 * 400];
    for (size_t i = 0; i < sizeof text; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    struct str json = json_of(arena, (struct str){text, sizeof text});
    assert_true(utf8_is_valid(json));
    assert_true(str_find(json, STR("\xe2\x82\xac\"")) > 0);
    assert_int_equal(str_find(json, STR("?")), -1);
    arena_free(arena);
}

static void later_stages_of_a_long_trail_are_left_out(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct trail *trail = trail_new(arena, STR("m1"));
    status_log_level(STR("off"));
    for (int i = 0; i < 2000; i++)
        EVENT(trail, STATUS_WORKER_LOG,
              FIELD("text", STR("as long as a line of a log may be")));
    struct str json = trail_json(trail, arena);
    assert_true(json.length <= TRAIL_JSON_BYTES_MAX);
    assert_true(str_ends_nocase(json, STR("\"}]")));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(later_stages_of_a_long_trail_are_left_out),
    };
    return cmocka_run_group_tests_name("trail as JSON", tests, NULL, NULL);
}

/* The event call: the log's lines, levels, escaping; the trail; the counts. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#include "status/event.h"

static int pipe_ends[2];

static int open_log(void **state)
{
    (void)state;
    if (pipe(pipe_ends) < 0)
        return -1;
    status_log_to(pipe_ends[1]);
    return status_log_level(STR("info"));
}

static int close_log(void **state)
{
    (void)state;
    status_log_to(STDERR_FILENO);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return 0;
}

/* What has been logged, without the time in front; "" if nothing was. */
static const char *logged(void)
{
    static char text[8192];
    status_flush();
    write(pipe_ends[1], "\n", 1) == 1 ? (void)0 : fail();
    ssize_t length = read(pipe_ends[0], text, sizeof text - 1);
    assert_true(length > 0);
    text[length - 1] = '\0';
    const char *space = strchr(text, ' ');
    return space ? space + 1 : text;
}

static void an_event_is_one_line_of_fields(void **state)
{
    (void)state;
    EVENT(NULL, STATUS_MESSAGE_DROPPED, FIELD("to", STR("a@b.test")),
          FIELD_NUMBER("size", 12));
    assert_string_equal(logged(), "info message.dropped to=a@b.test size=12\n");
}

static void text_from_outside_cannot_forge_a_line(void **state)
{
    (void)state;
    EVENT(NULL, STATUS_MESSAGE_DROPPED,
          FIELD("to", STR("x\" y=1\n2026 info forged\x1b[2J\\")), FIELD("rule", STR("")));
    assert_string_equal(logged(),
                        "info message.dropped "
                        "to=\"x\\\" y=1\\n2026 info forged\\x1b[2J\\\\\" rule=\"\"\n");
}

static void a_long_text_is_cut(void **state)
{
    (void)state;
    static char text[5000];
    memset(text, 'a', sizeof text);
    EVENT(NULL, STATUS_MESSAGE_DROPPED, FIELD("to", ((struct str){text, sizeof text})));
    assert_int_equal(strlen(logged()), strlen("info message.dropped to=\n") + 1000);
}

static void events_below_the_level_are_counted_but_not_written(void **state)
{
    (void)state;
    assert_int_equal(status_log_level(STR("warn")), 0);
    uint64_t before = status_count(STATUS_MESSAGE_HANDLED);
    EVENT(NULL, STATUS_MESSAGE_HANDLED, FIELD_NUMBER("actions", 0));
    assert_string_equal(logged(), "");
    assert_int_equal(status_count(STATUS_MESSAGE_HANDLED), before + 1);
    assert_int_equal(status_log_level(STR("loud")), -EINVAL);
}

static void the_trail_keeps_its_own_copies_in_order(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct trail *trail = trail_new(arena, STR("m1"));
    char text[] = "first";
    EVENT(trail, STATUS_RULE_MATCHED, FIELD("rule", str_of(text)));
    memset(text, 'x', sizeof text - 1);
    EVENT(trail, STATUS_MESSAGE_DROPPED, FIELD_NUMBER("n", 7));
    const struct trail_entry *entry = trail_first(trail);
    assert_int_equal(entry->event, STATUS_RULE_MATCHED);
    assert_true(str_equal(entry->fields[0].text, STR("first")));
    assert_int_equal(entry->next->event, STATUS_MESSAGE_DROPPED);
    assert_int_equal(entry->next->fields[0].number, 7);
    assert_null(entry->next->next);
    assert_non_null(strstr(logged(), "rule.matched id=m1 rule=first\n"));
    arena_free(arena);
}

/* The last of all: a host keeps its number. */
static void lines_and_counts_can_be_of_a_host_among_others(void **state)
{
    (void)state;
    static _Atomic uint64_t counts[STATUS_EVENT_COUNT];
    status_log_host(3);
    status_count_in(counts);
    EVENT(NULL, STATUS_MESSAGE_DROPPED, FIELD("rule", STR("x")));
    status_count_in(NULL);
    assert_string_equal(logged(), "info message.dropped host=3 rule=x\n");
    assert_int_equal(counts[STATUS_MESSAGE_DROPPED], 1);
    assert_true(status_count(STATUS_MESSAGE_DROPPED) >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_is_one_line_of_fields, open_log,
                                        close_log),
        cmocka_unit_test_setup_teardown(text_from_outside_cannot_forge_a_line, open_log,
                                        close_log),
        cmocka_unit_test_setup_teardown(a_long_text_is_cut, open_log, close_log),
        cmocka_unit_test_setup_teardown(events_below_the_level_are_counted_but_not_written,
                                        open_log, close_log),
        cmocka_unit_test_setup_teardown(the_trail_keeps_its_own_copies_in_order, open_log,
                                        close_log),
        cmocka_unit_test_setup_teardown(lines_and_counts_can_be_of_a_host_among_others,
                                        open_log, close_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

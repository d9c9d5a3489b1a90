/* The `queue` handler: what its batch is, and what it tells the host of the messages. */
#include "driver.h"

#include "base/buf.h"

/* Messages with the bodies "one", { n = 2 } and bytes that are no value. */
static struct buf batch(void)
{
    struct buf event = driver_table(), table = driver_table(), text;
    value_put_number(&table, "n", 2);
    value_end_table(&table);
    buf_init(&text, 100);
    value_write_string(&text, STR("one"));
    const struct str bodies[] = {buf_view(&text), buf_view(&table), STR("no value")};
    value_put_string(&event, "queue", STR("jobs"));
    value_put_table(&event, "messages");
    for (int i = 0; i < 3; i++) {
        value_write_number(&event, i + 1);
        value_begin_table(&event);
        value_put_string(&event, "id", STR("abc"));
        value_put_number(&event, "timestamp", 1792306800000);
        value_put_number(&event, "attempts", i + 1);
        value_put_string(&event, "body", bodies[i]);
        value_end_table(&event);
    }
    value_end_table(&event);
    buf_free(&table);
    buf_free(&text);
    return event;
}

/* What was said, a line each; calls as "retry 2 +60" (0: all), all of them granted. */
static const char *run_queue(const char *body)
{
    static char report[4096];
    size_t used = 0;
    char source[2048];
    snprintf(source, sizeof source, "return { queue = function(batch, env, ctx)\n%s\nend }",
             body);
    struct driver *driver = driver_start(source);
    struct buf event = batch();
    struct said said;
    driver_send_event(driver, 1, "queue", &event);
    report[0] = '\0';
    do {
        said = driver_receive(driver);
        char *line = report + used;
        size_t room = sizeof report - used;
        if (said.type == WIRE_CALL) {
            const struct value *arguments = value_get(said.value, "arguments");
            assert_string_equal(said_text(driver, &said, "binding"), "");
            used +=
                (size_t)snprintf(line, room, "%s %d", said_text(driver, &said, "method"),
                                 (int)value_get_number(arguments, "message", 0));
            if (value_get(arguments, "delaySeconds"))
                used +=
                    (size_t)snprintf(report + used, sizeof report - used, " +%d",
                                     (int)value_get_number(arguments, "delaySeconds", 0));
            used += (size_t)snprintf(report + used, sizeof report - used, "\n");
            struct buf answer = driver_table();
            value_put_bool(&answer, "ok", true);
            value_end_table(&answer);
            driver_send(driver, WIRE_ANSWER, 1, said.call, &answer);
        } else if (said.type == WIRE_LOG) {
            used += (size_t)snprintf(line, room, "%s\n", said_text(driver, &said, "text"));
        } else if (said.type == WIRE_DONE) {
            used +=
                (size_t)snprintf(line, room, "%s %s\n", said_text(driver, &said, "result"),
                                 said_text(driver, &said, "text"));
        }
    } while (said.type != WIRE_END && said.type != 0);
    driver_stop(driver);
    return report;
}

static void a_batch_has_its_messages_with_their_bodies(void **state)
{
    (void)state;
    assert_string_equal(
        run_queue("local m = batch.messages\n"
                  "print(batch.queue, #m, m[1].id, m[1].timestamp)\n"
                  "print(m[1].body, m[2].body.n, m[3].body, m[3].attempts)"),
        "jobs\t3\tabc\t1792306800000\none\t2\tnil\t3\nok \n");
}

static void words_go_to_the_host_at_once_and_only_the_first(void **state)
{
    (void)state;
    assert_string_equal(
        run_queue("local m = batch.messages\n"
                  "m[2]:retry { delaySeconds = 60 } m[2]:ack() m[2]:retry()\n"
                  "m[1]:ack() print('between')\n"
                  "batch:retryAll() batch:ackAll()\n"
                  "error('oh no')"),
        "retry 2 +60\nack 1\nbetween\nretry 0\nexception support.lua:6: oh "
        "no\n");
}

static void a_change_of_the_objects_changes_no_other_message(void **state)
{
    (void)state;
    assert_string_equal(run_queue("local m = batch.messages\n"
                                  "m[1], m[3] = m[3], nil\n"
                                  "m[1].id = 'x' m[1].ack(m[1])"),
                        "ack 3\nok \n");
}

static void mistakes_are_told_at_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *code, *problem;
    } cases[] = {
        {"batch.messages[1].ack()", "message:ack: call it with a colon"},
        {"batch.messages[1].ack({})", "message:ack: call it with a colon"},
        {"batch.messages[1].ack(print)", "message:ack: call it with a colon"},
        {"batch.ackAll()", "batch:ackAll: call it with a colon"},
        {"batch.messages[1]:retry(60)", "write it as message:retry{ delaySeconds = 60 }"},
        {"batch.messages[1]:retry { delay = 60 }", "unknown field 'delay'"},
        {"batch:retryAll { delaySeconds = -1 }", "a number from 0 to 86400, got -1"},
        {"batch:retryAll { delaySeconds = 0/0 }", "a number from 0 to 86400, got"},
        {"batch:retryAll { delaySeconds = '5' }", "a number from 0 to 86400, got 5"},
        {"setmetatable(batch.messages[1], {})", "protected metatable"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *report = run_queue(cases[i].code);
        assert_has(report, "exception support.lua:2: ");
        assert_has(report, cases[i].problem);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_batch_has_its_messages_with_their_bodies),
    cmocka_unit_test(words_go_to_the_host_at_once_and_only_the_first),
    cmocka_unit_test(a_change_of_the_objects_changes_no_other_message),
    cmocka_unit_test(mistakes_are_told_at_their_line),
};

ISOLATE_TEST_MAIN(tests)

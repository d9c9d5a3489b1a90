/* Runs: waiting, several at once, waitUntil, cancelling; coroutines of scripts; and a host that does not
 * keep to the protocol. */
#include "driver.h"

#include "isolate/internal.h"

/* The next frame, which must be of this type and run. */
static struct said expect(struct driver *driver, enum wire_type type, uint32_t run)
{
    struct said said = driver_receive(driver);
    assert_int_equal(said.type, type);
    assert_int_equal(said.run, run);
    return said;
}

static void expect_done(struct driver *driver, uint32_t run, const char *result)
{
    struct said said = expect(driver, WIRE_DONE, run);
    assert_string_equal(said_text(driver, &said, "result"), result);
}

static void many_messages_are_in_flight_at_once(void **state)
{
    (void)state;
    struct driver *driver = driver_start(
        HANDLER("local id = message:forward('a@b.test').messageId\nprint(id)"));
    for (uint32_t run = 1; run <= 50; run++) {
        driver_send_mail(driver, run);
        assert_int_equal(expect(driver, WIRE_CALL, run).call, 1);
    }
    for (uint32_t run = 50; run >= 1; run--) {
        driver_answer_ok(driver, run, 1);
        expect(driver, WIRE_LOG, run);
        expect_done(driver, run, "ok");
        expect(driver, WIRE_END, run);
    }
    assert_int_equal(driver_stop(driver), 0);
}

static void an_answer_reaches_the_call_it_belongs_to(void **state)
{
    (void)state;
    struct driver *driver = driver_start(
        HANDLER("ctx:waitUntil(function() print(pcall(message.forward, message, 'b'))"
                " end)\nmessage:forward('a')\nprint('a')"));
    driver_send_mail(driver, 1);
    uint32_t first = expect(driver, WIRE_CALL, 1).call;
    uint32_t second = expect(driver, WIRE_CALL, 1).call;
    assert_int_not_equal(first, second);
    driver_answer_refused(driver, 1, second);
    struct said said = expect(driver, WIRE_LOG, 1);
    assert_string_equal(said_text(driver, &said, "text"),
                        "false\tsupport.lua:2: 550 5.1.1 no such user");
    driver_answer_ok(driver, 1, first);
    said = expect(driver, WIRE_LOG, 1);
    assert_string_equal(said_text(driver, &said, "text"), "a");
    expect_done(driver, 1, "ok");
    expect(driver, WIRE_END, 1);
    assert_int_equal(driver_stop(driver), 0);
}

static void answers_that_nobody_waits_for_are_ignored(void **state)
{
    (void)state;
    struct driver *driver = driver_start(HANDLER("message:forward('a@b.test')"));
    driver_answer_ok(driver, 9, 1);
    driver_send_mail(driver, 1);
    expect(driver, WIRE_CALL, 1);
    driver_answer_ok(driver, 1, 0);
    driver_answer_ok(driver, 1, 7);
    driver_answer_ok(driver, 1, 1);
    driver_answer_ok(driver, 1, 1);
    expect_done(driver, 1, "ok");
    expect(driver, WIRE_END, 1);
    assert_int_equal(driver_stop(driver), 0);
}

static void wait_until_goes_on_after_the_answer(void **state)
{
    (void)state;
    assert_string_equal(run_handler(HANDLER("ctx:waitUntil(function()\n"
                                            "  message:forward('a@b.test')\n"
                                            "  print('after')\n"
                                            "  error('late')\n"
                                            "end)\n"
                                            "message:setReject('no')")),
                        "rejected: no\n"
                        "call forward a@b.test\n"
                        "log info: after\n"
                        "log error: support.lua:5: late\n"
                        "end\n");
}

static void a_rejection_after_the_answer_is_an_error(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(HANDLER("ctx:waitUntil(function() message:setReject('no') end)")),
        "ok\nlog error: support.lua:2: message:setReject: the sender has had his "
        "answer\nend\n");
}

static void a_cancelled_run_ends_and_its_answers_are_ignored(void **state)
{
    (void)state;
    struct driver *driver = driver_start(HANDLER(
        "ctx:waitUntil(function() message:forward('b') end)\nmessage:forward('a')"));
    driver_send_mail(driver, 1);
    expect(driver, WIRE_CALL, 1);
    expect(driver, WIRE_CALL, 1);
    struct buf nothing;
    buf_init(&nothing, 1);
    value_write_nil(&nothing);
    driver_send(driver, WIRE_CANCEL, 1, 0, &nothing);
    expect(driver, WIRE_END, 1);
    driver_answer_ok(driver, 1, 1);
    value_write_nil(&nothing);
    driver_send(driver, WIRE_CANCEL, 1, 0, &nothing);
    driver_send_mail(driver, 2);
    expect(driver, WIRE_CALL, 2);
    assert_int_equal(driver_stop(driver), 0);
}

static void an_error_carries_its_line_and_traceback(void **state)
{
    (void)state;
    struct driver *driver = driver_start(
        "local function deep()\n  error('bad')\nend\n" HANDLER("deep()\nprint('never')"));
    driver_send_mail(driver, 1);
    struct said said = expect(driver, WIRE_DONE, 1);
    assert_string_equal(said_text(driver, &said, "result"), "exception");
    assert_string_equal(said_text(driver, &said, "text"), "support.lua:2: bad");
    assert_has(said_text(driver, &said, "traceback"), "support.lua:2: in function 'deep'");
    assert_has(said_text(driver, &said, "traceback"), "support.lua:5: in function");
    assert_true(value_get_number(said.value, "cpuUs", -1) >= 0);
    expect(driver, WIRE_END, 1);
    assert_int_equal(driver_stop(driver), 0);
}

static void any_value_can_be_an_error(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"error()", "exception: the error is not a string but a nil value\n"},
        {"error({})", "exception: the error is not a string but a table value\n"},
        {"error(12)", "exception: support.lua:2: 12\n"},
        {"error('plain', 0)", "exception: plain\n"},
        {"error(setmetatable({}, { __tostring = function() return 'own' end }))",
         "exception: own\n"},
        {"error(setmetatable({}, { __tostring = function() return nil end }))",
         "exception: the error is not a string but a table value\n"},
        {"error(setmetatable({}, { __tostring = error }))",
         "exception: the error could not be described\n"},
        {"error(setmetatable({}, { __tostring = function() message:forward('a') end }))",
         "exception: the error could not be described\n"},
        {"error(coroutine.create(print))",
         "exception: the error is not a string but a thread value\n"},
        {"local x = nil + 1",
         "exception: support.lua:2: attempt to perform arithmetic on a nil value\n"},
        {"coroutine.yield(1)", "exception: attempt to yield from outside a coroutine\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char source[400];
        snprintf(source, sizeof source, HANDLER("%s"), cases[i][0]);
        assert_starts(run_handler(source), cases[i][1]);
    }
}

static void waiting_passes_through_coroutines_of_the_script(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(HANDLER("local co = coroutine.create(function(x)\n"
                            "  local y = coroutine.yield(x + 1)\n"
                            "  local id = message:forward('a@b.test').messageId\n"
                            "  local inner = coroutine.wrap(function()\n"
                            "    message:forward('c@d.test')\n"
                            "    coroutine.yield(id)\n"
                            "    message:forward('refused@d.test')\n"
                            "  end)\n"
                            "  print(inner())\n"
                            "  print(pcall(inner))\n"
                            "  return y, 'end'\n"
                            "end)\n"
                            "print(coroutine.resume(co, 1))\n"
                            "print(coroutine.resume(co, 'y'))\n"
                            "print(coroutine.resume(co))\n"
                            "print(coroutine.status(co), coroutine.running())")),
        "log info: true\t2\n"
        "call forward a@b.test\n"
        "call forward c@d.test\n"
        "log info: <1@postern.test>\n"
        "call forward refused@d.test\n"
        "log info: false\tsupport.lua:8: 550 5.1.1 no such user\n"
        "log info: true\ty\tend\n"
        "log info: false\tcannot resume dead coroutine\n"
        "log info: dead\tnil\n"
        "ok\nend\n");
}

static void waiting_passes_through_pcall_and_iterators(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(
            HANDLER("local function each()\n"
                    "  return coroutine.wrap(function()\n"
                    "    for i = 1, 2 do\n"
                    "      message:forward(i .. '@b.test')\n"
                    "      coroutine.yield(i)\n"
                    "    end\n"
                    "  end)\n"
                    "end\n"
                    "for i in each() do print(i) end\n"
                    "print(pcall(pcall, function() message:forward('3@b.test') end))\n"
                    "print(xpcall(function() message:forward('refused') end, tostring))")),
        "call forward 1@b.test\nlog info: 1\ncall forward 2@b.test\nlog info: 2\n"
        "call forward 3@b.test\nlog info: true\ttrue\n"
        "call forward refused\nlog info: false\tsupport.lua:12: 550 5.1.1 no such user\n"
        "ok\nend\n");
}

static void waiting_within_a_c_function_is_an_error_and_calls_nothing(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(HANDLER("print(pcall(string.gsub, 'x', 'x', function() "
                            "message:forward('a@b.test') end))\n"
                            "print(pcall(string.gsub, 'x', 'x', coroutine.wrap(function()"
                            " message:forward('a@b.test') end)))")),
        "log info: false\tsupport.lua:2: a call that waits cannot be made here, in a "
        "function that"
        " string.gsub or table.sort calls\n"
        "log info: false\tsupport.lua:3: a call that waits cannot be made here, in a "
        "function that"
        " string.gsub or table.sort calls\n"
        "ok\nend\n");
}

static void globals_are_shared_by_the_handlers_of_an_isolate(void **state)
{
    (void)state;
    struct driver *driver =
        driver_start("count = 0\n" HANDLER("count = count + 1\nprint(count)"));
    driver_send_mail(driver, 1);
    assert_string_equal(driver_report(driver, 1), "log info: 1\nok\nend\n");
    driver_send_mail(driver, 2);
    assert_string_equal(driver_report(driver, 2), "log info: 2\nok\nend\n");
    assert_int_equal(driver_stop(driver), 0);
}

static void the_isolate_ends_with_its_socket(void **state)
{
    (void)state;
    struct driver *driver = driver_start(HANDLER("message:forward('a@b.test')"));
    driver_send_mail(driver, 1);
    expect(driver, WIRE_CALL, 1);
    assert_int_equal(driver_stop(driver), 0);
}

static void a_breach_of_the_protocol_ends_the_isolate(void **state)
{
    (void)state;
    struct buf table = driver_table();
    value_end_table(&table);
    const struct wire_frame breaches[] = {
        {WIRE_LOAD, 0, 0, buf_view(&table)},
        {WIRE_READY, 0, 0, buf_view(&table)},
        {WIRE_EMAIL, 0, 0, buf_view(&table)},
        {WIRE_EMAIL, 1, 0, STR("N")},
        {WIRE_EMAIL, 1, 0, STR("?")},
        {WIRE_EMAIL, 1, 0, buf_view(&table)},
        {WIRE_END, 1, 0, buf_view(&table)},
        {WIRE_EMAIL, WIRE_RUN_LOAD, 0, buf_view(&table)},
        {(enum wire_type)77, 0, 0, STR("N")},
    };
    for (size_t i = 0; i < sizeof breaches / sizeof breaches[0]; i++) {
        struct driver *driver = driver_start(HANDLER(""));
        driver_send_fd(driver, &breaches[i], -1);
        assert_int_equal(driver_receive(driver).type, 0);
        int status = driver_stop(driver);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), ISOLATE_EXIT_PROTOCOL);
    }
    buf_free(&table);
}

static void the_gauge_shows_nothing_while_nothing_runs(void **state)
{
    (void)state;
    struct driver *driver = driver_start(HANDLER("message:forward('a@b.test')"));
    driver_send_mail(driver, 1);
    expect(driver, WIRE_CALL, 1);
    for (int i = 0; i < 2000 && driver->gauge->run; i++)
        usleep(1000);
    assert_int_equal(driver->gauge->run, 0);
    assert_true(driver->gauge->lua_bytes > 10000);
    assert_int_equal(driver_stop(driver), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(many_messages_are_in_flight_at_once),
    cmocka_unit_test(an_answer_reaches_the_call_it_belongs_to),
    cmocka_unit_test(answers_that_nobody_waits_for_are_ignored),
    cmocka_unit_test(wait_until_goes_on_after_the_answer),
    cmocka_unit_test(a_rejection_after_the_answer_is_an_error),
    cmocka_unit_test(a_cancelled_run_ends_and_its_answers_are_ignored),
    cmocka_unit_test(an_error_carries_its_line_and_traceback),
    cmocka_unit_test(any_value_can_be_an_error),
    cmocka_unit_test(waiting_passes_through_coroutines_of_the_script),
    cmocka_unit_test(waiting_passes_through_pcall_and_iterators),
    cmocka_unit_test(waiting_within_a_c_function_is_an_error_and_calls_nothing),
    cmocka_unit_test(globals_are_shared_by_the_handlers_of_an_isolate),
    cmocka_unit_test(the_isolate_ends_with_its_socket),
    cmocka_unit_test(a_breach_of_the_protocol_ends_the_isolate),
    cmocka_unit_test(the_gauge_shows_nothing_while_nothing_runs),
};

ISOLATE_TEST_MAIN(tests)

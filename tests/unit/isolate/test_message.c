/* What a script sees of a message, and what it can do with it. */
#include "driver.h"

static void the_envelope_and_the_client_are_fields(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(HANDLER(
            "print(message.from, message.to, message.canBeForwarded, message.rawSize)\n"
            "print(message.captures[1], message.captures.id, message.captures.other)\n"
            "print(message.client.ip, message.client.helo, message.client.tls)\n"
            "print(message.auth.dmarc.result, message.auth.spf.result, "
            "#message.auth.dkim)\n"
            "print(message.subject, message)")),
        "log info: anna@corp.test\tsupport@example.com\ttrue\t120\n"
        "log info: 42\t42\tnil\n"
        "log info: 192.0.2.1\tmx.corp.test\tnil\n"
        "log info: none\tnone\t0\n"
        "log info: nil\tmessage\n"
        "ok\nend\n");
}

static void header_names_compare_without_case(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(HANDLER("local h = message.headers\n"
                            "print(h:get('SUBJECT'), h:get('x-note'), h:get('none'))\n"
                            "print(h:has('from'), h:has('none'), #h:getAll('X-Note'),"
                            " h:getAll('X-Note')[2], #h:getAll('none'))")),
        "log info: a folded  subject\tone, two\tnil\n"
        "log info: true\tfalse\t2\ttwo\t0\n"
        "ok\nend\n");
}

static void headers_are_walked_in_order(void **state)
{
    (void)state;
    assert_string_equal(run_handler(HANDLER("for name, value in message.headers:each() do\n"
                                            "  print(name, value)\n"
                                            "end")),
                        "log info: From\tAnna <anna@corp.test>\n"
                        "log info: To\tsupport@example.com\n"
                        "log info: Subject\ta folded  subject\n"
                        "log info: X-Note\tone\n"
                        "log info: x-note\ttwo\n"
                        "ok\nend\n");
}

static void raw_is_the_message_byte_for_byte(void **state)
{
    (void)state;
    assert_string_equal(run_handler(HANDLER("assert(#message.raw == message.rawSize)\n"
                                            "message:reply { raw = message.raw }")),
                        "call reply raw=" DRIVER_MAIL "\nok\nend\n");
}

static void a_large_message_arrives_beside_the_frame(void **state)
{
    (void)state;
    struct driver *driver = driver_start(HANDLER(
        "local raw = message.raw\n"
        "print(message.headers:get('Subject'), #raw == message.rawSize, raw:sub(-3))"));
    size_t length = 3 * 1024 * 1024 + 1;
    char *raw = mem_alloc(length);
    memset(raw, 'x', length);
    memcpy(raw, "Subject: big\r\n\r\n", 16);
    for (uint32_t run = 1; run <= 20; run++) {
        driver_send_raw(driver, run, (struct str){raw, length});
        assert_string_equal(driver_report(driver, run),
                            "log info: big\ttrue\txxx\nok\nend\n");
    }
    free(raw);
    assert_int_equal(driver_stop(driver), 0);
}

static void an_empty_message_is_a_message(void **state)
{
    (void)state;
    struct driver *driver =
        driver_start(HANDLER("print(#message.raw, message.headers:get('Subject'))"));
    driver_send_raw(driver, 1, STR(""));
    assert_string_equal(driver_report(driver, 1), "log info: 0\tnil\nok\nend\n");
    assert_int_equal(driver_stop(driver), 0);
}

static void forward_waits_and_returns_the_message_id(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(
            HANDLER("local sent = message:forward('team@corp.test', { ['X-Ticket'] = 7 })\n"
                    "print(sent.messageId, sent.ok)")),
        "call forward team@corp.test X-Ticket=7\n"
        "log info: <1@postern.test>\tnil\n"
        "ok\nend\n");
}

static void a_header_may_have_several_values(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(HANDLER("message:forward('a@b.test', { ['X-A'] = { 'one', 'two' } })")),
        "call forward a@b.test X-A=one X-A=two\nok\nend\n");
}

static void a_refused_forward_raises_an_error_table(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(
            HANDLER("local ok, e = pcall(message.forward, message, 'refused@b.test')\n"
                    "print(ok, e.code, e.message, e.permanent, e.smtp.code, "
                    "e.smtp.enhanced, e.smtp.text)\n"
                    "ok, e = pcall(function()\n"
                    "  message:forward('refused@b.test')\n"
                    "end)\n"
                    "print(tostring(e), e.where)")),
        "call forward refused@b.test\n"
        "log info: false\tE_UPSTREAM\t550 5.1.1 no such user\ttrue\t550\t5.1.1\tno such "
        "user\n"
        "call forward refused@b.test\n"
        "log info: support.lua:5: 550 5.1.1 no such user\tsupport.lua:5\n"
        "ok\nend\n");
}

static void an_uncaught_refusal_is_an_exception_with_its_line(void **state)
{
    (void)state;
    assert_string_equal(run_handler(HANDLER("return message:forward('refused@b.test')")),
                        "call forward refused@b.test\n"
                        "exception: 550 5.1.1 no such user\nend\n");
    assert_string_equal(run_handler(HANDLER("message:forward('refused@b.test')")),
                        "call forward refused@b.test\n"
                        "exception: support.lua:2: 550 5.1.1 no such user\nend\n");
}

static void reply_takes_a_table(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(
            HANDLER("message:reply { from = 'a@b.test', to = 'c@d.test', subject = 's',"
                    " text = 't', html = '<p>', headers = { Precedence = 'bulk' } }")),
        "call reply from=a@b.test to=c@d.test subject=s text=t html=<p> Precedence=bulk\n"
        "ok\nend\n");
}

static void the_last_rejection_counts(void **state)
{
    (void)state;
    assert_string_equal(run_handler(HANDLER("message:setReject('one')\n"
                                            "message:setReject('two\\r\\n550 three\\0')")),
                        "rejected: two  550 three\nend\n");
}

static void an_uncaught_error_wins_over_a_rejection(void **state)
{
    (void)state;
    assert_string_equal(run_handler(HANDLER("message:setReject('one')\nerror('two')")),
                        "exception: support.lua:3: two\nend\n");
}

static void wrong_arguments_are_errors_that_say_what_to_write(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"message.setReject('no')", "call it with a colon, as in message:setReject(...)"},
        {"message.forward('a@b.test')", "call it with a colon, as in message:forward(...)"},
        {"message:setReject(nil)",
         "message:setReject: the reason must be a string, got nil"},
        {"message:forward()", "message:forward: the recipient must be a string, got nil"},
        {"message:forward('a@b.test', 'x')",
         "message:forward: headers must be a table, got string"},
        {"message:forward('a@b.test', { Subject = 'x' })",
         "message:forward: only headers whose names start with X- can be added, not "
         "Subject"},
        {"message:forward('a@b.test', { 'X-A: 1' })",
         "message:forward: headers are written { [\"X-Name\"] = value }"},
        {"message:forward('a@b.test', { ['X-A:'] = '1' })",
         "message:forward: 'X-A:' is no header name"},
        {"message:forward('a@b.test', { ['X-A'] = '1\\r\\nBcc: x' })",
         "message:forward: the value of header X-A has line ends or is too long"},
        {"message:forward('a@b.test', { ['X-A'] = true })",
         "message:forward: the value of header X-A must be a string, got boolean"},
        {"message:reply('hello')", "message:reply: the reply must be a table, got string"},
        {"message:reply { body = 'x' }",
         "message:reply: give it a text, an html or a raw message"},
        {"message:reply { text = 'x', body = 'y' }",
         "message:reply: unknown field 'body'; it takes from, to, subject, text, html, "
         "headers or raw"},
        {"message:reply { raw = 'x', text = 'y' }",
         "message:reply: raw is a whole message; 'text' is part of it"},
        {"message:reply { text = 5 }", "message:reply: text must be a string, got number"},
        {"message.to = 'x'",
         "message is read-only; keep your own values in a local variable"},
        {"env.KEY = 'x'", "env is read-only; variables are set in host.yaml"},
        {"ctx:waitUntil(5)", "ctx:waitUntil: expected a function, got number; write "
                             "ctx:waitUntil(function() ... end)"},
        {"message.headers:get()",
         "message.headers: the field's name must be a string, got no value"},
        {"message.headers.get('x')", "call it with a colon, as in headers:get(...)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char source[400], expected[400];
        snprintf(source, sizeof source, HANDLER("%s"), cases[i][0]);
        snprintf(expected, sizeof expected, "exception: support.lua:2: %s\nend\n",
                 cases[i][1]);
        assert_string_equal(run_handler(source), expected);
    }
}

static void variables_are_strings_of_env(void **state)
{
    (void)state;
    assert_string_equal(
        run_script_with(&(struct load){
            .source = HANDLER("print(env.TEAM, env.NONE, getmetatable(env))"),
            .env = {{"TEAM", "team@corp.test"}},
        }),
        "log info: team@corp.test\tnil\tenv\nok\nend\n");
}

static void a_message_is_of_no_use_to_another_handler(void **state)
{
    (void)state;
    struct driver *driver = driver_start("local first\n" HANDLER(
        "first = first or message\nprint(pcall(function() return first.from end))\n"
        "print(pcall(first.setReject, first, 'x'))"));
    driver_send_mail(driver, 1);
    assert_string_equal(
        driver_report(driver, 1),
        "log info: true\tanna@corp.test\nlog info: true\nrejected: x\nend\n");
    driver_send_mail(driver, 2);
    assert_string_equal(driver_report(driver, 2),
                        "log info: false\tsupport.lua:4: this is the message of another "
                        "handler, which alone can"
                        " use it\n"
                        "log info: false\tsupport.lua:5: this is the message of another "
                        "handler, which alone can"
                        " use it\n"
                        "ok\nend\n");
    assert_int_equal(driver_stop(driver), 0);
}

static void log_lines_have_levels(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(HANDLER("log.debug('a', 1)\nlog.info(nil)\nlog.warn(true)\n"
                            "require('log').error('x', 'y')\nprint()")),
        "log debug: a 1\nlog info: nil\nlog warn: true\nlog error: x y\n"
        "log info: \nok\nend\n");
}

static void log_lines_are_bounded_in_all(void **state)
{
    (void)state;
    assert_string_equal(
        run_script_with(&(struct load){
            .source = HANDLER(
                "print('12345')\nprint('123\xc3\xa9')\nprint('more')\nprint('more')"),
            .log_bytes_max = 9}),
        "log info: 12345\nlog info: 123\nlog warn: log truncated\nok\nend\n");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_envelope_and_the_client_are_fields),
    cmocka_unit_test(header_names_compare_without_case),
    cmocka_unit_test(headers_are_walked_in_order),
    cmocka_unit_test(raw_is_the_message_byte_for_byte),
    cmocka_unit_test(a_large_message_arrives_beside_the_frame),
    cmocka_unit_test(an_empty_message_is_a_message),
    cmocka_unit_test(forward_waits_and_returns_the_message_id),
    cmocka_unit_test(a_header_may_have_several_values),
    cmocka_unit_test(a_refused_forward_raises_an_error_table),
    cmocka_unit_test(an_uncaught_refusal_is_an_exception_with_its_line),
    cmocka_unit_test(reply_takes_a_table),
    cmocka_unit_test(the_last_rejection_counts),
    cmocka_unit_test(an_uncaught_error_wins_over_a_rejection),
    cmocka_unit_test(wrong_arguments_are_errors_that_say_what_to_write),
    cmocka_unit_test(variables_are_strings_of_env),
    cmocka_unit_test(a_message_is_of_no_use_to_another_handler),
    cmocka_unit_test(log_lines_have_levels),
    cmocka_unit_test(log_lines_are_bounded_in_all),
};

ISOLATE_TEST_MAIN(tests)

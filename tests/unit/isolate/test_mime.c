/* What of the stdlib's mime depends on the isolate around it; what it reads and writes is tested by
 * stdlib/mime.lua and stdlib/mime_build.lua. */
#include "driver.h"

/* The converters of character sets are there when the script's text speaks of mime, or else UTF-8 only:
 * never is one looked for in a file, which would end the process. */
static void a_script_that_hides_its_need_has_no_converters(void **state)
{
    (void)state;
    assert_string_equal(
        run_handler(HANDLER("local m = require('mi' .. 'me')['pa' .. 'rse']("
                            "'Subject: =?koi8-r?Q?=F0?=\\r\\n"
                            "Content-Type: text/plain; charset=koi8-r\\r\\n\\r\\n\\240')\n"
                            "print(m.subject, m.text, #m.problems)")),
        "log info: =?koi8-r?Q?=F0?=\t\xef\xbf\xbd\t1\nok\nend\n");
}

static void a_reply_can_have_attachments(void **state)
{
    (void)state;
    const char *report = run_handler(HANDLER(
        "message:reply { text = 'See the file.',"
        " attachments = { { filename = 'a.txt', content = 'x' } } }\n"
        "print(pcall(message.reply, message, { attachments = {}, cc = 'x@y.test' }))\n"
        "print(pcall(message.reply, message, { attachments = {}, raw = 'x' }))\n"
        "print(pcall(message.reply, message, { attachments = 5 }))\n"
        "print(pcall(message.reply, message))"));
    assert_starts(report, "call reply raw=From: support@example.com\r\n"
                          "To: anna@corp.test\r\n"
                          "Subject: Re: a folded  subject\r\n");
    assert_has(report, "Content-Type: multipart/mixed;");
    assert_has(report, "filename=\"a.txt\"");
    assert_has(report, "there is no field 'cc'");
    assert_has(report, "there is no field 'raw'");
    assert_has(report, "attachments must be a table, got number");
    assert_has(report, "the reply must be a table, got nil");
}

static void a_message_of_another_handler_is_not_parsed(void **state)
{
    (void)state;
    struct driver *driver =
        driver_start("local first\n" HANDLER("message:parse()\n"
                                             "first = first or message\n"
                                             "print(pcall(first.parse, first))"));
    driver_send_mail(driver, 1);
    assert_starts(driver_report(driver, 1), "log info: true\ttable");
    driver_send_mail(driver, 2);
    assert_has(driver_report(driver, 2), "the message of another handler");
    driver_stop(driver);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_script_that_hides_its_need_has_no_converters),
    cmocka_unit_test(a_reply_can_have_attachments),
    cmocka_unit_test(a_message_of_another_handler_is_not_parsed),
};

ISOLATE_TEST_MAIN(tests)

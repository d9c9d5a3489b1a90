/* The parameters of MAIL and RCPT, well formed and not. What the values of DSN may be is test_delivery_notice.c's. */
#include <errno.h>

#include "arena_fixture.h"
#include "test.h"

#include "smtp/parameter.h"

static void assert_str(struct str actual, const char *expected)
{
    assert_int_equal(actual.length, strlen(expected));
    assert_memory_equal(actual.at, expected, actual.length);
}

static void parameters_are_cut_one_by_one(void **state)
{
    (void)state;
    struct str rest = STR("  X-Y=a+b  FLAG ");
    struct smtp_parameter parameter;
    assert_int_equal(smtp_parameter_next(&rest, &parameter), 1);
    assert_str(parameter.keyword, "X-Y");
    assert_str(parameter.value, "a+b");
    assert_int_equal(smtp_parameter_next(&rest, &parameter), 1);
    assert_str(parameter.keyword, "FLAG");
    assert_false(parameter.has_value);
    assert_int_equal(smtp_parameter_next(&rest, &parameter), 0);
}

static void malformed_parameters_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"=",     "=1",    "A=",    "-A=1",
                                       "A=1=2", "A_B=1", "A\x01", "A=\x7F"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str rest = str_of(rows[i]);
        struct smtp_parameter parameter;
        assert_int_equal(smtp_parameter_next(&rest, &parameter), -EINVAL);
    }
}

static void mails_parameters_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum smtp_parameter_problem problem;
        uint64_t size;
        bool is_8bit, is_utf8;
    } rows[] = {
        {"", SMTP_PARAMETERS_OK, 0, false, false},
        {"SIZE=0", SMTP_PARAMETERS_OK, 0, false, false},
        {"size=123 BODY=8bitMIME", SMTP_PARAMETERS_OK, 123, true, false},
        {"BODY=7BIT SMTPUTF8", SMTP_PARAMETERS_OK, 0, false, true},
        {"SIZE=99999999999999999999", SMTP_PARAMETERS_OK, UINT64_MAX, false, false},
        {"SIZE=999999999999999999999", SMTP_PARAMETER_BAD_VALUE, 0, false, false},
        {"SIZE=-1", SMTP_PARAMETER_BAD_VALUE, 0, false, false},
        {"SIZE=0x10", SMTP_PARAMETER_BAD_VALUE, 0, false, false},
        {"SIZE", SMTP_PARAMETER_BAD_VALUE, 0, false, false},
        {"BODY", SMTP_PARAMETER_BAD_VALUE, 0, false, false},
        {"BODY=BINARYMIME", SMTP_PARAMETER_BAD_VALUE, 0, false, false},
        {"SMTPUTF8=1", SMTP_PARAMETER_BAD_VALUE, 0, false, false},
        {"SMTPUTF8 smtputf8", SMTP_PARAMETER_TWICE, 0, false, true},
        {"MT-PRIORITY=3", SMTP_PARAMETER_UNKNOWN, 0, false, false},
        {"SIZE=1 ?", SMTP_PARAMETERS_MALFORMED, 1, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct smtp_mail_parameters parameters;
        struct str keyword = {0};
        assert_int_equal(
            smtp_mail_parameters_parse(str_of(rows[i].text), arena, &parameters, &keyword),
            rows[i].problem);
        assert_int_equal(parameters.size, rows[i].size);
        assert_int_equal(parameters.is_8bit, rows[i].is_8bit);
        assert_int_equal(parameters.is_utf8, rows[i].is_utf8);
    }
}

static void what_mail_asks_of_notices_is_kept(void **state)
{
    (void)state;
    char line[] = "RET=hdrs PRDR ENVID=a+2Bb SIZE=5";
    struct smtp_mail_parameters parameters;
    struct str keyword;
    assert_int_equal(smtp_mail_parameters_parse(str_of(line), arena, &parameters, &keyword),
                     SMTP_PARAMETERS_OK);
    memset(line, 'x', sizeof line - 1); /* a command line is gone when its answer is said */
    assert_int_equal(parameters.dsn.ret, DSN_RETURN_HEADERS);
    assert_str(parameters.dsn.envid, "a+b");
    assert_true(parameters.wants_prdr);
    assert_int_equal(parameters.size, 5);
}

static void what_rcpt_asks_of_notices_is_kept(void **state)
{
    (void)state;
    char line[] = "ORCPT=rfc822;a+2Bb@c.test NOTIFY=DELAY,FAILURE";
    struct dsn_recipient recipient;
    struct str keyword;
    assert_int_equal(smtp_rcpt_parameters_parse(str_of(line), arena, &recipient, &keyword),
                     SMTP_PARAMETERS_OK);
    memset(line, 'x', sizeof line - 1);
    assert_int_equal(recipient.notify, DSN_NOTIFY_DELAY | DSN_NOTIFY_FAILURE);
    assert_str(recipient.orcpt_type, "rfc822");
    assert_str(recipient.orcpt_address, "a+b@c.test");
}

struct bad_row {
    const char *text;
    enum smtp_parameter_problem problem;
    const char *keyword;
};

static void bad_parameters_of_mail_are_named(void **state)
{
    (void)state;
    static const struct bad_row rows[] = {
        {"RET", SMTP_PARAMETER_BAD_VALUE, "RET"},
        {"RET=ALL", SMTP_PARAMETER_BAD_VALUE, "RET"},
        {"RET=FULL SIZE=1 Ret=FULL", SMTP_PARAMETER_TWICE, "Ret"},
        {"ENVID", SMTP_PARAMETER_BAD_VALUE, "ENVID"},
        {"ENVID=a+", SMTP_PARAMETER_BAD_VALUE, "ENVID"},
        {"ENVID=a ENVID=b", SMTP_PARAMETER_TWICE, "ENVID"},
        {"ENVID=", SMTP_PARAMETERS_MALFORMED, ""},
        {"PRDR=yes", SMTP_PARAMETER_BAD_VALUE, "PRDR"},
        {"PRDR PRDR", SMTP_PARAMETER_TWICE, "PRDR"},
        {"NOTIFY=NEVER", SMTP_PARAMETER_UNKNOWN, "NOTIFY"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct smtp_mail_parameters parameters;
        struct str keyword;
        assert_int_equal(
            smtp_mail_parameters_parse(str_of(rows[i].text), arena, &parameters, &keyword),
            rows[i].problem);
        assert_str(keyword, rows[i].keyword);
    }
}

static void bad_parameters_of_rcpt_are_named(void **state)
{
    (void)state;
    static const struct bad_row rows[] = {
        {"", SMTP_PARAMETERS_OK, ""},
        {"NOTIFY", SMTP_PARAMETER_BAD_VALUE, "NOTIFY"},
        {"NOTIFY=NEVER,DELAY", SMTP_PARAMETER_BAD_VALUE, "NOTIFY"},
        {"NOTIFY=NEVER NOTIFY=NEVER", SMTP_PARAMETER_TWICE, "NOTIFY"},
        {"ORCPT", SMTP_PARAMETER_BAD_VALUE, "ORCPT"},
        {"ORCPT=anna@dest.test", SMTP_PARAMETER_BAD_VALUE, "ORCPT"},
        {"ORCPT=rfc822;a ORCPT=rfc822;a", SMTP_PARAMETER_TWICE, "ORCPT"},
        {"RET=FULL", SMTP_PARAMETER_UNKNOWN, "RET"},
        {"==", SMTP_PARAMETERS_MALFORMED, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dsn_recipient recipient;
        struct str keyword;
        assert_int_equal(
            smtp_rcpt_parameters_parse(str_of(rows[i].text), arena, &recipient, &keyword),
            rows[i].problem);
        assert_str(keyword, rows[i].keyword);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_cut_one_by_one),
        cmocka_unit_test(malformed_parameters_are_refused),
        cmocka_unit_test(mails_parameters_are_read),
        cmocka_unit_test(what_mail_asks_of_notices_is_kept),
        cmocka_unit_test(what_rcpt_asks_of_notices_is_kept),
        cmocka_unit_test(bad_parameters_of_mail_are_named),
        cmocka_unit_test(bad_parameters_of_rcpt_are_named),
    };
    return cmocka_run_group_tests(tests, open_arena, free_arena);
}

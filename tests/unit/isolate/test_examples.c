/* The scripts in scripts/examples/, run: what they do is what their comments promise. */
#include "driver.h"

/* The file's text, to be freed. */
static char *read_script(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "scripts/examples/%s.lua", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = mem_zero(1, 65536);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    return text;
}

/* What the script said about a message with these header lines. */
static const char *run_example(const char *name, const struct load *variables,
                               const char *header)
{
    char *source = read_script(name);
    struct load load = *variables;
    load.source = source;
    struct driver *driver = driver_start_with(&load);
    driver_send_raw(driver, 1, str_of(header));
    const char *report = driver_report(driver, 1);
    assert_int_equal(driver_stop(driver), 0);
    free(source);
    return report;
}

static void autoreply_forwards_and_answers(void **state)
{
    (void)state;
    struct load variables = {.env = {{"OWNER", "me@corp.test"}, {"AWAY", "I am away."}}};
    assert_string_equal(
        run_example("autoreply", &variables, "Subject: hello\r\n\r\nHi.\r\n"),
        "call forward me@corp.test\nok\ncall reply text=I am away.\n\nend\n");
    variables.env[1][0] = NULL;
    assert_string_equal(run_example("autoreply", &variables, "\r\n"),
                        "call forward me@corp.test\nok\nend\n");
}

static void support_gives_a_new_request_a_number(void **state)
{
    (void)state;
    struct load variables = {.env = {{"TEAM", "team@corp.test"}}};
    const char *report = run_example("support", &variables, "Subject: help\r\n\r\nHi.\r\n");
    char ticket[20];
    assert_int_equal(
        sscanf(report, "call forward team@corp.test X-Ticket=%19[0-9A-Z-]\n", ticket), 1);
    char expected[1000];
    snprintf(expected, sizeof expected,
             "call forward team@corp.test X-Ticket=%s\n"
             "log info: ticket %s opened by anna@corp.test\n"
             "call reply subject=[#%s] help text=Thank you, we have your message.\n"
             "Its number is %s; please keep it in the subject.\n\nok\nend\n",
             ticket, ticket, ticket, ticket);
    assert_string_equal(report, expected);
}

static void support_keeps_the_number_of_a_known_request(void **state)
{
    (void)state;
    assert_string_equal(
        run_example("support", &(struct load){0},
                    "Subject: Re: [#261122-BCDF] help\r\n\r\n"),
        "call forward team@corp.test X-Ticket=261122-BCDF\n"
        "log info: ticket 261122-BCDF continued by anna@corp.test\nok\nend\n");
}

static void orders_go_to_the_right_desk(void **state)
{
    (void)state;
    struct load variables = {
        .env = {{"SALES", "sales@corp.test"}, {"REFUNDS", "refused@corp.test"}}};
    assert_string_equal(run_example("orders", &variables, "Subject: where is it?\r\n\r\n"),
                        "call forward sales@corp.test X-Order=42\n"
                        "log info: order 42 to sales@corp.test\nok\nend\n");
    assert_string_equal(run_example("orders", &variables, "Subject: REFUND\r\n\r\n"),
                        "call forward refused@corp.test X-Order=42\n"
                        "log warn: order 42 550 5.1.1 no such user\n"
                        "rejected: order 42 cannot be handled by mail just now\nend\n");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(autoreply_forwards_and_answers),
    cmocka_unit_test(support_gives_a_new_request_a_number),
    cmocka_unit_test(support_keeps_the_number_of_a_known_request),
    cmocka_unit_test(orders_go_to_the_right_desk),
};

ISOLATE_TEST_MAIN(tests)

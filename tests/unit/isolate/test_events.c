/* Handlers other than `email`: what they are given, what becomes of them, and what only the host can get wrong. */
#include "driver.h"

#include "isolate/internal.h"

static struct buf morning(void)
{
    struct buf event = driver_table();
    value_put_string(&event, "cron", STR("0 7 * * *"));
    value_put_number(&event, "scheduledTime", 1792306800000);
    return event;
}

static const char *run_scheduled(const char *source)
{
    struct driver *driver = driver_start_with(&(struct load){.source = source});
    struct buf event = morning();
    driver_send_event(driver, 1, "scheduled", &event);
    const char *report = driver_report(driver, 1);
    driver_stop(driver);
    return report;
}

static void a_schedule_is_told_which_line_and_when(void **state)
{
    (void)state;
    assert_string_equal(
        run_scheduled("return { scheduled = function(event, env, ctx)\n"
                      "print(event.cron, event.scheduledTime, type(env), type(ctx))\n"
                      "end }"),
        "log info: 0 7 * * *\t1792306800000\ttable\tuserdata\nok\nend\n");
}

static void what_a_schedule_returns_is_nobodys_business(void **state)
{
    (void)state;
    assert_string_equal(
        run_scheduled("return { scheduled = function() return print, {} end }"),
        "ok\nend\n");
}

static void an_error_is_told_with_its_line(void **state)
{
    (void)state;
    assert_has(run_scheduled("return { scheduled = function(event)\n"
                             "  return event.cron.nothing.field\nend }"),
               "exception: support.lua:2: attempt to index field 'nothing'");
}

static void the_time_that_is_left_grows_less(void **state)
{
    (void)state;
    assert_string_equal(
        run_scheduled("return { scheduled = function(_, _, ctx)\n"
                      "local left = ctx.remaining_ms()\n"
                      "print(left > 0 and left <= 30000, ctx:remaining_ms() <= left)\n"
                      "end }"),
        "log info: true\ttrue\nok\nend\n");
}

static void handlers_share_a_script(void **state)
{
    (void)state;
    struct driver *driver = driver_start_with(&(struct load){
        .source = "local count = 0\n"
                  "return {\n"
                  "  email = function() count = count + 1 print('mail', count) end,\n"
                  "  scheduled = function() count = count + 1 print('time', count) end,\n"
                  "}"});
    driver_send_mail(driver, 1);
    assert_string_equal(driver_report(driver, 1), "log info: mail\t1\nok\nend\n");
    struct buf event = morning();
    driver_send_event(driver, 2, "scheduled", &event);
    assert_string_equal(driver_report(driver, 2), "log info: time\t2\nok\nend\n");
    assert_int_equal(driver_stop(driver), 0);
}

static void an_event_without_its_handler_is_the_hosts_mistake(void **state)
{
    (void)state;
    static const char *const handlers[] = {"fetch", "email", "", "nothing"};
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        struct driver *driver = driver_start_with(
            &(struct load){.source = "return { scheduled = print, email = print }"});
        struct buf event = morning();
        driver_send_event(driver, 1, handlers[i], &event);
        assert_string_equal(driver_report(driver, 1), "died\n");
        int status = driver_stop(driver);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), ISOLATE_EXIT_PROTOCOL);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_schedule_is_told_which_line_and_when),
    cmocka_unit_test(what_a_schedule_returns_is_nobodys_business),
    cmocka_unit_test(an_error_is_told_with_its_line),
    cmocka_unit_test(the_time_that_is_left_grows_less),
    cmocka_unit_test(handlers_share_a_script),
    cmocka_unit_test(an_event_without_its_handler_is_the_hosts_mistake),
};

ISOLATE_TEST_MAIN(tests)

/* Cron lines: what may be written, what is told about what may not, and when each is due. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "test.h"

#include "worker/cron.h"

static struct cron parse(const char *text)
{
    struct cron cron;
    struct err err = {0};
    if (cron_parse(str_of(text), &cron, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return cron;
}

/* "2026-11-22 07:00" */
static uint64_t time_of(const char *text)
{
    struct tm parts = {0};
    assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &parts));
    return (uint64_t)timegm(&parts) * 1000;
}

/* Those after `from`, as many as are expected: "2026-11-22 07:00, 2026-11-23 07:00". */
static void assert_times(const char *line, const char *from, const char *expected)
{
    struct cron cron = parse(line);
    char found[400] = "";
    size_t length = 0;
    uint64_t at = time_of(from);
    do {
        at = cron_next(&cron, at);
        assert_true(at != CRON_NEVER);
        time_t seconds = (time_t)(at / 1000);
        struct tm parts;
        length += strftime(found + length, sizeof found - length,
                           length ? ", %Y-%m-%d %H:%M" : "%Y-%m-%d %H:%M",
                           gmtime_r(&seconds, &parts));
    } while (length < strlen(expected));
    if (strcmp(found, expected) != 0)
        fail_msg("%s after %s: %s, not %s", line, from, found, expected);
}

struct row {
    const char *line, *from, *expected;
};

static void assert_rows(const struct row rows[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_times(rows[i].line, rows[i].from, rows[i].expected);
}
#define ASSERT_ROWS(rows) assert_rows(rows, sizeof(rows) / sizeof *(rows))

static void minutes_and_hours_come_in_turn(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"* * * * *", "2026-11-22 23:58", "2026-11-22 23:59, 2026-11-23 00:00"},
        {"*/15 * * * *", "2026-11-22 07:40", "2026-11-22 07:45, 2026-11-22 08:00"},
        {"0 7 * * *", "2026-11-22 07:00", "2026-11-23 07:00, 2026-11-24 07:00"},
        {"0 7 * * *", "2026-11-22 06:59", "2026-11-22 07:00"},
        {"5,10-12 6,18 * * *", "2026-11-22 06:10",
         "2026-11-22 06:11, 2026-11-22 06:12, 2026-11-22 18:05"},
        {"50/5 23 * * *", "2026-12-31 23:50", "2026-12-31 23:55, 2027-01-01 23:50"},
        {"10-40/20 0 * * *", "2026-11-22 00:00",
         "2026-11-22 00:10, 2026-11-22 00:30, 2026-11-23 00:10"},
        {"5-5/20 0 * * *", "2026-11-22 00:00", "2026-11-22 00:05, 2026-11-23 00:05"},
        {"  0\t7  * * * ", "2026-11-22 07:00", "2026-11-23 07:00"},
    };
    ASSERT_ROWS(rows);
}

static void months_end_where_they_end(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0 0 31 * *", "2026-01-31 00:00",
         "2026-03-31 00:00, 2026-05-31 00:00, 2026-07-31 00:00, 2026-08-31 00:00"},
        {"0 0 29 2 *", "2026-01-01 00:00", "2028-02-29 00:00, 2032-02-29 00:00"},
        {"0 0 29 feb *", "2096-03-01 00:00", "2104-02-29 00:00"},
        {"0 0 29 2 *", "1999-01-01 00:00", "2000-02-29 00:00"},
        {"59 23 31 12 *", "2026-12-31 23:59", "2027-12-31 23:59"},
        {"0 0 1 JAN,Jul *", "2026-01-01 00:00", "2026-07-01 00:00, 2027-01-01 00:00"},
        {"0 12 L * *", "2027-12-31 12:00",
         "2028-01-31 12:00, 2028-02-29 12:00, 2028-03-31 12:00, 2028-04-30 12:00"},
        {"0 12 l-2 2 *", "2026-01-01 00:00", "2026-02-26 12:00, 2027-02-26 12:00"},
        {"0 0 L-30 * *", "2026-01-01 00:00",
         "2026-03-01 00:00, 2026-05-01 00:00, 2026-07-01 00:00"},
        {"0 0 1,15,L * *", "2026-11-01 00:00", "2026-11-15 00:00, 2026-11-30 00:00"},
    };
    ASSERT_ROWS(rows);
}

/* 2026-11-01 is a Sunday. */
static void weekdays_are_those_of_crontab(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0 0 * * 0", "2026-10-31 00:00", "2026-11-01 00:00, 2026-11-08 00:00"},
        {"0 0 * * 7", "2026-10-31 00:00", "2026-11-01 00:00, 2026-11-08 00:00"},
        {"0 0 * * Sun", "2026-10-31 00:00", "2026-11-01 00:00, 2026-11-08 00:00"},
        {"0 7 * * 1-5", "2026-11-05 07:00", "2026-11-06 07:00, 2026-11-09 07:00"},
        {"0 7 * * mon-fri", "2026-11-05 07:00", "2026-11-06 07:00, 2026-11-09 07:00"},
        {"0 0 * * fri-sun", "2026-11-01 00:00",
         "2026-11-06 00:00, 2026-11-07 00:00, 2026-11-08 00:00, 2026-11-13 00:00"},
        {"0 0 * * 5-7", "2026-11-07 00:00", "2026-11-08 00:00, 2026-11-13 00:00"},
        {"0 0 * * */2", "2026-11-01 00:00",
         "2026-11-03 00:00, 2026-11-05 00:00, 2026-11-07 00:00, 2026-11-08 00:00"},
        {"0 0 * * fri#2", "2026-11-01 00:00", "2026-11-13 00:00, 2026-12-11 00:00"},
        {"0 0 * * 7#1", "2026-11-01 00:00", "2026-12-06 00:00, 2027-01-03 00:00"},
        {"0 0 * * mon#5", "2026-11-01 00:00", "2026-11-30 00:00, 2027-03-29 00:00"},
        {"0 18 * * friL", "2026-11-01 00:00", "2026-11-27 18:00, 2026-12-25 18:00"},
        {"0 18 * * 5l", "2027-02-01 00:00", "2027-02-26 18:00, 2027-03-26 18:00"},
        {"0 0 * 2 fri#5", "2026-01-01 00:00", "2036-02-29 00:00, 2064-02-29 00:00"},
    };
    ASSERT_ROWS(rows);
}

/* 2026-08-01 is a Saturday, 2026-11-15 a Sunday, 2027-01-31 too. */
static void the_nearest_weekday_stays_in_its_month(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0 0 1W 8 *", "2026-01-01 00:00", "2026-08-03 00:00, 2027-08-02 00:00"},
        {"0 0 15w 11 *", "2026-01-01 00:00", "2026-11-16 00:00, 2027-11-15 00:00"},
        {"0 0 31W * *", "2027-01-01 00:00", "2027-01-29 00:00, 2027-03-31 00:00"},
        {"59 23 LW * *", "2026-10-31 00:00",
         "2026-11-30 23:59, 2026-12-31 23:59, 2027-01-29 23:59, 2027-02-26 23:59"},
    };
    ASSERT_ROWS(rows);
}

static void of_day_and_weekday_one_is_enough_when_neither_is_a_star(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0 0 13 * fri", "2026-11-01 00:00",
         "2026-11-06 00:00, 2026-11-13 00:00, 2026-11-20 00:00"},
        {"0 0 1 * mon", "2026-11-24 00:00", "2026-11-30 00:00, 2026-12-01 00:00"},
        {"0 0 */10 * mon", "2026-11-01 00:00", "2026-12-21 00:00, 2027-01-11 00:00"},
        {"0 0 13 * */5", "2026-11-01 00:00", "2026-11-13 00:00, 2026-12-13 00:00"},
    };
    ASSERT_ROWS(rows);
}

static void some_lines_have_names(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"@hourly", "2026-11-22 07:40", "2026-11-22 08:00"},
        {"@daily", "2026-11-22 07:40", "2026-11-23 00:00"},
        {" @Midnight ", "2026-11-22 07:40", "2026-11-23 00:00"},
        {"@weekly", "2026-11-22 07:40", "2026-11-29 00:00"},
        {"@monthly", "2026-11-22 07:40", "2026-12-01 00:00"},
        {"@yearly", "2026-11-22 07:40", "2027-01-01 00:00"},
        {"@annually", "2026-11-22 07:40", "2027-01-01 00:00"},
    };
    ASSERT_ROWS(rows);
}

static void times_between_minutes_belong_to_the_next(void **state)
{
    (void)state;
    struct cron cron = parse("* * * * *");
    uint64_t minute = time_of("2026-11-22 07:00");
    assert_int_equal(cron_next(&cron, minute - 1), minute);
    assert_int_equal(cron_next(&cron, minute), minute + 60000);
    assert_int_equal(cron_next(&cron, minute + 59999), minute + 60000);
    assert_int_equal(cron_next(&cron, 0), 60000);
}

static void there_is_an_end_of_time(void **state)
{
    (void)state;
    struct cron cron = parse("0 0 1 1 *");
    assert_int_equal(cron_next(&cron, time_of("9998-12-31 23:59")),
                     time_of("9999-01-01 00:00"));
    assert_true(cron_next(&cron, time_of("9999-01-01 00:00")) == CRON_NEVER);
    assert_true(cron_next(&cron, UINT64_MAX) == CRON_NEVER);
    assert_true(cron_next(&cron, UINT64_MAX / 1000) == CRON_NEVER);
}

static void mistakes_are_told_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *line, *problem;
    } rows[] = {
        {"", "expected five fields (minute hour day month weekday), not 0"},
        {"* * * *", "expected five fields (minute hour day month weekday), not 4"},
        {"0 0 7 * * *", "not 6: there are no seconds"},
        {"60 * * * *", "minute: \"60\" is not 0 to 59"},
        {"* 24 * * *", "hour: \"24\" is not 0 to 23"},
        {"* * 0 * *", "day: \"0\" is not 1 to 31"},
        {"* * 32 * *", "day: \"32\" is not 1 to 31"},
        {"* * * 13 *", "month: \"13\" is not 1 to 12, or jan to dec"},
        {"* * * januar *", "month: \"januar\" is not 1 to 12"},
        {"* * * * 8", "weekday: \"8\" is not 0 to 7, or sun to sat"},
        {"* * * * jan", "weekday: \"jan\" is not"},
        {"* * * * onm", "weekday: \"onm\" is not"},
        {"jan * * * *", "minute: \"jan\" is not"},
        {"-1 * * * *", "minute: \"\" is not"},
        {"1- * * * *", "minute: \"\" is not"},
        {"1-2-3 * * * *", "minute: \"2-3\" is not"},
        {"1.5 * * * *", "minute: \"1.5\" is not"},
        {"0x1 * * * *", "minute: \"0x1\" is not"},
        {"99999999999999999999 * * * *", "minute: \"99999999999999999999\" is not"},
        {"1, * * * *", "minute: there is nothing before or after a comma"},
        {", * * * *", "minute: there is nothing before or after a comma"},
        {"*/0 * * * *", "minute: the step of \"*/0\" is not 1 to 59"},
        {"*/60 * * * *", "minute: the step of \"*/60\" is not 1 to 59"},
        {"*/ * * * *", "minute: the step of \"*/\" is not"},
        {"*/5/5 * * * *", "minute: the step of \"*/5/5\" is not"},
        {"** * * * *", "minute: \"**\" is not"},
        {"* 22-5 * * *", "hour: \"22-5\" goes backwards; write two ranges: 22-23,0-5"},
        {"* * * * fri-mon", "write two ranges: fri-6,0-mon"},
        {"* * ? * *", "day: write * in place of ?"},
        {"L * * * *", "minute: \"L\" is not"},
        {"* * L-31 * *", "day: \"L\" is not"},
        {"* * L-0 * *", "day: \"L\" is not"},
        {"* * W * *", "day: \"W\" is not"},
        {"* * 32W * *", "day: \"32W\" is not"},
        {"* * LW/2 * *", "day: \"LW\" is not"},
        {"* * * * L", "weekday: L needs a weekday before it, as in friL"},
        {"* * * * fri#6", "weekday: \"fri#6\" is not"},
        {"* * * * fri#", "weekday: \"fri#\" is not"},
        {"* * * * #2", "weekday: \"#2\" is not"},
        {"* * * * 8L", "weekday: \"8L\" is not"},
        {"* * 5#2 * *", "day: \"5#2\" is not"},
        {"0 0 30 2 *", "it would never be due"},
        {"0 0 31 2,4,6,9,11 *", "it would never be due"},
        {"0 0 L-30 feb,apr *", "it would never be due"},
        {"@reboot", "\"@reboot\" is none of @hourly, @daily"},
        {"@", "\"@\" is none of"},
        {"@hourly *", "\"@hourly *\" is none of"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cron cron;
        struct err err = {0};
        if (cron_parse(str_of(rows[i].line), &cron, &err) == 0)
            fail_msg("%s is no mistake", rows[i].line);
        if (!strstr(err.text, rows[i].problem))
            fail_msg("%s: \"%s\" has no \"%s\"", rows[i].line, err.text, rows[i].problem);
    }
}

static void any_bytes_are_only_wrong(void **state)
{
    (void)state;
    char text[300];
    struct cron cron;
    memset(text, '*', sizeof text);
    assert_true(cron_parse((struct str){text, sizeof text}, &cron, NULL) < 0);
    for (unsigned byte = 0; byte < 256; byte++) {
        memset(text, (int)byte, 9);
        memcpy(text + 1, " * * * *", 8);
        assert_int_equal(cron_parse((struct str){text, 9}, &cron, NULL) == 0,
                         byte == '*' || (byte >= '0' && byte <= '9'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minutes_and_hours_come_in_turn),
        cmocka_unit_test(months_end_where_they_end),
        cmocka_unit_test(weekdays_are_those_of_crontab),
        cmocka_unit_test(the_nearest_weekday_stays_in_its_month),
        cmocka_unit_test(of_day_and_weekday_one_is_enough_when_neither_is_a_star),
        cmocka_unit_test(some_lines_have_names),
        cmocka_unit_test(times_between_minutes_belong_to_the_next),
        cmocka_unit_test(there_is_an_end_of_time),
        cmocka_unit_test(mistakes_are_told_in_words),
        cmocka_unit_test(any_bytes_are_only_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

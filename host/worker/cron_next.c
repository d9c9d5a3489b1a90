/* The times of a cron line: which days of a month are due is a set of bits, so that months that have none cost next to
 * nothing. The calendar repeats after 400 years: what is not due within them never is. */
#include <time.h>

#include "cron.h"

#define CYCLE_MONTHS (400 * 12)
#define YEAR_MAX     9999
#define MS_MAX       253402300799999 /* its end */
#define DAY_S        (24 * 3600)

struct month {
    int year, number;    /* 1-12 */
    time_t starts_s;     /* since 1970 */
    unsigned days;       /* in it */
    unsigned starts_day; /* the weekday of its first; Sunday is 0 */
};

static unsigned days_in(int year, int number)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[number - 1] + (unsigned)(number == 2 && is_leap);
}

static struct month month_at(int year, int number, time_t starts_s)
{
    long since_1970 = starts_s / DAY_S; /* which began on a Thursday */
    return (struct month){.year = year,
                          .number = number,
                          .starts_s = starts_s,
                          .days = days_in(year, number),
                          .starts_day = (unsigned)((since_1970 + 4) % 7)};
}

static struct month month_of(const struct tm *day)
{
    struct tm first = {.tm_year = day->tm_year, .tm_mon = day->tm_mon, .tm_mday = 1};
    return month_at(day->tm_year + 1900, day->tm_mon + 1, timegm(&first));
}

static struct month month_after(const struct month *month)
{
    bool is_last = month->number == 12;
    return month_at(month->year + is_last, is_last ? 1 : month->number + 1,
                    month->starts_s + (time_t)month->days * DAY_S);
}

static unsigned weekday_of(const struct month *month, unsigned day)
{
    return (month->starts_day + day - 1) % 7;
}

/* --- which days of a month --- */

static uint32_t bit(unsigned number)
{
    return (uint32_t)1 << number;
}

/* Within the month. */
static uint32_t nearest_weekday(const struct month *month, unsigned day)
{
    switch (weekday_of(month, day)) {
    case 6:
        return day > 1 ? bit(day) >> 1 : bit(day) << 2;
    case 0:
        return day < month->days ? bit(day) << 1 : bit(day) >> 2;
    default:
        return bit(day);
    }
}

static uint32_t last_weekday(const struct month *month)
{
    unsigned weekday = weekday_of(month, month->days);
    return bit(month->days) >> (weekday == 6 ? 1 : weekday == 0 ? 2 : 0);
}

static uint32_t days_by_date(const struct cron *cron, const struct month *month)
{
    uint32_t days = cron->days;
    for (unsigned n = 0; n < month->days; n++)
        if (cron->days_before_last & bit(n))
            days |= bit(month->days - n);
    for (unsigned day = 1; day <= month->days; day++)
        if (cron->nearest_weekdays & bit(day))
            days |= nearest_weekday(month, day);
    if (cron->nearest_weekdays & bit(0))
        days |= last_weekday(month);
    return days;
}

static uint32_t days_by_weekday(const struct cron *cron, const struct month *month)
{
    uint32_t days = 0;
    for (unsigned day = 1; day <= month->days; day++) {
        uint32_t wanted = cron->weekdays | cron->nth_weekdays[(day + 6) / 7];
        if (day + 7 > month->days)
            wanted |= cron->last_weekdays;
        if (wanted & bit(weekday_of(month, day)))
            days |= bit(day);
    }
    return days;
}

static uint32_t days_of(const struct cron *cron, const struct month *month)
{
    if (!(cron->months & bit((unsigned)month->number)))
        return 0;
    uint32_t by_date = days_by_date(cron, month), by_weekday = days_by_weekday(cron, month);
    uint32_t both = cron->is_any_day || cron->is_any_weekday ? by_date & by_weekday
                                                             : by_date | by_weekday;
    return both & (uint32_t)((UINT64_C(2) << month->days) - 2);
}

/* --- which minutes of a day --- */

static unsigned lowest(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

/* The first that is not before `from`, in minutes since midnight; -1 when the day has none. */
static int minute_from(const struct cron *cron, unsigned from)
{
    uint64_t minutes = cron->minutes >> from % 60 << from % 60;
    unsigned hour = from / 60;
    if (cron->hours & bit(hour) && minutes)
        return (int)(hour * 60 + lowest(minutes));
    uint64_t hours = (uint64_t)cron->hours >> (hour + 1) << (hour + 1);
    return hours ? (int)(lowest(hours) * 60 + lowest(cron->minutes)) : -1;
}

static uint64_t time_at(const struct month *month, unsigned day, int minute)
{
    time_t seconds = month->starts_s + (time_t)(day - 1) * DAY_S + (time_t)minute * 60;
    return (uint64_t)seconds * 1000;
}

uint64_t cron_next(const struct cron *cron, uint64_t after_ms)
{
    if (after_ms > MS_MAX)
        return CRON_NEVER;
    time_t from_s = (time_t)(after_ms / 60000 + 1) * 60;
    struct tm from;
    gmtime_r(&from_s, &from);
    struct month month = month_of(&from);
    unsigned today = (unsigned)from.tm_mday;
    uint32_t days = days_of(cron, &month);
    if (days & bit(today)) {
        int minute = minute_from(cron, (unsigned)(from.tm_hour * 60 + from.tm_min));
        if (minute >= 0)
            return time_at(&month, today, minute);
    }
    days &= ~(bit(today) | (bit(today) - 1));
    for (int i = 0; i <= CYCLE_MONTHS && month.year <= YEAR_MAX; i++) {
        if (days)
            return time_at(&month, lowest(days), minute_from(cron, 0));
        month = month_after(&month);
        days = days_of(cron, &month);
    }
    return CRON_NEVER;
}

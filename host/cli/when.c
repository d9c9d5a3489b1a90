#include "cli/when.h"

#include <stdio.h>
#include <time.h>

#include "base/str.h"

#define YEAR_9999_S INT64_C(253402300799)

/* --- as text --- */

const char *when_text(uint64_t unix_ms, char text[WHEN_BYTES])
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(text, WHEN_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return text;
}

const char *when_text_ms(uint64_t unix_ms, char text[WHEN_BYTES])
{
    char whole[WHEN_BYTES];
    struct str seconds = str_of(when_text(unix_ms, whole));
    seconds.length--; /* the Z */
    snprintf(text, WHEN_BYTES, "%.*s.%03uZ", STR_ARG(seconds), (unsigned)(unix_ms % 1000));
    return text;
}

const char *when_text_minute(uint64_t unix_ms, char text[WHEN_BYTES])
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(text, WHEN_BYTES, "%a %Y-%m-%d %H:%M", &utc);
    return text;
}

/* --- read --- */

static bool read_iso_8601(const char *text, int64_t *seconds)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm when = {0};
        const char *rest = strptime(text, forms[i], &when);
        if (!rest)
            continue;
        struct tm zone = {0};
        if (*rest)
            rest = strptime(rest, "%z", &zone);
        if (!rest || *rest)
            continue;
        *seconds = (int64_t)timegm(&when) - zone.tm_gmtoff;
        return true;
    }
    return false;
}

bool when_read(const char *text, uint64_t *unix_ms)
{
    unsigned long long number;
    int64_t seconds = -1;
    if (str_to_number(str_of(text), &number))
        seconds = (int64_t)number;
    else if (!read_iso_8601(text, &seconds))
        return false;
    if (seconds < 0 || seconds > YEAR_9999_S)
        return false;
    *unix_ms = (uint64_t)seconds * 1000;
    return true;
}

static bool read_span(struct str text, uint64_t *span_ms)
{
    static const struct {
        char name;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    unsigned long long number;
    if (text.length < 2 || !str_to_number(str_part(text, 0, text.length - 1), &number) ||
        number > (unsigned long long)YEAR_9999_S)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (text.at[text.length - 1] == units[i].name) {
            *span_ms = number * units[i].seconds * 1000;
            return true;
        }
    return false;
}

bool when_read_past(const char *text, uint64_t now_ms, uint64_t *unix_ms)
{
    uint64_t span_ms;
    if (!read_span(str_of(text), &span_ms))
        return when_read(text, unix_ms);
    *unix_ms = span_ms < now_ms ? now_ms - span_ms : 0;
    return true;
}

/* When a worker's `cron:` is due: the five fields of crontab(5), in UTC, and what the hosted service has beyond them.
 *
 *     minute   0-59
 *     hour     0-23
 *     day      1-31, L: the month's last, L-2: two days before it, 15W: the weekday (Monday to Friday) of the month that is
 *              nearest to the 15th, LW: the month's last weekday
 *     month    1-12, jan-dec
 *     weekday  0-7 (Sunday is 0 and 7), sun-sat, fri#2: the second Friday of the month, friL: its last
 *
 * A field is `*` or a list: `5`, `1-5`, `mon-fri`; with a step: `*`/15, `10-40/10`, `5/20` (from 5 to the field's end). As in
 * crontab(5), when neither day nor weekday begins with `*`, one of them is enough; else both must hold. The line may
 * also be @hourly, @daily (@midnight), @weekly, @monthly or @yearly (@annually).
 *
 * Unlike with the hosted service, 1 is Monday: crontab(5) counts so, and names are the same everywhere. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define CRON_TEXT_BYTES_MAX 200
#define CRON_NEVER          UINT64_MAX

/* Sets of numbers, each a bit. */
struct cron {
    uint64_t minutes;                /* 0-59 */
    uint32_t hours;                  /* 0-23 */
    uint32_t days;                   /* 1-31 */
    uint32_t days_before_last;       /* 0: the last itself; to 30 */
    uint32_t nearest_weekdays;       /* to the days 1-31; 0: the last weekday */
    uint32_t months;                 /* 1-12 */
    uint32_t weekdays;               /* 0-6, Sunday is 0 */
    uint32_t last_weekdays;          /* the same */
    uint32_t nth_weekdays[6];        /* the same, of the first (1) to the fifth */
    bool is_any_day, is_any_weekday; /* the field begins with `*` */
};

/* 0, or -EINVAL with what is wrong and what to write instead; also when it would never be due. */
int cron_parse(struct str text, struct cron *cron, struct err *err);

/* The first time after this one, both in milliseconds since 1970: a whole minute. CRON_NEVER past the year 9999. */
uint64_t cron_next(const struct cron *cron, uint64_t after_ms);

#include "cron.h"

#include <errno.h>
#include <string.h>

#define FIELD_COUNT 5

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY };

static const struct field {
    const char *name;
    unsigned least, most;
    const char *names; /* three letters each, of `least` and those that follow; or "" */
} fields[FIELD_COUNT] = {
    [MINUTE] = {"minute", 0, 59, ""},
    [HOUR] = {"hour", 0, 23, ""},
    [DAY] = {"day", 1, 31, ""},
    [MONTH] = {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    [WEEKDAY] = {"weekday", 0, 7, "sunmontuewedthufrisat"},
};

static const struct {
    const char *word, *line;
} shortcuts[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

struct range {
    unsigned first, last, step;
};

/* --- numbers and names --- */

static int refuse_value(const struct field *field, struct str text, struct err *err)
{
    return err_set(err, -EINVAL, "%s: \"%.*s\" is not %u to %u%s", field->name,
                   STR_ARG(text), field->least, field->most,
                   field == &fields[MONTH]     ? ", or jan to dec"
                   : field == &fields[WEEKDAY] ? ", or sun to sat"
                                               : "");
}

static int read_value(const struct field *field, struct str text, unsigned *value,
                      struct err *err)
{
    unsigned long long number;
    if (str_to_number(text, &number) && number >= field->least && number <= field->most) {
        *value = (unsigned)number;
        return 0;
    }
    for (unsigned i = 0; text.length == 3 && field->names[3 * i]; i++)
        if (str_equal_nocase(text, (struct str){&field->names[3 * i], 3})) {
            *value = field->least + i;
            return 0;
        }
    return refuse_value(field, text, err);
}

/* A number from `least` to `most` and nothing else. */
static bool read_number(struct str text, unsigned least, unsigned most, unsigned *value)
{
    unsigned long long number;
    if (!str_to_number(text, &number) || number < least || number > most)
        return false;
    *value = (unsigned)number;
    return true;
}

/* --- items: 5, 1-5, *, with or without a step --- */

static int read_span(const struct field *field, struct str text, struct range *range,
                     struct err *err)
{
    struct str rest = text, first = str_cut(&rest, '-');
    if (first.length == text.length) {
        int result = read_value(field, text, &range->first, err);
        range->last = range->first;
        return result;
    }
    int result = read_value(field, first, &range->first, err);
    if (result == 0)
        result = read_value(field, rest, &range->last, err);
    if (result < 0)
        return result;
    if (field == &fields[WEEKDAY] && range->last == 0)
        range->last = 7; /* sat-sun */
    if (range->first <= range->last)
        return 0;
    return err_set(err, -EINVAL,
                   "%s: \"%.*s\" goes backwards; write two ranges: %.*s-%u,%u-%.*s",
                   field->name, STR_ARG(text), STR_ARG(first),
                   field->most - (field == &fields[WEEKDAY]), field->least, STR_ARG(rest));
}

static int read_range(const struct field *field, struct str text, struct range *range,
                      struct err *err)
{
    struct str step = text, span = str_cut(&step, '/');
    bool has_step = span.length < text.length;
    unsigned most = field->most - (field == &fields[WEEKDAY]); /* 6: Saturday */
    *range = (struct range){field->least, most, 1};
    if (!str_equal(span, STR("*"))) {
        int result = read_span(field, span, range, err);
        if (result < 0)
            return result;
        if (has_step && str_index(span, '-') < 0 && range->first <= most)
            range->last = most;
    }
    if (!has_step || read_number(step, 1, field->most, &range->step))
        return 0;
    return err_set(err, -EINVAL, "%s: the step of \"%.*s\" is not 1 to %u", field->name,
                   STR_ARG(text), field->most);
}

static uint64_t bits_of(const struct range *range)
{
    uint64_t bits = 0;
    for (unsigned i = range->first; i <= range->last; i += range->step)
        bits |= UINT64_C(1) << i;
    return bits;
}

/* --- items that only days and weekdays have --- */

/* L, L-2, LW, 15W; false when it is none of them. */
static bool read_day(struct str text, struct cron *cron)
{
    unsigned number;
    if (str_equal_nocase(text, STR("L")))
        cron->days_before_last |= 1;
    else if (str_equal_nocase(text, STR("LW")))
        cron->nearest_weekdays |= 1;
    else if (str_starts_nocase(text, STR("L-")) &&
             read_number(str_from(text, 2), 1, 30, &number))
        cron->days_before_last |= (uint32_t)1 << number;
    else if (str_ends_nocase(text, STR("W")) &&
             read_number(str_part(text, 0, text.length - 1), 1, 31, &number))
        cron->nearest_weekdays |= (uint32_t)1 << number;
    else
        return false;
    return true;
}

/* friL, fri#2; false when it is none of them. */
static bool read_weekday(struct str text, struct cron *cron)
{
    struct str number = text, name = str_cut(&number, '#');
    unsigned weekday = 0, nth = 0;
    bool is_nth = name.length < text.length;
    if (!is_nth && !str_ends_nocase(text, STR("L")))
        return false;
    if (!is_nth)
        name = str_part(text, 0, text.length - 1);
    if (read_value(&fields[WEEKDAY], name, &weekday, NULL) < 0 ||
        (is_nth && !read_number(number, 1, 5, &nth)))
        return false;
    if (is_nth)
        cron->nth_weekdays[nth] |= (uint32_t)1 << weekday % 7;
    else
        cron->last_weekdays |= (uint32_t)1 << weekday % 7;
    return true;
}

/* --- fields --- */

static void add_bits(struct cron *cron, const struct field *field, uint64_t bits)
{
    if (field == &fields[MINUTE])
        cron->minutes |= bits;
    else if (field == &fields[HOUR])
        cron->hours |= (uint32_t)bits;
    else if (field == &fields[DAY])
        cron->days |= (uint32_t)bits;
    else if (field == &fields[MONTH])
        cron->months |= (uint32_t)bits;
    else
        cron->weekdays |= (uint32_t)((bits | bits >> 7) & 0x7f); /* 7 is 0 */
}

static int read_item(const struct field *field, struct str item, struct cron *cron,
                     struct err *err)
{
    struct range range;
    if (item.length == 0)
        return err_set(err, -EINVAL, "%s: there is nothing before or after a comma",
                       field->name);
    if (str_equal(item, STR("?")))
        return err_set(err, -EINVAL, "%s: write * in place of ?", field->name);
    if (field == &fields[WEEKDAY] && str_equal_nocase(item, STR("L")))
        return err_set(err, -EINVAL, "weekday: L needs a weekday before it, as in friL");
    if ((field == &fields[DAY] && read_day(item, cron)) ||
        (field == &fields[WEEKDAY] && read_weekday(item, cron)))
        return 0;
    int result = read_range(field, item, &range, err);
    if (result == 0)
        add_bits(cron, field, bits_of(&range));
    return result;
}

static int read_field(const struct field *field, struct str text, struct cron *cron,
                      struct err *err)
{
    int result = 0;
    if (field == &fields[DAY])
        cron->is_any_day = text.at[0] == '*';
    else if (field == &fields[WEEKDAY])
        cron->is_any_weekday = text.at[0] == '*';
    for (bool has_more = true; has_more && result == 0;) {
        size_t before = text.length;
        struct str item = str_cut(&text, ',');
        has_more = item.length < before;
        result = read_item(field, item, cron, err);
    }
    return result;
}

/* --- the line --- */

static struct str next_word(struct str *rest)
{
    size_t length = 0;
    *rest = str_trim(*rest);
    while (length < rest->length && rest->at[length] != ' ' && rest->at[length] != '\t')
        length++;
    struct str word = str_part(*rest, 0, length);
    *rest = str_from(*rest, length);
    return word;
}

static int read_line(struct str text, struct cron *cron, struct err *err)
{
    struct str words[FIELD_COUNT], word;
    size_t count = 0;
    while ((word = next_word(&text)).length)
        if (count++ < FIELD_COUNT)
            words[count - 1] = word;
    if (count != FIELD_COUNT)
        return err_set(err, -EINVAL,
                       "expected five fields (minute hour day month weekday), not %zu%s",
                       count, count == FIELD_COUNT + 1 ? ": there are no seconds" : "");
    int result = 0;
    for (size_t i = 0; i < FIELD_COUNT && result == 0; i++)
        result = read_field(&fields[i], words[i], cron, err);
    if (result == 0 && cron_next(cron, 0) == CRON_NEVER)
        return err_set(err, -EINVAL,
                       "it would never be due: no month named has such a day");
    return result;
}

int cron_parse(struct str text, struct cron *cron, struct err *err)
{
    *cron = (struct cron){0};
    text = str_trim(text);
    if (text.length > CRON_TEXT_BYTES_MAX)
        return err_set(err, -EINVAL, "longer than %d bytes", CRON_TEXT_BYTES_MAX);
    if (text.length == 0 || text.at[0] != '@')
        return read_line(text, cron, err);
    for (size_t i = 0; i < sizeof shortcuts / sizeof *shortcuts; i++)
        if (str_equal_nocase(text, str_of(shortcuts[i].word)))
            return read_line(str_of(shortcuts[i].line), cron, err);
    return err_set(err, -EINVAL,
                   "\"%.*s\" is none of @hourly, @daily, @weekly, @monthly, @yearly",
                   STR_ARG(text));
}

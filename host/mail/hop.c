/* A field is "count; tag", the tag with 130 bits of the MAC. The MAC is over a line for the count and one for each
 * name of the message: the first field of it, without regard to how it was folded; an absent one is an empty
 * line. */
#include "hop.h"

#include <stdio.h>

#define FIELD_NAME       STR("X-Postern-Hop")
#define TAG_DIGITS       26
#define VALUE_BYTES_MAX  64 /* of a field that is looked at */
#define FIELDS_MAX       32 /* that are looked at */
#define COUNT_LINE_BYTES 5  /* "0002\n" */

static const struct str names[] = {{"Message-ID", 10}, {"Date", 4}, {"From", 4}};
#define NAME_COUNT (sizeof names / sizeof *names)

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Appends the value with each run of blanks as one, and the end of its line; returns how long that is. */
static size_t put_plain(struct str value, char *text)
{
    size_t length = 0;
    value = str_trim(value);
    for (size_t i = 0; i < value.length; i++) {
        if (!is_blank(value.at[i]))
            text[length++] = value.at[i];
        else if (text[length - 1] != ' ')
            text[length++] = ' ';
    }
    text[length++] = '\n';
    return length;
}

/* What the MAC is over: the names of the message, with room before them for the line of the count. */
struct covered {
    char *text;
    size_t length;
};

static struct covered cover(const struct header *header, struct arena *arena)
{
    struct str values[NAME_COUNT] = {{0}};
    size_t length_max = COUNT_LINE_BYTES;
    for (size_t i = 0; i < NAME_COUNT; i++) {
        size_t index = 0;
        const struct header_field *field = header_next(header, names[i], &index);
        if (field)
            values[i] = field->value;
        length_max += values[i].length + 1;
    }
    struct covered covered = {arena_alloc(arena, length_max), COUNT_LINE_BYTES};
    for (size_t i = 0; i < NAME_COUNT; i++)
        covered.length += put_plain(values[i], covered.text + covered.length);
    return covered;
}

static struct str with_count(struct covered covered, unsigned count)
{
    char line[COUNT_LINE_BYTES + 1];
    snprintf(line, sizeof line, "%04u\n", count % (HOP_COUNT_MAX + 1));
    memcpy(covered.text, line, COUNT_LINE_BYTES);
    return (struct str){covered.text, covered.length};
}

/* What a field says: 0 when it is not ours. */
static unsigned count_of(const struct secret *secret, struct str value,
                         struct covered covered)
{
    unsigned long long count;
    if (value.length > VALUE_BYTES_MAX)
        return 0;
    struct str tag = value;
    struct str number = str_trim(str_cut(&tag, ';'));
    tag = str_trim(tag);
    if (!str_to_number(number, &count) || count > HOP_COUNT_MAX || tag.length != TAG_DIGITS)
        return 0;
    struct str text = with_count(covered, (unsigned)count);
    return secret_tag_verify(secret, SECRET_HOP, text, tag) ? (unsigned)count : 0;
}

unsigned hop_count(const struct secret *secret, const struct header *header)
{
    size_t index = 0;
    const struct header_field *field = header_next(header, FIELD_NAME, &index);
    if (!field)
        return 0;
    struct arena *arena = arena_new();
    struct covered covered = cover(header, arena);
    unsigned greatest = 0;
    for (int looked = 0; field && looked < FIELDS_MAX; looked++) {
        unsigned count = count_of(secret, field->value, covered);
        if (count > greatest)
            greatest = count;
        field = header_next(header, FIELD_NAME, &index);
    }
    arena_free(arena);
    return greatest;
}

struct str hop_field(const struct secret *secret, const struct header *header,
                     unsigned count, struct arena *arena)
{
    char tag[TAG_DIGITS];
    if (count > HOP_COUNT_MAX)
        count = HOP_COUNT_MAX;
    struct str text = with_count(cover(header, arena), count);
    secret_tag(secret, SECRET_HOP, text, tag, sizeof tag);
    return str_of(arena_printf(arena, "%.*s: %u; %.*s\r\n", STR_ARG(FIELD_NAME), count,
                               TAG_DIGITS, tag));
}

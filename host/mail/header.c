/* One pass over the section with memchr: lines end at LF, so that an index of mail that never went
 * through SMTP sees the fields every lenient reader would see. */
#include "header.h"

#include <errno.h>

#define FIRST_FIELDS    32
#define NAME_BYTES_MAX  76
#define VALUE_BYTES_MAX 8000
#define LINE_BYTES_FOLD 78
#define LINE_BYTES_MAX  998

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* RFC 5322 section 3.6.8: ftext = %d33-57 / %d59-126 */
static bool is_ftext(char c)
{
    return c > 32 && c < 127 && c != ':';
}

/* --- the index --- */

static size_t line_end(struct str raw, size_t from)
{
    const char *newline = memchr(raw.at + from, '\n', raw.length - from);
    return newline ? (size_t)(newline - raw.at) + 1 : raw.length;
}

/* The end of the field that starts at `from`: past its last continuation line. */
static size_t field_end(struct str raw, size_t from)
{
    size_t end = line_end(raw, from);
    while (end < raw.length && is_blank(raw.at[end]))
        end = line_end(raw, end);
    return end;
}

/* Splits name and value of a line: false if it is no field (RFC 5322 section 4.5 allows blanks before
 * the colon). */
static bool split_field(struct str line, struct header_field *field)
{
    size_t name = 0;
    while (name < line.length && is_ftext(line.at[name]))
        name++;
    size_t colon = name;
    while (colon < line.length && is_blank(line.at[colon]))
        colon++;
    if (name == 0 || colon == line.length || line.at[colon] != ':')
        return false;
    field->name = str_part(line, 0, name);
    field->value = str_from(line, colon + 1);
    return true;
}

static void finish_field(struct str whole, struct header_field *field)
{
    const char *end = whole.at + whole.length;
    if (end[-1] == '\n') {
        end--;
        if (end > field->value.at && end[-1] == '\r')
            end--;
    }
    field->value.length = (size_t)(end - field->value.at);
    field->whole = whole;
}

/* Room for one field more: the array doubles. */
static struct header_field *add_field(struct header *header, size_t *capacity,
                                      struct arena *arena)
{
    if (header->count == *capacity) {
        size_t wider = *capacity ? *capacity * 2 : FIRST_FIELDS;
        struct header_field *fields = arena_array(arena, struct header_field, wider);
        if (header->count)
            memcpy(fields, header->fields, header->count * sizeof *fields);
        header->fields = fields;
        *capacity = wider;
    }
    return &header->fields[header->count++];
}

static size_t empty_line_bytes(struct str raw, size_t at)
{
    if (raw.at[at] == '\n')
        return 1;
    return raw.at[at] == '\r' && at + 1 < raw.length && raw.at[at + 1] == '\n' ? 2 : 0;
}

void header_parse(struct str raw, struct arena *arena, struct header *header)
{
    *header = (struct header){0};
    size_t capacity = 0;
    size_t at = 0;
    while (at < raw.length) {
        struct header_field field;
        if (!split_field(str_from(raw, at), &field)) {
            at += empty_line_bytes(raw, at);
            break;
        }
        size_t end = field_end(raw, at);
        finish_field(str_part(raw, at, end - at), &field);
        if (header->count < HEADER_FIELDS_MAX)
            *add_field(header, &capacity, arena) = field;
        at = end;
    }
    header->body_offset = at;
}

/* --- asking it --- */

const struct header_field *header_next(const struct header *header, struct str name,
                                       size_t *index)
{
    while (*index < header->count) {
        const struct header_field *field = &header->fields[(*index)++];
        if (str_equal_nocase(field->name, name))
            return field;
    }
    return NULL;
}

struct str header_unfold(struct str value, struct arena *arena)
{
    value = str_trim(value);
    char *text = arena_alloc(arena, value.length + 1);
    size_t length = 0;
    for (size_t i = 0; i < value.length; i++)
        if (value.at[i] != '\r' && value.at[i] != '\n')
            text[length++] = value.at[i];
    return (struct str){text, length};
}

struct str header_value(const struct header *header, struct str name, struct arena *arena)
{
    size_t index = 0;
    const struct header_field *field = header_next(header, name, &index);
    return field ? header_unfold(field->value, arena) : STR("");
}

size_t header_count(const struct header *header, struct str name)
{
    size_t count = 0;
    for (size_t index = 0; header_next(header, name, &index);)
        count++;
    return count;
}

/* --- writing a field --- */

bool header_name_is_valid(struct str name)
{
    for (size_t i = 0; i < name.length; i++)
        if (!is_ftext(name.at[i]))
            return false;
    return name.length >= 1 && name.length <= NAME_BYTES_MAX;
}

bool header_value_is_valid(struct str value)
{
    return value.length <= VALUE_BYTES_MAX && str_index(value, '\r') < 0 &&
           str_index(value, '\n') < 0 && str_index(value, '\0') < 0;
}

static size_t blank_bytes(struct str text)
{
    size_t end = 0;
    while (end < text.length && is_blank(text.at[end]))
        end++;
    return end;
}

static size_t word_bytes(struct str text)
{
    size_t end = 0;
    while (end < text.length && !is_blank(text.at[end]))
        end++;
    return end;
}

/* Each run of blanks is a place to fold. `line_bytes` stand already on the line, which may end there
 * too. */
static int append_folded(struct buf *buf, struct str value, size_t line_bytes)
{
    struct str blanks = STR(" ");
    while (value.length) {
        struct str word = str_part(value, 0, word_bytes(value));
        size_t bytes = blanks.length + word.length;
        if (bytes > LINE_BYTES_MAX)
            return -EINVAL;
        bool is_folded = line_bytes + bytes > LINE_BYTES_FOLD;
        if ((is_folded && buf_append(buf, STR("\r\n")) < 0) ||
            buf_append(buf, blanks) < 0 || buf_append(buf, word) < 0)
            return -ENOBUFS;
        line_bytes = bytes + (is_folded ? 0 : line_bytes);
        value = str_from(value, word.length);
        blanks = str_part(value, 0, blank_bytes(value));
        value = str_from(value, blanks.length);
    }
    return buf_append(buf, STR("\r\n"));
}

int header_append(struct buf *buf, struct str name, struct str value)
{
    if (!header_name_is_valid(name) || !header_value_is_valid(value))
        return -EINVAL;
    size_t before = buf->length;
    int result = buf_append(buf, name);
    if (result == 0)
        result = buf_append(buf, STR(":"));
    if (result == 0)
        result = append_folded(buf, str_trim(value), name.length + 1);
    if (result < 0)
        buf->length = before;
    return result;
}

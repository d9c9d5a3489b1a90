/* RFC 8601 section 2.2:
 *
 *     authres-payload = [CFWS] authserv-id [ CFWS authres-version ] ( no-result / 1*resinfo ) [CFWS] CRLF
 *     no-result       = [CFWS] ";" [CFWS] "none"
 *     resinfo         = [CFWS] ";" methodspec [ CFWS reasonspec ] [ CFWS 1*propspec ]
 *     methodspec      = [CFWS] method [CFWS] "=" [CFWS] result
 *     method          = Keyword [ [CFWS] "/" [CFWS] method-version ]
 *     reasonspec      = "reason" [CFWS] "=" [CFWS] value
 *     propspec        = ptype [CFWS] "." [CFWS] property [CFWS] "=" pvalue
 *     pvalue          = [CFWS] ( ( value / [ [ local-part ] "@" ] domain-name ) [CFWS] )
 *
 * Beyond it, as large sealers write it: a property may lack its ptype, a pvalue may be empty or hold "=" and
 * "/" without quotes, and a ";" may stand at the end. */
#include <errno.h>

#include "auth/results_header.h"
#include "mail/domain.h"
#include "mail/utf8.h"

#define QUOTED_BYTES_MAX 2000
#define RANGES_FIRST     8

/* Once broken, it is at its end and stays there. */
struct reader {
    struct str rest;
    struct arena *arena;
    bool is_broken;
};

static void break_off(struct reader *reader)
{
    reader->is_broken = true;
    reader->rest = STR("");
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* --- words --- */

static void skip_comment(struct reader *reader)
{
    struct str s = reader->rest;
    size_t depth = 0;
    for (size_t i = 0; i < s.length; i++) {
        if (s.at[i] == '\\')
            i++;
        else if (s.at[i] == '(')
            depth++;
        else if (s.at[i] == ')' && --depth == 0) {
            reader->rest = str_from(s, i + 1);
            return;
        }
    }
    break_off(reader);
}

/* The next byte that is neither a blank nor within a comment; NUL at the end. */
static char peek(struct reader *reader)
{
    while (reader->rest.length) {
        char c = reader->rest.at[0];
        if (c == '(')
            skip_comment(reader);
        else if (is_space(c))
            reader->rest = str_from(reader->rest, 1);
        else if (c == '\0')
            break_off(reader);
        else
            return c;
    }
    return '\0';
}

static bool take(struct reader *reader, char c)
{
    if (peek(reader) != c)
        return false;
    reader->rest = str_from(reader->rest, 1);
    return true;
}

static struct str read_run(struct reader *reader, bool (*belongs)(char c))
{
    size_t length = 0;
    while (length < reader->rest.length && belongs(reader->rest.at[length]))
        length++;
    struct str run = str_part(reader->rest, 0, length);
    reader->rest = str_from(reader->rest, length);
    return run;
}

static bool is_keyword_byte(char c)
{
    return ascii_alnum(c) || c == '-' || c == '_';
}

/* RFC 2045 section 5.1, and UTF-8 as RFC 6532 adds it. */
static bool is_token_byte(char c)
{
    return (unsigned char)c > 32 && c != 127 && !strchr("()<>@,;:\\\"/[]?=", c);
}

static bool is_pvalue_byte(char c)
{
    return (unsigned char)c > 32 && c != 127 && !strchr(";()\"", c);
}

static struct str read_keyword(struct reader *reader)
{
    peek(reader);
    struct str word = read_run(reader, is_keyword_byte);
    if (word.length == 0)
        break_off(reader);
    return word;
}

/* The length of the quoted-string at the start of `s`; 0 when it does not end in time. */
static size_t quoted_bytes(struct str s)
{
    size_t bytes_max = s.length < QUOTED_BYTES_MAX ? s.length : QUOTED_BYTES_MAX;
    for (size_t i = 1; i < bytes_max; i++) {
        if (s.at[i] == '\\')
            i++;
        else if (s.at[i] == '"')
            return i + 1;
    }
    return 0;
}

/* Unquoted and unfolded. */
static struct str read_quoted(struct reader *reader)
{
    size_t bytes = quoted_bytes(reader->rest);
    if (bytes == 0) {
        break_off(reader);
        return STR("");
    }
    struct str inner = str_part(reader->rest, 1, bytes - 2);
    char *text = arena_alloc(reader->arena, bytes);
    size_t length = 0;
    for (size_t i = 0; i < inner.length; i++) {
        if (inner.at[i] == '\\' && i + 1 < inner.length)
            i++;
        if (inner.at[i] != '\r' && inner.at[i] != '\n')
            text[length++] = inner.at[i];
    }
    reader->rest = str_from(reader->rest, bytes);
    return (struct str){text, length};
}

static struct str read_value(struct reader *reader)
{
    if (peek(reader) == '"')
        return read_quoted(reader);
    struct str value = read_run(reader, is_token_byte);
    if (value.length == 0)
        break_off(reader);
    return value;
}

/* A quoted local part and what follows it are one. */
static struct str read_pvalue(struct reader *reader)
{
    if (peek(reader) != '"')
        return read_run(reader, is_pvalue_byte);
    struct str quoted = read_quoted(reader);
    struct str run = read_run(reader, is_pvalue_byte);
    if (run.length == 0)
        return quoted;
    return str_of(arena_printf(reader->arena, "%.*s%.*s", STR_ARG(quoted), STR_ARG(run)));
}

/* --- a whole field --- */

static void read_property(struct reader *reader, struct auth_results_item *item,
                          struct auth_results_property properties[])
{
    struct auth_results_property property = {.type = STR("")};
    property.name = read_keyword(reader);
    if (take(reader, '.')) {
        property.type = property.name;
        property.name = read_keyword(reader);
    }
    if (!take(reader, '=')) {
        break_off(reader);
        return;
    }
    property.value = read_pvalue(reader);
    if (property.type.length == 0 && str_equal_nocase(property.name, STR("reason")))
        item->reason = property.value;
    else if (item->property_count < AUTH_RESULTS_PROPERTIES_MAX)
        properties[item->property_count++] = property;
    else
        break_off(reader);
}

/* False at a "none" that stands for all results. */
static bool read_item(struct reader *reader, struct auth_results_item *item)
{
    item->method = read_keyword(reader);
    item->reason = STR("");
    if (take(reader, '/'))
        read_keyword(reader);
    if (!take(reader, '=')) {
        if (!str_equal_nocase(item->method, STR("none")) || peek(reader))
            break_off(reader);
        return false;
    }
    item->result = read_keyword(reader);
    struct auth_results_property properties[AUTH_RESULTS_PROPERTIES_MAX];
    while (peek(reader) && peek(reader) != ';')
        read_property(reader, item, properties);
    struct auth_results_property *kept =
        arena_array(reader->arena, struct auth_results_property, item->property_count);
    if (item->property_count)
        memcpy(kept, properties, item->property_count * sizeof *kept);
    item->properties = kept;
    return true;
}

static struct str read_authserv_id(struct reader *reader)
{
    struct str id = read_value(reader);
    if (ascii_digit(peek(reader)))
        read_keyword(reader);
    if (peek(reader) && peek(reader) != ';')
        break_off(reader);
    return id;
}

int auth_results_parse(struct str value, struct arena *arena, struct auth_results *results)
{
    struct reader reader = {.rest = value, .arena = arena};
    struct auth_results_item *items =
        arena_array(arena, struct auth_results_item, AUTH_RESULTS_ITEMS_MAX);
    *results = (struct auth_results){.items = items};
    results->authserv_id = read_authserv_id(&reader);
    while (take(&reader, ';') && peek(&reader)) {
        if (results->count == AUTH_RESULTS_ITEMS_MAX)
            return -EINVAL;
        if (read_item(&reader, &items[results->count]))
            results->count++;
        else if (results->count)
            return -EINVAL;
    }
    return reader.is_broken || reader.rest.length ? -EINVAL : 0;
}

enum auth_result auth_results_of(const struct auth_results *results, struct str method)
{
    enum auth_result result;
    for (size_t i = 0; i < results->count; i++)
        if (str_equal_nocase(results->items[i].method, method) &&
            auth_result_from_name(results->items[i].result, &result))
            return result;
    return AUTH_NONE;
}

/* --- forged fields --- */

/* Also true when nobody can say whose it is. */
static bool may_be_taken_for_ours(struct str value, struct str authserv_id,
                                  struct arena *arena)
{
    struct reader reader = {.rest = value, .arena = arena};
    struct str id = read_authserv_id(&reader);
    if (reader.is_broken)
        return true;
    struct str normal;
    if (domain_normalize(id, arena, &normal) < 0) { /* "filter_3" may be somebody's */
        reader.rest = id;
        return read_run(&reader, is_token_byte).length < id.length || !utf8_is_ascii(id);
    }
    return str_equal(normal, authserv_id);
}

static bool is_forged(const struct header_field *field, struct str authserv_id,
                      struct arena *arena)
{
    if (str_starts_nocase(field->name, STR("X-Postern-")))
        return true;
    return str_equal_nocase(field->name, STR("Authentication-Results")) &&
           may_be_taken_for_ours(field->value, authserv_id, arena);
}

struct range_list {
    struct str *ranges;
    size_t count, capacity;
    struct arena *arena;
};

static void add_range(struct range_list *list, struct str range)
{
    if (list->count == list->capacity) {
        size_t wider = list->capacity ? list->capacity * 2 : RANGES_FIRST;
        struct str *ranges = arena_array(list->arena, struct str, wider);
        if (list->count)
            memcpy(ranges, list->ranges, list->count * sizeof *ranges);
        list->ranges = ranges;
        list->capacity = wider;
    }
    list->ranges[list->count++] = range;
}

static void add_forged(const struct header *header, struct str authserv_id,
                       struct range_list *list)
{
    for (size_t i = 0; i < header->count; i++)
        if (is_forged(&header->fields[i], authserv_id, list->arena))
            add_range(list, header->fields[i].whole);
}

size_t auth_results_forged(struct str raw, const struct header *header,
                           struct str authserv_id, struct arena *arena, struct str **ranges)
{
    struct range_list list = {.arena = arena};
    struct str normal;
    if (domain_normalize(authserv_id, arena, &normal) == 0)
        authserv_id = normal;
    struct header part = *header;
    add_forged(&part, authserv_id, &list);
    struct str section = str_part(raw, 0, header->body_offset);
    while (part.count == HEADER_FIELDS_MAX) {
        struct str last = part.fields[part.count - 1].whole;
        section = str_from(section, (size_t)(last.at + last.length - section.at));
        header_parse(section, arena, &part);
        add_forged(&part, authserv_id, &list);
    }
    *ranges = list.ranges;
    return list.count;
}

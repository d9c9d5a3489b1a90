/* One pass over the list, strict by the ABNF that stands above each part; octets above 127 are VALCHARs too
 * (RFC 8616 section 3). */
#include "tag_list.h"

#include <errno.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Of the line end at `at`; 0 if none is there. */
static size_t line_end_bytes(struct str text, size_t at)
{
    if (at == text.length)
        return 0;
    if (text.at[at] == '\n')
        return 1;
    return text.at[at] == '\r' && at + 1 < text.length && text.at[at + 1] == '\n' ? 2 : 0;
}

/* Length of the folding white space at the start of `text`, or -EINVAL where a line end is no folding.
 *     FWS = [*WSP CRLF] 1*WSP, any number of them, since unfolding may join lines */
static ptrdiff_t fws_bytes(struct str text)
{
    size_t at = 0;
    for (;;) {
        while (at < text.length && is_blank(text.at[at]))
            at++;
        size_t line_end = line_end_bytes(text, at);
        if (!line_end)
            return (ptrdiff_t)at;
        at += line_end;
        if (at == text.length || !is_blank(text.at[at]))
            return -EINVAL;
    }
}

static int skip_fws(struct str *rest)
{
    ptrdiff_t bytes = fws_bytes(*rest);
    if (bytes < 0)
        return -EINVAL;
    *rest = str_from(*rest, (size_t)bytes);
    return 0;
}

/* VALCHAR = %x21-3A / %x3C-7E ; EXCLAMATION to TILDE except SEMICOLON */
static bool is_valchar(char c)
{
    return (unsigned char)c > 0x20 && c != 0x7F && c != ';';
}

/* tag-name = ALPHA *ALNUMPUNC */
static struct str take_name(struct str *rest)
{
    size_t length = 0;
    while (length < rest->length &&
           (ascii_alpha(rest->at[length]) ||
            (length && (ascii_digit(rest->at[length]) || rest->at[length] == '_'))))
        length++;
    struct str name = str_part(*rest, 0, length);
    *rest = str_from(*rest, length);
    return name;
}

/* tag-value = [ tval *( 1*(WSP / FWS) tval ) ]   ; tval = 1*VALCHAR
 * with the FWS around it, to the next ";" or the end. */
static int take_value(struct str *rest, struct tag *tag)
{
    struct str text = *rest;
    size_t at = 0;
    while (at < text.length && text.at[at] != ';') {
        if (is_valchar(text.at[at])) {
            at++;
            continue;
        }
        ptrdiff_t blanks = fws_bytes(str_from(text, at));
        if (blanks <= 0)
            return -EINVAL;
        at += (size_t)blanks;
    }
    tag->raw = str_part(text, 0, at);
    tag->value = str_trim(tag->raw);
    *rest = str_from(text, at);
    return 0;
}

/* tag-spec = [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS] */
static int take_tag(struct str *rest, struct tag *tag)
{
    if (skip_fws(rest) < 0)
        return -EINVAL;
    tag->name = take_name(rest);
    if (!tag->name.length || skip_fws(rest) < 0 || !str_starts(*rest, STR("=")))
        return -EINVAL;
    *rest = str_from(*rest, 1);
    return take_value(rest, tag);
}

/* tag-list = tag-spec *( ";" tag-spec ) [ ";" ] */
static int take_list(struct str rest, struct tag_list *list)
{
    do {
        struct tag tag;
        if (list->count == TAG_LIST_MAX || take_tag(&rest, &tag) < 0 ||
            tag_list_find(list, tag.name))
            return -EINVAL;
        list->tags[list->count++] = tag;
        if (rest.length)
            rest = str_from(rest, 1); /* the ";" */
    } while (str_trim(rest).length);
    return 0;
}

int tag_list_parse(struct str text, struct tag_list *list)
{
    list->count = 0;
    int result = take_list(text, list);
    if (result < 0)
        list->count = 0;
    return result;
}

const struct tag *tag_list_find(const struct tag_list *list, struct str name)
{
    for (size_t i = 0; i < list->count; i++)
        if (str_equal(list->tags[i].name, name))
            return &list->tags[i];
    return NULL;
}

struct str tag_list_value(const struct tag_list *list, struct str name)
{
    const struct tag *tag = tag_list_find(list, name);
    return tag ? tag->value : STR("");
}

/* --- values --- */

bool tag_next_element(struct str *list, bool *is_done, struct str *element)
{
    if (*is_done)
        return false;
    *is_done = str_index(*list, ':') < 0;
    *element = str_trim(str_cut(list, ':'));
    return true;
}

bool tag_has_element(struct str list, struct str word)
{
    bool is_done = false;
    struct str element;
    while (tag_next_element(&list, &is_done, &element))
        if (str_equal_nocase(element, word))
            return true;
    return false;
}

bool tag_number(struct str value, uint64_t *number)
{
    bool is_over = false;
    *number = 0;
    for (size_t i = 0; i < value.length; i++) {
        if (!ascii_digit(value.at[i]))
            return false;
        is_over = is_over || __builtin_mul_overflow(*number, 10, number) ||
                  __builtin_add_overflow(*number, (uint64_t)(value.at[i] - '0'), number);
    }
    if (is_over)
        *number = UINT64_MAX;
    return value.length > 0;
}

/* Each digit's value and one, so that 0 is none. A table, since branches on what is as good as random cost more
 * than all else here. */
static const unsigned char base64_digits[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,
    ['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14,
    ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21,
    ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,
    ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35,
    ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
    ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49,
    ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63,
    ['/'] = 64,
};

static bool is_fws(char c)
{
    return is_blank(c) || c == '\r' || c == '\n';
}

int tag_base64(struct str value, struct arena *arena, struct str *bytes)
{
    char *out = arena_alloc(arena, value.length / 4 * 3 + 3);
    size_t digits = 0;
    size_t paddings = 0;
    size_t length = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < value.length; i++) {
        unsigned digit = base64_digits[(unsigned char)value.at[i]];
        if (digit && !paddings) {
            bits = bits << 6 | (digit - 1);
            digits++;
            out[length] = (char)(bits >> (6 - 2 * ((digits - 1) % 4)));
            length += digits % 4 != 1;
        } else if (value.at[i] == '=') {
            paddings++;
        } else if (!is_fws(value.at[i])) {
            return -EINVAL;
        }
    }
    if (paddings > 2 || (digits + paddings) % 4)
        return -EINVAL;
    *bytes = (struct str){out, length};
    return 0;
}

/* One pass over the list, strict by the ABNF that stands above each part; octets above 127 are VALCHARs too
 * (RFC 8616 section 3). */
#include "tag_list.h"

#include <errno.h>

#define IS_NOT_BASE64 (-1)

/* Length of the folding white space at the start of `text`, or -EINVAL where a line end is no folding.
 *     FWS = [*WSP CRLF] 1*WSP, any number of them, since unfolding may join lines */
static ptrdiff_t fws_bytes(struct str text)
{
    size_t at = 0;
    for (;; at++) {
        struct str rest = str_from(text, at);
        bool is_crlf = str_starts(rest, STR("\r\n"));
        if (is_crlf || str_starts(rest, STR("\n"))) {
            at += is_crlf ? 2 : 1;
            if (at == text.length || (text.at[at] != ' ' && text.at[at] != '\t'))
                return -EINVAL;
        } else if (!rest.length || (rest.at[0] != ' ' && rest.at[0] != '\t')) {
            return (ptrdiff_t)at;
        }
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
    while (rest->length && rest->at[0] != ';') {
        if (is_valchar(rest->at[0])) {
            *rest = str_from(*rest, 1);
            continue;
        }
        ptrdiff_t blanks = fws_bytes(*rest);
        if (blanks <= 0)
            return -EINVAL;
        *rest = str_from(*rest, (size_t)blanks);
    }
    tag->raw = str_part(text, 0, text.length - rest->length);
    tag->value = str_trim(tag->raw);
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

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : IS_NOT_BASE64;
}

static bool is_fws(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int tag_base64(struct str value, struct arena *arena, struct str *bytes)
{
    char *out = arena_alloc(arena, value.length / 4 * 3 + 3);
    size_t digits = 0;
    size_t paddings = 0;
    size_t length = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < value.length; i++) {
        int digit = base64_digit(value.at[i]);
        if (is_fws(value.at[i]))
            continue;
        if (value.at[i] == '=') {
            paddings++;
        } else if (digit == IS_NOT_BASE64 || paddings) {
            return -EINVAL;
        } else {
            bits = bits << 6 | (uint32_t)digit;
            digits++;
            if (digits % 4 != 1)
                out[length++] = (char)(bits >> (6 - 2 * ((digits - 1) % 4)));
        }
    }
    if (paddings > 2 || (digits + paddings) % 4)
        return -EINVAL;
    *bytes = (struct str){out, length};
    return 0;
}

/* RFC 5322 section 3.4, without the obsolete forms and without groups:
 *
 *   mailbox-list = mailbox *("," mailbox)
 *   mailbox      = name-addr / addr-spec
 *   name-addr    = [display-name] [CFWS] "<" addr-spec ">" [CFWS]
 *
 * Display names are passed over, so they may hold what real mail has in them (dots, raw UTF-8). */
#include "address_list.h"

#include <errno.h>

/* One mailbox of the list: its bracket is the addr-spec, or its words are. */
struct element {
    struct str words; /* from the first to the last byte that is no blank and no comment */
    struct str bracket;
};

/* The length of the quoted-string at the start of `s`; 0 when it does not end. */
static size_t quoted_bytes(struct str s)
{
    for (size_t i = 1; i < s.length; i++) {
        if (s.at[i] == '\\')
            i++;
        else if (s.at[i] == '"')
            return i + 1;
    }
    return 0;
}

/* The length of the comment, which may hold others, at the start of `s`; 0 when it does not end. */
static size_t comment_bytes(struct str s)
{
    size_t depth = 0;
    for (size_t i = 0; i < s.length; i++) {
        if (s.at[i] == '\\')
            i++;
        else if (s.at[i] == '(')
            depth++;
        else if (s.at[i] == ')' && --depth == 0)
            return i + 1;
    }
    return 0;
}

/* The length of "<…>" at the start of `s`; 0 when it does not end. */
static size_t bracket_bytes(struct str s)
{
    size_t i = 1;
    while (i < s.length && s.at[i] != '>') {
        size_t bytes = s.at[i] == '"' ? quoted_bytes(str_from(s, i)) : 1;
        if (bytes == 0)
            return 0;
        i += bytes;
    }
    return i < s.length ? i + 1 : 0;
}

static size_t read_word(struct str s, struct element *element)
{
    size_t bytes = 1;
    if (s.at[0] == '"')
        bytes = quoted_bytes(s);
    else if (s.at[0] == '[')
        bytes = (size_t)(str_index(s, ']') + 1);
    else if (s.at[0] == ':' || s.at[0] == ';' || s.at[0] == '>' || s.at[0] == ')')
        bytes = 0;
    if (!element->words.at)
        element->words.at = s.at;
    element->words.length = (size_t)(s.at + bytes - element->words.at);
    return bytes;
}

/* Reads what is at the start of `s` and no comma; returns its length, 0 when it is malformed. */
static size_t read_part(struct str s, struct element *element)
{
    if (str_trim(str_part(s, 0, 1)).length == 0)
        return 1;
    if (s.at[0] == '(')
        return comment_bytes(s);
    if (element->bracket.at)
        return 0;
    if (s.at[0] != '<')
        return read_word(s, element);
    size_t bytes = bracket_bytes(s);
    if (bytes)
        element->bracket = str_part(s, 1, bytes - 2);
    return bytes;
}

int address_list_parse(struct str value, struct arena *arena, struct mailbox mailboxes[],
                       size_t max)
{
    size_t count = 0;
    struct element element = {0};
    for (size_t bytes;; value = str_from(value, bytes)) {
        bool is_end = value.length == 0;
        bytes = 1;
        if (is_end || value.at[0] == ',') {
            struct str spec = element.bracket.at ? element.bracket : element.words;
            if (count == max || mailbox_parse(spec, arena, &mailboxes[count]) < 0)
                return -EINVAL;
            count++;
            element = (struct element){0};
        } else {
            bytes = read_part(value, &element);
        }
        if (is_end)
            return (int)count;
        if (bytes == 0)
            return -EINVAL;
    }
}

/* A view of bytes that somebody else owns; may hold NULs, is not NUL-terminated. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
    const char *at;
    size_t length;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
/* printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s)   (int)(s).length, (s).at

static inline struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

/* An empty view may have no address, to which nothing may be added. */
static inline struct str str_part(struct str s, size_t from, size_t length)
{
    return (struct str){from ? s.at + from : s.at, length};
}

static inline struct str str_from(struct str s, size_t from)
{
    return str_part(s, from, s.length - from);
}

bool str_equal(struct str a, struct str b);
/* ASCII letters compare without case; all other bytes exactly. */
bool str_equal_nocase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends_nocase(struct str s, struct str suffix);
/* Index of the first / last `byte`, or -1. */
ptrdiff_t str_index(struct str s, char byte);
ptrdiff_t str_last_index(struct str s, char byte);
/* Index of the first `needle`, or -1. */
ptrdiff_t str_find(struct str s, struct str needle);
/* True if a byte is above 127. */
bool str_has_8bit(struct str s);
/* Without spaces, tabs, CR and LF at both ends. */
struct str str_trim(struct str s);
/* Cuts *rest at the first `byte`: returns what stood before it and leaves what follows (all of it
 * and an empty view when there is none). */
struct str str_cut(struct str *rest, char byte);
/* A decimal number of at most 18 digits and nothing else; false otherwise. */
bool str_to_number(struct str s, unsigned long long *number);

/* ASCII only, whatever the locale. Inline, since they are asked about every byte that comes in. */
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline bool ascii_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_alnum(char c)
{
    return ascii_alpha(c) || ascii_digit(c);
}

#include "str.h"

bool str_equal(struct str a, struct str b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

bool str_equal_nocase(struct str a, struct str b)
{
    return a.length == b.length && str_starts_nocase(a, b);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.length >= prefix.length && str_equal(str_part(s, 0, prefix.length), prefix);
}

bool str_starts_nocase(struct str s, struct str prefix)
{
    if (s.length < prefix.length)
        return false;
    for (size_t i = 0; i < prefix.length; i++)
        if (ascii_lower(s.at[i]) != ascii_lower(prefix.at[i]))
            return false;
    return true;
}

bool str_ends_nocase(struct str s, struct str suffix)
{
    return s.length >= suffix.length &&
           str_starts_nocase(str_from(s, s.length - suffix.length), suffix);
}

ptrdiff_t str_index(struct str s, char byte)
{
    const char *found = s.length ? memchr(s.at, byte, s.length) : NULL;
    return found ? found - s.at : -1;
}

ptrdiff_t str_last_index(struct str s, char byte)
{
    const char *found = s.length ? memrchr(s.at, byte, s.length) : NULL;
    return found ? found - s.at : -1;
}

ptrdiff_t str_find(struct str s, struct str needle)
{
    const char *found = s.length ? memmem(s.at, s.length, needle.at, needle.length) : NULL;
    return found ? found - s.at : -1;
}

bool str_has_8bit(struct str s)
{
    unsigned char all = 0;
    for (size_t i = 0; i < s.length; i++)
        all |= (unsigned char)s.at[i];
    return all > 127;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.length && is_space(s.at[0]))
        s = str_from(s, 1);
    while (s.length && is_space(s.at[s.length - 1]))
        s.length--;
    return s;
}

struct str str_cut(struct str *rest, char byte)
{
    ptrdiff_t at = str_index(*rest, byte);
    struct str head = *rest;
    if (at < 0) {
        *rest = str_from(*rest, rest->length);
    } else {
        head.length = (size_t)at;
        *rest = str_from(*rest, (size_t)at + 1);
    }
    return head;
}

bool str_to_number(struct str s, unsigned long long *number)
{
    if (s.length == 0 || s.length > 18)
        return false;
    unsigned long long value = 0;
    for (size_t i = 0; i < s.length; i++) {
        if (!ascii_digit(s.at[i]))
            return false;
        value = value * 10 + (unsigned long long)(s.at[i] - '0');
    }
    *number = value;
    return true;
}

#include "utf8.h"

#include <stdint.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

bool utf8_is_ascii(struct str s)
{
    size_t i = 0;
    uint64_t word;
    for (; i + sizeof word <= s.length; i += sizeof word) {
        memcpy(&word, s.at + i, sizeof word);
        if (word & HIGH_BITS)
            return false;
    }
    for (; i < s.length; i++)
        if ((unsigned char)s.at[i] > 127)
            return false;
    return true;
}

/* RFC 3629 section 4: the lead byte fixes the length and the range of the second byte. */
static size_t lead_bytes(unsigned char lead, unsigned char *least, unsigned char *most)
{
    *least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

size_t utf8_character_bytes(struct str s)
{
    if (s.length == 0)
        return 0;
    const unsigned char *at = (const unsigned char *)s.at;
    unsigned char least, most;
    size_t bytes = lead_bytes(at[0], &least, &most);
    if (bytes > s.length || (bytes > 1 && (at[1] < least || at[1] > most)))
        return 0;
    for (size_t i = 2; i < bytes; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    return bytes;
}

bool utf8_is_valid(struct str s)
{
    if (utf8_is_ascii(s))
        return true;
    for (size_t bytes; s.length; s = str_from(s, bytes)) {
        bytes = utf8_character_bytes(s);
        if (bytes == 0)
            return false;
    }
    return true;
}

struct str utf8_cut(struct str s, size_t bytes_max)
{
    if (s.length <= bytes_max)
        return s;
    size_t bytes = bytes_max;
    while (bytes && ((unsigned char)s.at[bytes] & 0xC0) == 0x80)
        bytes--;
    return str_part(s, 0, bytes);
}

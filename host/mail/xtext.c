#include "xtext.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "mail/utf8.h"

#define HEXPOINT_DIGITS_MAX   6
#define POINT_MAX             0x10FFFF
#define REPLACEMENT_CHARACTER 0xFFFD

static int digit_of(char c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A number of hexadecimal digits and nothing else: -1 if it is none. */
static int32_t hexadecimal(struct str digits)
{
    int32_t number = 0;
    for (size_t i = 0; i < digits.length; i++) {
        int digit = digit_of(digits.at[i]);
        if (digit < 0)
            return -1;
        number = number * 16 + digit;
    }
    return digits.length ? number : -1;
}

/* xchar, and QCHAR but for the backslash: printable ASCII without "+" and "=". */
static bool is_plain(char c)
{
    return c > ' ' && c <= '~' && c != '+' && c != '=';
}

/* --- RFC 3461 section 4 ---
 *
 *     xtext   = *( xchar / hexchar )
 *     hexchar = "+" and exactly two hexadecimal digits
 */

int xtext_decode(struct str text, struct arena *arena, struct str *decoded)
{
    char *out = arena_alloc(arena, text.length + 1);
    size_t length = 0;
    while (text.length) {
        char byte = text.at[0];
        size_t taken = 1;
        if (byte == '+' && text.length >= 3) {
            int32_t number = hexadecimal(str_part(text, 1, 2));
            if (number < 0)
                return -EINVAL;
            byte = (char)number;
            taken = 3;
        } else if (!is_plain(byte)) {
            return -EINVAL;
        }
        out[length++] = byte;
        text = str_from(text, taken);
    }
    *decoded = (struct str){out, length};
    return 0;
}

struct str xtext_encode(struct str bytes, struct arena *arena)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_alloc_array(arena, bytes.length + 1, strlen("+XX"));
    size_t length = 0;
    for (size_t i = 0; i < bytes.length; i++) {
        unsigned char byte = (unsigned char)bytes.at[i];
        if (is_plain(bytes.at[i])) {
            out[length++] = bytes.at[i];
            continue;
        }
        out[length++] = '+';
        out[length++] = digits[byte >> 4];
        out[length++] = digits[byte & 15];
    }
    return (struct str){out, length};
}

/* --- RFC 6533 section 3 ---
 *
 *     utf-8-addr-xtext    = 1*(QCHAR / EmbeddedUnicodeChar)
 *     utf-8-addr-unitext  = 1*(QCHAR / UTF8-2 / UTF8-3 / UTF8-4 / EmbeddedUnicodeChar)
 *     EmbeddedUnicodeChar = "\x{" HEXPOINT "}"
 */

/* The UTF-8 of a code point; one that is none (a surrogate) is found by who looks at the whole. */
static size_t write_point(uint32_t point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t bytes = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = bytes - 1; i > 0; i--, point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3F));
    out[0] = (char)((0xF00U >> bytes & 0xF0U) | point);
    return bytes;
}

static uint32_t read_point(struct str character)
{
    unsigned char lead = (unsigned char)character.at[0];
    if (character.length == 1)
        return lead;
    uint32_t point = lead & (0x7FU >> character.length);
    for (size_t i = 1; i < character.length; i++)
        point = point << 6 | ((unsigned char)character.at[i] & 0x3FU);
    return point;
}

/* The bytes of the EmbeddedUnicodeChar at the start of the text, and its code point: 0 if there is none. */
static size_t embedded_point(struct str text, uint32_t *point)
{
    if (!str_starts(text, STR("\\x{")))
        return 0;
    struct str digits = str_from(text, 3);
    ptrdiff_t end = str_index(digits, '}');
    if (end < 2 || end > HEXPOINT_DIGITS_MAX)
        return 0;
    int32_t number = hexadecimal(str_part(digits, 0, (size_t)end));
    if (number < 0 || number > POINT_MAX)
        return 0;
    *point = (uint32_t)number;
    return 3 + (size_t)end + 1;
}

int xtext_decode_utf8(struct str text, struct arena *arena, struct str *decoded)
{
    /* "\x{10}" is longer than the UTF-8 of any code point */
    char *out = arena_alloc(arena, text.length + 1);
    size_t length = 0;
    while (text.length) {
        uint32_t point;
        size_t taken = 1;
        if (text.at[0] == '\\') {
            taken = embedded_point(text, &point);
            if (taken == 0)
                return -EINVAL;
            length += write_point(point, out + length);
        } else if (is_plain(text.at[0]) || (unsigned char)text.at[0] > 127) {
            out[length++] = text.at[0];
        } else {
            return -EINVAL;
        }
        text = str_from(text, taken);
    }
    *decoded = (struct str){out, length};
    return utf8_is_valid(*decoded) ? 0 : -EINVAL;
}

struct str xtext_encode_utf8(struct str text, struct arena *arena)
{
    static const size_t longest = sizeof "\\x{10FFFF}";
    char *out = arena_alloc_array(arena, text.length + 1, longest);
    size_t length = 0;
    while (text.length) {
        size_t bytes = utf8_character_bytes(text);
        uint32_t point =
            bytes ? read_point(str_part(text, 0, bytes)) : REPLACEMENT_CHARACTER;
        if (is_plain(text.at[0]) && text.at[0] != '\\')
            out[length++] = text.at[0];
        else
            length += (size_t)snprintf(out + length, longest, "\\x{%02" PRIX32 "}", point);
        text = str_from(text, bytes ? bytes : 1);
    }
    return (struct str){out, length};
}

#include "transfer.h"

#include <stdint.h>

/* --- base64 --- */

enum { OTHER = 64, BLANK, PAD };

static uint8_t classes[256];

static void fill_classes(void)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    memset(classes, OTHER, sizeof classes);
    for (uint8_t i = 0; i < 64; i++)
        classes[(unsigned char)alphabet[i]] = i;
    classes[' '] = classes['\t'] = classes['\r'] = classes['\n'] = BLANK;
    classes['='] = PAD;
}

struct group {
    uint32_t bits;
    unsigned digits;
};

static size_t flush_group(struct group *group, char *out)
{
    size_t bytes = group->digits * 6 / 8;
    uint32_t bits = group->bits << (4 - group->digits) * 6;
    for (size_t i = 0; i < bytes; i++)
        out[i] = (char)(bits >> (16 - 8 * i));
    *group = (struct group){0};
    return bytes;
}

/* As long as it goes four digits at a time; returns how many digits that were. */
static size_t decode_quads(struct str digits, char *out)
{
    size_t at = 0;
    for (; at + 4 <= digits.length; at += 4) {
        const unsigned char *quad = (const unsigned char *)digits.at + at;
        uint32_t a = classes[quad[0]], b = classes[quad[1]];
        uint32_t c = classes[quad[2]], d = classes[quad[3]];
        if ((a | b | c | d) >= OTHER)
            break;
        uint32_t bits = a << 18 | b << 12 | c << 6 | d;
        *out++ = (char)(bits >> 16);
        *out++ = (char)(bits >> 8);
        *out++ = (char)bits;
    }
    return at;
}

/* Padding ends a group but not the text: some join encoded pieces. */
size_t transfer_decode_base64(struct str encoded, char *out, bool *is_broken)
{
    if (!classes['='])
        fill_classes();
    struct group group = {0};
    size_t length = 0;
    for (size_t i = 0; i < encoded.length; i++) {
        if (!group.digits) {
            size_t digits = decode_quads(str_from(encoded, i), out + length);
            length += digits / 4 * 3;
            i += digits;
            if (i == encoded.length)
                break;
        }
        uint8_t digit = classes[(unsigned char)encoded.at[i]];
        if (digit < 64) {
            group.bits = group.bits << 6 | digit;
            if (++group.digits == 4)
                length += flush_group(&group, out + length);
        } else if (digit == PAD && group.digits) {
            *is_broken |= group.digits == 1;
            length += flush_group(&group, out + length);
        } else if (digit == OTHER) {
            *is_broken = true;
        }
    }
    *is_broken |= group.digits != 0;
    return length + flush_group(&group, out + length);
}

/* --- quoted-printable --- */

static int digit_of(char c)
{
    c = ascii_lower(c);
    if (ascii_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The length of the line at `from`, its LF included; *text_bytes: without its end and the blanks in front
 * of that, which transport has added. */
static size_t line_bytes(struct str rest, size_t *text_bytes)
{
    const char *end = memchr(rest.at, '\n', rest.length);
    size_t length = end ? (size_t)(end - rest.at) + 1 : rest.length;
    size_t text = end ? length - 1 : length;
    if (end && text && rest.at[text - 1] == '\r')
        text--;
    while (text && (rest.at[text - 1] == ' ' || rest.at[text - 1] == '\t'))
        text--;
    *text_bytes = text;
    return length;
}

/* One line without its end; false if it ends with a soft line break. */
static bool decode_line(struct str line, char *out, size_t *length, bool *is_broken)
{
    for (size_t i = 0; i < line.length; i++) {
        char byte = line.at[i];
        if (byte == '=' && i + 1 == line.length)
            return false;
        int high = byte == '=' && i + 2 < line.length ? digit_of(line.at[i + 1]) : -1;
        int low = high < 0 ? -1 : digit_of(line.at[i + 2]);
        if (low >= 0) {
            byte = (char)(high * 16 + low);
            i += 2;
        } else if (byte == '=') {
            *is_broken = true;
        }
        out[(*length)++] = byte;
    }
    return true;
}

size_t transfer_decode_quoted_printable(struct str encoded, char *out, bool *is_broken)
{
    size_t length = 0;
    while (encoded.length) {
        size_t text_bytes;
        size_t bytes = line_bytes(encoded, &text_bytes);
        struct str line = str_part(encoded, 0, text_bytes);
        bool has_end = encoded.at[bytes - 1] == '\n';
        bool has_cr = has_end && bytes > 1 && encoded.at[bytes - 2] == '\r';
        if (decode_line(line, out, &length, is_broken) && has_end) {
            if (has_cr)
                out[length++] = '\r';
            out[length++] = '\n';
        }
        encoded = str_from(encoded, bytes);
    }
    return length;
}

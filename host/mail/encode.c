#include "encode.h"

#include <errno.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "mail/utf8.h"

#define LINE_BYTES_MAX  998
#define QP_LINE_MAX     76
/* So that the first one fits beside "Subject: ". A multiple of 3: no padding but at the end. */
#define WORD_TEXT_BYTES 42

static size_t line_text_bytes(struct str text)
{
    size_t end = 0;
    while (end < text.length && text.at[end] != '\r' && text.at[end] != '\n')
        end++;
    return end;
}

int encode_lines(struct str text, struct buf *out)
{
    while (text.length) {
        struct str line = str_part(text, 0, line_text_bytes(text));
        if (buf_append(out, line) < 0 || buf_append(out, STR("\r\n")) < 0)
            return -ENOBUFS;
        text = str_from(text, line.length);
        if (text.length)
            text = str_from(text, str_starts(text, STR("\r\n")) ? 2 : 1);
    }
    return 0;
}

bool encode_is_7bit(struct str text)
{
    while (text.length) {
        struct str line = str_cut(&text, '\n');
        if (line.length > LINE_BYTES_MAX + 1)
            return false;
        for (size_t i = 0; i < line.length; i++) {
            char c = line.at[i];
            if ((c < ' ' && c != '\t' && c != '\r') || c > '~')
                return false;
        }
    }
    return true;
}

/* --- quoted-printable --- */

/* One line at a time, so that a byte costs no call. */
struct qp_line {
    char text[QP_LINE_MAX + 2];
    size_t length;
    struct buf *out;
};

static int end_line(struct qp_line *line, struct str ending)
{
    int result = buf_append(line->out, (struct str){line->text, line->length});
    line->length = 0;
    return result ? result : buf_append(line->out, ending);
}

/* RFC 2045 section 6.7: a blank at the end of a line is written out too. */
static bool is_literal(unsigned char byte, bool is_last)
{
    if (byte == ' ' || byte == '\t')
        return !is_last;
    return byte > ' ' && byte <= '~' && byte != '=';
}

static int put_byte(struct qp_line *line, unsigned char byte, bool is_last)
{
    bool literal = is_literal(byte, is_last);
    size_t bytes = literal ? 1 : 3;
    /* The last place of a line is for the "=" of a soft line break. */
    if (line->length + bytes > QP_LINE_MAX - 1 && end_line(line, STR("=\r\n")) < 0)
        return -ENOBUFS;
    char *at = line->text + line->length;
    at[0] = literal ? (char)byte : '=';
    if (!literal) {
        at[1] = "0123456789ABCDEF"[byte >> 4];
        at[2] = "0123456789ABCDEF"[byte & 15];
    }
    line->length += bytes;
    return 0;
}

int encode_quoted_printable(struct str text, struct buf *out)
{
    struct qp_line line = {.out = out};
    for (size_t i = 0; i < text.length; i++) {
        bool is_crlf = text.at[i] == '\r' && i + 1 < text.length && text.at[i + 1] == '\n';
        bool is_last = i + 1 == text.length || text.at[i + 1] == '\r';
        if (is_crlf ? end_line(&line, STR("\r\n"))
                    : put_byte(&line, (unsigned char)text.at[i], is_last))
            return -ENOBUFS;
        i += is_crlf;
    }
    return end_line(&line, STR(""));
}

/* --- base64 --- */

#define BASE64_LINE_BYTES 57 /* that make 76 */

size_t encode_base64_lines(struct str bytes, char *lines)
{
    size_t length = 0;
    while (bytes.length) {
        size_t count = bytes.length < BASE64_LINE_BYTES ? bytes.length : BASE64_LINE_BYTES;
        length += (size_t)EVP_EncodeBlock((unsigned char *)lines + length,
                                          (const unsigned char *)bytes.at, (int)count);
        lines[length++] = '\r';
        lines[length++] = '\n';
        bytes = str_from(bytes, count);
    }
    return length;
}

/* --- encoded words --- */

/* As many whole characters as go into one word. */
static size_t word_text_bytes(struct str text)
{
    size_t bytes = 0;
    while (bytes < text.length) {
        size_t character = utf8_character_bytes(str_from(text, bytes));
        if (bytes + character > WORD_TEXT_BYTES || character == 0)
            break;
        bytes += character;
    }
    return bytes;
}

int encode_words(struct str text, struct buf *out)
{
    struct str blank = STR("");
    while (text.length) {
        size_t bytes = word_text_bytes(text);
        invariant(bytes > 0, "encode: words of what is no UTF-8");
        unsigned char base64[WORD_TEXT_BYTES / 3 * 4 + 1];
        int length = EVP_EncodeBlock(base64, (const unsigned char *)text.at, (int)bytes);
        if (buf_printf(out, "%.*s=?utf-8?B?%.*s?=", STR_ARG(blank), length,
                       (const char *)base64) < 0)
            return -ENOBUFS;
        blank = STR(" ");
        text = str_from(text, bytes);
    }
    return 0;
}

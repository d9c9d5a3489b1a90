/*     size --CR--> size LF --LF--> data --all of it--> data CR --CR--> data LF --LF--> size
 *      | ;           |                                                                  ^
 *      v             `-- size 0: trailer -- empty line: end                             |
 *     extension --CR--^  */
#include "net/http_chunked.h"

#include <errno.h>

#define SIZE_DIGITS_MAX 15
#define SPARE_BYTES_MAX 8192

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_LF, END_LF, END };

static int digit_of(char c)
{
    if (ascii_digit(c))
        return c - '0';
    char lower = ascii_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static int take_size(struct http_chunked *chunked, char c)
{
    int digit = digit_of(c);
    if (digit >= 0 && chunked->size_digits < SIZE_DIGITS_MAX) {
        chunked->left = chunked->left * 16 + (uint64_t)digit;
        chunked->size_digits++;
        return SIZE;
    }
    if (chunked->size_digits == 0 || digit >= 0)
        return -EBADMSG;
    return c == '\r' ? SIZE_LF : c == ';' || c == ' ' || c == '\t' ? EXTENSION : -EBADMSG;
}

/* In an extension or a trailer: the state that follows, or the same one. */
static int take_spare(struct http_chunked *chunked, char c, int at_cr)
{
    if (++chunked->spare_bytes > SPARE_BYTES_MAX)
        return -EBADMSG;
    if (c == '\r')
        return at_cr;
    return ((unsigned char)c < ' ' && c != '\t') || c == 127 ? -EBADMSG : chunked->state;
}

static int take_trailer(struct http_chunked *chunked, char c)
{
    if (c == '\r' && chunked->line_bytes == 0)
        return END_LF;
    chunked->line_bytes++;
    return take_spare(chunked, c, TRAILER_LF);
}

static int begin_data(struct http_chunked *chunked)
{
    chunked->size_digits = 0;
    chunked->line_bytes = 0;
    return chunked->left ? DATA : TRAILER;
}

/* The state after this byte, or -EBADMSG. */
static int take_byte(struct http_chunked *chunked, char c)
{
    switch (chunked->state) {
    case SIZE:
        return take_size(chunked, c);
    case EXTENSION:
        return take_spare(chunked, c, SIZE_LF);
    case SIZE_LF:
        return c == '\n' ? begin_data(chunked) : -EBADMSG;
    case DATA_CR:
        return c == '\r' ? DATA_LF : -EBADMSG;
    case DATA_LF:
        return c == '\n' ? SIZE : -EBADMSG;
    case TRAILER:
        return take_trailer(chunked, c);
    case TRAILER_LF:
        chunked->line_bytes = 0;
        return c == '\n' ? TRAILER : -EBADMSG;
    default: /* END_LF */
        return c == '\n' ? END : -EBADMSG;
    }
}

static int take_data(struct http_chunked *chunked, struct str *input, struct buf *body)
{
    size_t length = input->length < chunked->left ? input->length : (size_t)chunked->left;
    if (buf_append(body, str_part(*input, 0, length)) < 0)
        return -ENOBUFS;
    *input = str_from(*input, length);
    chunked->left -= length;
    if (chunked->left == 0)
        chunked->state = DATA_CR;
    return 0;
}

int http_chunked_take(struct http_chunked *chunked, struct str *input, struct buf *body)
{
    while (input->length && chunked->state != END) {
        if (chunked->state == DATA) {
            if (take_data(chunked, input, body) < 0)
                return -ENOBUFS;
            continue;
        }
        int next = take_byte(chunked, input->at[0]);
        if (next < 0)
            return next;
        chunked->state = next;
        *input = str_from(*input, 1);
    }
    return chunked->state == END;
}

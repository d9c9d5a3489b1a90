/* What MIME makes of bytes for transport: line ends, quoted-printable (RFC 2045), encoded words
 * (RFC 2047). All return 0 or -ENOBUFS. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* Each LF or CR alone becomes CRLF, and the last line gets one if it has none. */
int encode_lines(struct str text, struct buf *out);

/* True if `text`, with CRLF line ends, is ASCII without control bytes in lines of at most 998. */
bool encode_is_7bit(struct str text);

/* `text` has CRLF line ends; the result's lines are at most 76 bytes and "=" is only ever followed by two
 * hexadecimal digits or CRLF. */
int encode_quoted_printable(struct str text, struct buf *out);

/* `text` is valid UTF-8: encoded words with a blank between, none cutting a character. */
int encode_words(struct str text, struct buf *out);

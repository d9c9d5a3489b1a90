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

/* In lines of 76 bytes, each with its CRLF, into ENCODE_BASE64_BYTES(bytes.length) of room; returns how many
 * were written. */
#define ENCODE_BASE64_BYTES(length) (((length) / 57 + 1) * (76 + 2) + 1)
size_t encode_base64_lines(struct str bytes, char *lines);

/* `text` is valid UTF-8: encoded words with a blank between, none cutting a character. */
int encode_words(struct str text, struct buf *out);

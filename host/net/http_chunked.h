/* The chunked transfer coding (RFC 9112 section 7.1), taken apart as it comes. Extensions and trailers are read past, and
 * bounded: both are a client's to fill. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct http_chunked {
    int state;
    uint64_t left;      /* of the present chunk */
    size_t size_digits; /* of its size */
    size_t spare_bytes; /* extensions and trailers so far */
    size_t line_bytes;  /* of the present trailer */
};

/* Takes what it can of the input, which is consumed of `*input`, and appends the content to `body`. 1 at its end, 0 when more
 * is to come, -EBADMSG, or -ENOBUFS past the body's ceiling. A zeroed object begins. */
int http_chunked_take(struct http_chunked *chunked, struct str *input, struct buf *body);

/* The head of an HTTP/1.x request (RFC 9112): request line and fields. What could be read in two ways is refused (a bare LF,
 * a folded line, a blank before a colon, two lengths …): a proxy in front may read it in the other, and a request would be
 * smuggled past it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "net/http_field.h"

enum { HTTP_FIELDS_MAX = 200 };

/* How long the head at the beginning of the input is, its empty line included; 0 when there is more to come, -EBADMSG when
 * a line ends in another way than with CRLF. *line is where the last line begins that was looked at: 0 at first. */
ptrdiff_t http_head_length(struct str input, size_t *line);

struct http_head {
    struct str method,
        target; /* a token; the origin form: visible ASCII that begins with '/' */
    bool is_http10;
    struct http_field
        *fields; /* values are trimmed, and have no control character but the tab */
    size_t field_count;
    struct str host;           /* empty: HTTP/1.0 without one */
    unsigned long long length; /* of the body, as announced */
    bool is_chunked;
    bool wants_close;    /* the connection ends with the response */
    bool wants_continue; /* Expect: 100-continue */
};

/* 0, with the head in the arena; or the status that refuses it: 400, 417, 431, 501, 505. */
unsigned http_head_parse(struct str text, struct arena *arena, struct http_head *head);

/* The first field of this name, or NULL. */
const struct http_field *http_field_find(const struct http_field *fields, size_t count,
                                         struct str name);
/* RFC 9110 section 5.6.2. */
bool http_is_token(struct str text);
/* No control character but the tab. */
bool http_is_value(struct str text);

/* Whether a request is framed in one way only (RFC 9112): what two programs could read differently, one of them a proxy,
 * would let a client smuggle a request past the other. */
#pragma once

#include <stdbool.h>

#include "net/http_field.h"

/* 0, or the status that refuses it: 400, 501 (a transfer coding that is not chunked), 505. `target` and `version` are those
 * of the request line. */
unsigned http_framing_check(struct str method, struct str target, struct str version,
                            const struct http_field *fields, size_t field_count);

/* The length that a request has announced: 0 without one. Of fields that were checked. */
unsigned long long http_framing_length(const struct http_field *fields, size_t field_count);
bool http_framing_has_body(const struct http_field *fields, size_t field_count);

/* RFC 9110 section 5.6.2. */
bool http_framing_is_token(struct str text);
/* No control character but the tab. */
bool http_framing_is_value(struct str text);

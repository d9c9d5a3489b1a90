/* URLs of HTTP, read by libcurl's own parser: who decides by the parts of a URL whether it may be asked sees the same ones
 * as the client that asks it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define HTTP_URL_BYTES_MAX 8192

struct http_url {
    struct str text; /* in normal form, without its fragment; NUL-terminated */
    struct str host; /* a name in lower case, or an IP address without brackets */
    uint16_t port;
    bool is_https;
};

/* Reads `text`; when `base` is not NULL, relative to that (RFC 3986 section 5). In the arena. Returns 0, or -EINVAL with
 * what is wrong: not http or https, with a user or password, a name that is not ASCII. */
int http_url_parse(struct str text, const struct http_url *base, struct arena *arena,
                   struct http_url *url, struct err *err);
/* Same scheme, host and port. */
bool http_url_same_origin(const struct http_url *a, const struct http_url *b);

/* An HTTP client for tasks: libcurl's multi interface on the loop. Connections are kept and shared by all
 * requests of a client. http and https only, the peer's certificate verified; no redirects, no proxies, no
 * cookies, no compression. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "net/address.h"
#include "net/http_field.h"

struct http_client;

struct http_client *http_client_open(struct err *err);
/* When no request is under way any more. NULL is ignored. */
void http_client_close(struct http_client *client);

struct http_request {
    const char *method; /* "GET", "POST" … */
    const char *url;
    const struct http_field *fields; /* -EINVAL if a value has a control character in it */
    size_t field_count;
    struct str
        body; /* not copied: stays until the request returns; none with GET and HEAD */
    size_t response_bytes_max;
    /* The only address that is connected to, whatever the URL's host stands for; NULL: the system's resolver says. */
    const struct net_address *address;
    struct str roots;  /* PEM, not copied: trusted in place of the system's; empty: those */
    bool allows_http2; /* where the server offers it within TLS; else HTTP/1.1 */
};

struct http_response {
    unsigned status;
    struct str body;   /* in the arena, with a NUL behind it */
    struct str fields; /* in the arena: the header's lines with their ends */
};

/* Returns 0 with any status the server gave; else a negative errno value, with the reason in `err`: -EINVAL (a
 * URL or a field that is none), -EMSGSIZE (a body longer than the request allows), -ECONNREFUSED or -EIO (no
 * connection, no HTTP), -EACCES (a certificate that does not prove the peer), -ETIMEDOUT, -ECANCELED. */
int http_client_request(struct http_client *client, const struct http_request *request,
                        uint64_t deadline_ms, struct arena *arena,
                        struct http_response *response, struct err *err);

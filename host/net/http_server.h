/* An HTTP/1.1 server for tasks. A connection is a task, which answers one request after the other, so handlers wait as they
 * please; what a client sends is bounded in size and in time, all in all, not from byte to byte. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "net/address.h"
#include "net/http_head.h"
#include "net/tls.h"

#define HTTP_SERVER_HEADER_BYTES_MAX ((size_t)60 * 1024)

struct http_server_options {
    uint32_t connections_max; /* of this process; more are told so and closed */
    uint32_t connections_per_address_max;
    const struct net_block *proxies; /* their connections are many clients' */
    size_t proxy_count;
    uint32_t header_bytes_max; /* of a request, at most HTTP_SERVER_HEADER_BYTES_MAX: 431 */
    uint32_t body_bytes_max;   /* of a request: 413 */
    uint64_t memory_bytes_max; /* of all bodies: 503 */
    uint32_t header_timeout_ms; /* for a request's header, in all */
    uint32_t body_timeout_ms;   /* for its body, in all */
    uint32_t idle_timeout_ms;   /* for the next request of a connection */
};

/* Is it the address of one of the proxies? */
bool http_server_is_proxy(const struct http_server_options *options,
                          const struct net_address *address);

struct http_server_request {
    struct arena *arena; /* lives until the response is sent */
    const struct http_head *head;
    struct str body; /* once the request is whole */
    struct net_address peer;
    bool is_tls;
    uint64_t begun_ms;
    void *handler_state; /* the handler's own */
};

struct http_server_response {
    unsigned status; /* 200 to 599 */
    /* In the request's arena. What the connection is about (Content-Length, Connection …) is added by the server. */
    const struct http_field *fields;
    size_t field_count;
    struct str
        body; /* in the request's arena, or static; left out with HEAD, 204 and 304 */
};

/* May this be a field of a response? A token as its name that the server does not use itself, no control character in its
 * value. */
bool http_server_may_send(struct str name, struct str value);
#define HTTP_SERVER_FIELD_BYTES_MAX ((size_t)8192) /* of a response's fields in all */

struct http_server_handler {
    void *arg;
    /* The header is in: true to go on, or false with a response, before any body is read. Must not wait. */
    bool (*begin)(void *arg, struct http_server_request *request,
                  struct http_server_response *response);
    /* The whole request is in. May wait; the task is cancelled when a shut-down takes too long. */
    void (*answer)(void *arg, struct http_server_request *request,
                   struct http_server_response *response);
    /* Once for each request whose header could be read: the status it is answered with, also by the server itself; 0: the
     * client has gone before. Must not wait. */
    void (*end)(void *arg, const struct http_server_request *request, unsigned status);
};

struct http_server;

/* What options point to, and the handler, are borrowed until the server is closed or has other options; `tls` (may be NULL)
 * is kept. */
struct http_server *http_server_open(const struct http_server_options *options,
                                     struct tls_server *tls,
                                     const struct http_server_handler *handler);
/* For what comes from now on. */
void http_server_reconfigure(struct http_server *server,
                             const struct http_server_options *options,
                             struct tls_server *tls);
/* With TLS from the first byte if `is_tls`. */
int http_server_listen(struct http_server *server, const struct net_address *address,
                       bool is_tls, struct err *err);
/* On a bound socket that other processes hold too: this one's to close, whatever comes of it. */
int http_server_adopt(struct http_server *server, int socket, bool is_tls, struct err *err);
/* The address of the n-th listener; NULL past the last. */
const struct net_address *http_server_address(const struct http_server *server, size_t n);
/* Accepts no more, closes idle connections and lets requests under way finish: waits (in a task that is not cancelled)
 * until `deadline_ms`, then cancels the rest. */
void http_server_shut_down(struct http_server *server, uint64_t deadline_ms);
/* During http_server_shut_down: the deadline is now. */
void http_server_hasten(struct http_server *server);
/* After http_server_shut_down; NULL is ignored. */
void http_server_close(struct http_server *server);

/* Shared by http_server.c (listeners, who may connect, the way out), http_connection.c (one request after the other) and
 * http_response.c (what is written). */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "base/task.h"
#include "net/admission.h"
#include "net/http_server.h"
#include "net/listener.h"

struct http_listener {
    struct http_server *server;
    struct net_listener *socket; /* NULL: listens no more */
    struct net_address address;
    bool is_tls;
};

enum { HTTP_LISTENERS_MAX = 64 };

struct http_server {
    struct http_server_options options;
    struct tls_server *tls;
    const struct http_server_handler *handler;
    struct http_listener listeners[HTTP_LISTENERS_MAX];
    size_t listener_count;
    struct net_admission *admission;
    struct list connections;
    size_t connection_count;
    uint64_t memory_bytes;    /* of all bodies */
    struct task_signal ended; /* a connection */
    bool is_shutting_down, is_hastened;
};

/* A connection, while its task runs.
 *
 *     idle --a first byte--> head --begin--> body --> answering --> sending --> idle
 *                              `-- refused ----`-------------------^  `--> closed */
struct http_connection {
    struct list node;
    struct http_server *server;
    struct net_stream *stream;
    struct task *task;
    bool is_tls, is_idle;
    struct arena *arena; /* of the present request */
    struct http_head head;
    struct http_server_request request;
    struct http_server_response response;
    struct buf body;
    uint64_t held_bytes; /* of server->memory_bytes */
    bool is_last;        /* closes after the response */
    bool is_unread;      /* some of the request has not been read, and will not be */
};

/* The connection's task: until it ends. */
void http_connection_run(struct http_connection *connection);
/* The response's head. */
void http_response_write_head(const struct http_connection *connection, struct buf *out);

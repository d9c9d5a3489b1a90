/* Shared by http_server.c (listeners, connections, their time) and http_exchange.c (one request and its response). */
#pragma once

#include <microhttpd.h>

#include <uv.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/task.h"
#include "net/admission.h"
#include "net/http_server.h"

struct http_listener {
    uv_poll_t poll; /* libmicrohttpd's epoll, which holds socket and connections */
    uv_timer_t timer;
    unsigned open_handle_count;
    struct http_server *server;
    struct MHD_Daemon *daemon;
    int socket; /* -1: listens no more */
    bool is_adopted;
    struct net_address address;
};

enum { HTTP_LISTENERS_MAX = 64 };

struct http_server {
    struct http_server_options options;
    const struct http_server_handler *handler;
    struct http_listener *listeners[HTTP_LISTENERS_MAX];
    size_t listener_count;
    struct net_admission *admission;
    struct list connections; /* of struct http_connection */
    size_t connection_count;
    struct list whole;          /* of struct http_exchange: their tasks are to start */
    struct list answered;       /* of struct http_exchange whose tasks run */
    uint64_t memory_bytes;      /* of all bodies */
    struct task *keeper;        /* of time */
    struct task_signal changed; /* a connection has come or the last has gone */
    bool is_shutting_down, is_hastened;
};

struct http_connection {
    struct list node;
    struct http_server *server;
    struct http_listener *listener;
    struct net_address peer;
    int socket;
    uint64_t deadline_ms;
    struct http_exchange *exchange; /* NULL: between requests */
};

/* One request of a connection:
 *
 *     header --begin--> body --all of it--> whole --its task starts--> answering --its task ends--> answered --> sent
 *        `-- refused --------------------------------------------------------------------------------^
 *
 * While its task runs, the connection is suspended: libmicrohttpd does not look at it. */
struct http_exchange {
    struct list node; /* whole, answered */
    struct http_connection *connection;
    struct MHD_Connection *mhd;
    struct http_server_request request;
    struct http_server_response response;
    struct buf body;
    size_t held_bytes; /* of server->memory_bytes */
    struct task *task;
    bool has_header, is_refused, is_answered, is_told;
};

/* Libmicrohttpd's callbacks. */
void *http_exchange_begin(void *listener, const char *target, struct MHD_Connection *mhd);
enum MHD_Result http_exchange_go_on(void *listener, struct MHD_Connection *mhd,
                                    const char *url, const char *method,
                                    const char *version, const char *upload,
                                    size_t *upload_bytes, void **exchange);
void http_exchange_end(void *listener, struct MHD_Connection *mhd, void **exchange,
                       enum MHD_RequestTerminationCode why);

/* Starts the tasks of the requests that have become whole. Not within a call of libmicrohttpd. */
void http_exchange_start_tasks(struct http_server *server);

/* In the loop's next turn. Libmicrohttpd does not see by itself that a connection is resumed. */
void http_listener_wake(struct http_listener *listener);

struct http_connection *http_connection_of(struct MHD_Connection *mhd);

/* Listeners, who may connect, and the way out. */
#include "net/http_server.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/http_server_internal.h"
#include "net/stream.h"

/* --- connections --- */

bool http_server_is_proxy(const struct http_server_options *options,
                          const struct net_address *address)
{
    for (size_t i = 0; i < options->proxy_count; i++)
        if (net_block_contains(&options->proxies[i], address))
            return true;
    return false;
}

static bool admit(const struct http_server *server, const struct net_address *peer)
{
    const struct http_server_options *options = &server->options;
    size_t per_address_max = http_server_is_proxy(options, peer)
                                 ? SIZE_MAX
                                 : options->connections_per_address_max;
    return !server->is_shutting_down &&
           net_admission_ask(server->admission, options->connections_max, per_address_max,
                             peer) == NET_ADMITTED;
}

static int shake_hands(struct http_connection *connection)
{
    struct err err = {0};
    if (!connection->is_tls)
        return 0;
    task_stage("TLS handshake");
    struct tls_server *tls = tls_server_keep(connection->server->tls);
    uint64_t deadline_ms = task_in_ms(connection->server->options.header_timeout_ms);
    connection->is_idle = true;
    int result = net_stream_tls_accept_implicit(connection->stream, tls, deadline_ms, &err);
    tls_server_release(tls);
    return result;
}

static void serve(struct http_listener *listener, struct net_stream *stream)
{
    struct http_server *server = listener->server;
    struct net_address peer = *net_stream_peer(stream);
    struct http_connection connection = {.server = server,
                                         .stream = stream,
                                         .task = task_current(),
                                         .is_tls = listener->is_tls};
    net_admission_enter(server->admission, &peer);
    list_append(&server->connections, &connection.node);
    server->connection_count++;
    if (shake_hands(&connection) == 0)
        http_connection_run(&connection);
    list_remove(&connection.node);
    net_admission_leave(server->admission, &peer);
    net_stream_close(stream);
    server->connection_count--;
    task_signal_raise_all(&server->ended);
}

static void on_connection(struct net_stream *stream, void *arg)
{
    struct http_listener *listener = arg;
    if (admit(listener->server, net_stream_peer(stream))) {
        serve(listener, stream);
        return;
    }
    if (!listener->is_tls)
        net_stream_write_now(stream, STR("HTTP/1.1 503 Service Unavailable\r\n"
                                         "Content-Length: 0\r\nConnection: close\r\n\r\n"));
    net_stream_close(stream);
}

/* --- listeners --- */

static int add_listener(struct http_server *server, const struct net_address *address,
                        int socket, bool is_tls, struct err *err)
{
    struct http_listener *listener = &server->listeners[server->listener_count];
    invariant(server->listener_count < HTTP_LISTENERS_MAX, "http: too many listeners");
    if (is_tls && !server->tls)
        return err_set(err, -EINVAL, "http: `tls: true` needs a certificate");
    listener->server = server;
    listener->is_tls = is_tls;
    listener->socket =
        address
            ? net_listener_open(address, "http connection", on_connection, listener, err)
            : net_listener_adopt(socket, "http connection", on_connection, listener, err);
    if (!listener->socket)
        return err->code;
    listener->address = *net_listener_address(listener->socket);
    server->listener_count++;
    return 0;
}

int http_server_listen(struct http_server *server, const struct net_address *address,
                       bool is_tls, struct err *err)
{
    return add_listener(server, address, -1, is_tls, err);
}

int http_server_adopt(struct http_server *server, int socket, bool is_tls, struct err *err)
{
    return add_listener(server, NULL, socket, is_tls, err);
}

const struct net_address *http_server_address(const struct http_server *server, size_t n)
{
    return n < server->listener_count ? &server->listeners[n].address : NULL;
}

static void stop_listening(struct http_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        if (server->listeners[i].socket)
            net_listener_close(server->listeners[i].socket);
        server->listeners[i].socket = NULL;
    }
}

/* --- the server --- */

struct http_server *http_server_open(const struct http_server_options *options,
                                     struct tls_server *tls,
                                     const struct http_server_handler *handler)
{
    struct http_server *server = mem_zero(1, sizeof *server);
    server->options = *options;
    server->tls = tls ? tls_server_keep(tls) : NULL;
    server->handler = handler;
    server->admission = net_admission_new();
    list_init(&server->connections);
    return server;
}

/* Who listens with TLS must have a certificate: without a new one, the old one stays. */
void http_server_reconfigure(struct http_server *server,
                             const struct http_server_options *options,
                             struct tls_server *tls)
{
    server->options = *options;
    if (!tls)
        return;
    if (server->tls)
        tls_server_release(server->tls);
    server->tls = tls_server_keep(tls);
}

static void cancel_connections(struct http_server *server, bool also_under_way)
{
    list_foreach (node, &server->connections) {
        struct http_connection *connection = list_entry(node, struct http_connection, node);
        if (also_under_way || connection->is_idle)
            task_cancel(connection->task);
    }
}

void http_server_hasten(struct http_server *server)
{
    server->is_hastened = true;
    task_signal_raise_all(&server->ended);
}

void http_server_shut_down(struct http_server *server, uint64_t deadline_ms)
{
    int result = 0;
    server->is_shutting_down = true;
    stop_listening(server);
    cancel_connections(server, false);
    while (server->connection_count && result == 0 && !server->is_hastened)
        result = task_signal_wait(&server->ended, deadline_ms);
    cancel_connections(server, true);
    while (server->connection_count) {
        result = task_signal_wait(&server->ended, TASK_FOREVER);
        invariant(result == 0, "http: a shut-down was cancelled");
    }
}

void http_server_close(struct http_server *server)
{
    if (!server)
        return;
    invariant(server->connection_count == 0, "http: server closed with connections");
    stop_listening(server);
    net_admission_free(server->admission);
    if (server->tls)
        tls_server_release(server->tls);
    free(server);
}

/* Libmicrohttpd has an epoll of its own, which the loop watches; it works in the loop's stack. Its time-out is for silence
 * only, so time is kept here: whoever has not done in time what his connection is about finds it shut.
 *
 * Invariants: libmicrohttpd's callbacks wake nobody and start nothing; that is done when the call into it has returned. A
 * connection is suspended exactly as long as a task answers its request. */
#include "net/http_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/http_framing.h"
#include "net/http_server_internal.h"
#include "net/listening_socket.h"

#define LATE_MS             250                 /* that a deadline is found out late */
#define RESPONSE_HEAD_BYTES ((size_t)16 * 1024) /* of a connection's memory */

/* --- connections --- */

struct http_connection *http_connection_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static bool is_proxy(const struct http_server *server, const struct net_address *peer)
{
    for (size_t i = 0; i < server->options.proxy_count; i++)
        if (net_block_contains(&server->options.proxies[i], peer))
            return true;
    return false;
}

static enum MHD_Result admit(void *arg, const struct sockaddr *socket, socklen_t length)
{
    const struct http_listener *listener = arg;
    const struct http_server *server = listener->server;
    (void)length;
    struct net_address peer = {0};
    net_address_from_socket(socket, &peer);
    size_t per_address_max =
        is_proxy(server, &peer) ? SIZE_MAX : server->options.connections_per_address_max;
    return !server->is_shutting_down &&
                   net_admission_ask(server->admission, server->options.connections_max,
                                     per_address_max, &peer) == NET_ADMITTED
               ? MHD_YES
               : MHD_NO;
}

static void connection_open(struct http_listener *listener, struct MHD_Connection *mhd,
                            void **context)
{
    struct http_server *server = listener->server;
    struct http_connection *connection = mem_zero(1, sizeof *connection);
    connection->server = server;
    connection->listener = listener;
    net_address_from_socket(
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
        &connection->peer);
    connection->socket =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    connection->deadline_ms = task_in_ms(server->options.header_timeout_ms);
    net_admission_enter(server->admission, &connection->peer);
    list_append(&server->connections, &connection->node);
    server->connection_count++;
    *context = connection;
}

static void connection_close(struct http_server *server, struct http_connection *connection)
{
    net_admission_leave(server->admission, &connection->peer);
    list_remove(&connection->node);
    server->connection_count--;
    free(connection);
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_listener *listener = arg;
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        connection_open(listener, mhd, context);
    else if (*context)
        connection_close(listener->server, *context);
}

/* --- time --- */

/* Libmicrohttpd finds its peer gone, and ends it. */
static void connection_shut(struct http_connection *connection)
{
    connection->deadline_ms = TASK_FOREVER;
    shutdown(connection->socket, SHUT_RDWR);
}

static int keep_time(void *arg)
{
    struct http_server *server = arg;
    for (;;) {
        int result = server->connection_count
                         ? task_sleep(LATE_MS)
                         : task_signal_wait(&server->changed, TASK_FOREVER);
        if (result == -ECANCELED)
            return 0;
        task_stage("keeping the time of %zu connections", server->connection_count);
        list_foreach (node, &server->connections) {
            struct http_connection *connection =
                list_entry(node, struct http_connection, node);
            if (connection->deadline_ms <= task_now_ms())
                connection_shut(connection);
        }
    }
}

/* --- the loop --- */

static void on_timer(uv_timer_t *timer);

static void set_timer(struct http_listener *listener)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (MHD_get_timeout(listener->daemon, &timeout_ms) == MHD_YES)
        uv_timer_start(&listener->timer, on_timer, timeout_ms, 0);
    else
        uv_timer_stop(&listener->timer);
}

static void work(struct http_listener *listener)
{
    struct http_server *server = listener->server;
    size_t before = server->connection_count;
    MHD_run(listener->daemon);
    set_timer(listener);
    http_exchange_start_tasks(server);
    if (before != server->connection_count &&
        (before == 0 || server->connection_count == 0))
        task_signal_raise_all(&server->changed);
}

static void on_timer(uv_timer_t *timer)
{
    work(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    work(poll->data);
}

void http_listener_wake(struct http_listener *listener)
{
    uv_timer_start(&listener->timer, on_timer, 0, 0);
}

/* --- listeners --- */

static struct MHD_Daemon *start_daemon(struct http_listener *listener)
{
    const struct http_server_options *options = &listener->server->options;
    const struct MHD_OptionItem items[] = {
        {MHD_OPTION_LISTEN_SOCKET, listener->socket, NULL},
        /* One more than we admit, so that it is us who refuse. */
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)options->connections_max + 1, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT,
         (intptr_t)(options->header_bytes_max + RESPONSE_HEAD_BYTES), NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, 0, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, listener},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_exchange_end, listener},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)http_exchange_begin, listener},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, admit, listener,
                            http_exchange_go_on, listener, MHD_OPTION_ARRAY, items,
                            MHD_OPTION_END);
}

static void watch(struct http_listener *listener)
{
    int epoll_fd =
        MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int result = uv_poll_init(task_loop(), &listener->poll, epoll_fd);
    invariant(result == 0, "http: an epoll that cannot be watched");
    uv_timer_init(task_loop(), &listener->timer);
    listener->poll.data = listener->timer.data = listener;
    listener->open_handle_count = 2;
    uv_poll_start(&listener->poll, UV_READABLE, on_poll);
}

/* Takes over the socket, which listens. */
static int add_listener(struct http_server *server, int socket, bool is_adopted,
                        struct err *err)
{
    struct http_listener *listener = mem_zero(1, sizeof *listener);
    listener->server = server;
    listener->socket = socket;
    listener->is_adopted = is_adopted;
    if (server->listener_count < HTTP_LISTENERS_MAX)
        listener->daemon = start_daemon(listener);
    if (!listener->daemon) {
        close(socket);
        free(listener);
        return err_set(err, -ENOMEM, "libmicrohttpd does not start");
    }
    net_listening_socket_address(socket, &listener->address);
    watch(listener);
    server->listeners[server->listener_count++] = listener;
    return 0;
}

int http_server_listen(struct http_server *server, const struct net_address *address,
                       struct err *err)
{
    int socket = net_listening_socket_open(address, NET_SOCKET_ALONE, err);
    return socket < 0 ? socket : add_listener(server, socket, false, err);
}

int http_server_adopt(struct http_server *server, int socket, struct err *err)
{
    int result = net_listening_socket_listen(socket);
    if (result == 0)
        return add_listener(server, socket, true, err);
    close(socket);
    return err_set(err, result, "cannot listen: %s", strerror(-result));
}

static void stop_listening(struct http_listener *listener)
{
    if (listener->socket < 0)
        return;
    MHD_quiesce_daemon(listener->daemon);
    if (listener->is_adopted)
        net_listening_socket_stop(listener->socket);
    close(listener->socket);
    listener->socket = -1;
}

static void on_closed(uv_handle_t *handle)
{
    struct http_listener *listener = handle->data;
    if (--listener->open_handle_count == 0)
        free(listener);
}

static void close_listener(struct http_listener *listener)
{
    stop_listening(listener);
    uv_close((uv_handle_t *)&listener->poll, on_closed);
    uv_close((uv_handle_t *)&listener->timer, on_closed);
    MHD_stop_daemon(listener->daemon);
}

/* --- the server --- */

struct http_server *http_server_open(const struct http_server_options *options,
                                     const struct http_server_handler *handler)
{
    struct http_server *server = mem_zero(1, sizeof *server);
    server->options = *options;
    server->handler = handler;
    server->admission = net_admission_new();
    list_init(&server->connections);
    list_init(&server->whole);
    list_init(&server->answered);
    server->keeper = task_start("http time", keep_time, server);
    return server;
}

void http_server_reconfigure(struct http_server *server,
                             const struct http_server_options *options)
{
    server->options = *options;
}

const struct net_address *http_server_address(const struct http_server *server, size_t n)
{
    return n < server->listener_count ? &server->listeners[n]->address : NULL;
}

/* Those whose request is not in, or all. */
static void end_connections(struct http_server *server, bool also_under_way)
{
    list_foreach (node, &server->answered)
        if (also_under_way)
            task_cancel(list_entry(node, struct http_exchange, node)->task);
    list_foreach (node, &server->connections) {
        struct http_connection *connection = list_entry(node, struct http_connection, node);
        if (also_under_way || !connection->exchange || !connection->exchange->has_header)
            connection_shut(connection);
    }
}

void http_server_hasten(struct http_server *server)
{
    server->is_hastened = true;
    task_signal_raise_all(&server->changed);
}

void http_server_shut_down(struct http_server *server, uint64_t deadline_ms)
{
    int result = 0;
    server->is_shutting_down = true;
    for (size_t i = 0; i < server->listener_count; i++)
        stop_listening(server->listeners[i]);
    end_connections(server, false);
    while (server->connection_count && result == 0 && !server->is_hastened)
        result = task_signal_wait(&server->changed, deadline_ms);
    end_connections(server, true);
    while (server->connection_count) {
        result = task_signal_wait(&server->changed, TASK_FOREVER);
        invariant(result == 0, "http: a shut-down was cancelled");
    }
}

void http_server_close(struct http_server *server)
{
    if (!server)
        return;
    invariant(server->connection_count == 0, "http: server closed with connections");
    task_cancel(server->keeper);
    task_join(server->keeper);
    for (size_t i = 0; i < server->listener_count; i++)
        close_listener(server->listeners[i]);
    net_admission_free(server->admission);
    free(server);
}

/* --- what a response may say --- */

bool http_server_may_send(struct str name, struct str value)
{
    static const char *const ours[] = {
        "connection", "content-length",    "date",    "keep-alive", "te",
        "trailer",    "transfer-encoding", "upgrade", NULL};
    for (size_t i = 0; ours[i]; i++)
        if (str_equal_nocase(name, str_of(ours[i])))
            return false;
    return http_framing_is_token(name) && http_framing_is_value(value) &&
           str_index(value, '\t') < 0 && !str_starts_nocase(name, STR("proxy-"));
}

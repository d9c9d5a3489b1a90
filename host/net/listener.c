/* Accepts by itself (libuv's own way drops what waits when descriptors run out): everything pending at
 * each wake-up, and a pause when the process has no descriptor left, while clients wait in the backlog.
 *
 * The listener is freed when both its handles are closed; nothing is accepted after
 * net_listener_close(). */
#include "listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"
#include "listening_socket.h"

#include "base/mem.h"

#define PAUSE_MS 100

struct net_listener {
    uv_poll_t poll;
    uv_timer_t pause;
    int socket;
    unsigned open_handle_count;
    bool is_closed;
    bool is_adopted; /* others hold the socket too */
    struct net_address address;
    char *path; /* of a local listener, else NULL */
    const char *task_name;
    net_connection_fn *on_connection;
    void *arg;
};

/* --- accepting --- */

struct connection {
    struct net_stream *stream;
    net_connection_fn *run;
    void *arg;
};

static int run_connection(void *arg)
{
    struct connection connection = *(struct connection *)arg;
    free(arg);
    connection.run(connection.stream, connection.arg);
    return 0;
}

static struct net_stream *stream_of_socket(const struct net_listener *listener, int socket)
{
    struct net_stream *stream = listener->path ? stream_new_local() : stream_new_tcp();
    int result = listener->path ? uv_pipe_open(&stream->uv.pipe, socket)
                                : uv_tcp_open(&stream->uv.tcp, socket);
    if (result < 0)
        close(socket);
    else
        result = stream_start(stream);
    if (result == 0)
        return stream;
    net_stream_close(stream); /* the client has gone again */
    return NULL;
}

static void start_connection(const struct net_listener *listener, int socket)
{
    struct net_stream *stream = stream_of_socket(listener, socket);
    if (!stream)
        return;
    struct connection *connection = mem_alloc(sizeof *connection);
    *connection = (struct connection){stream, listener->on_connection, listener->arg};
    task_detach(task_start(listener->task_name, run_connection, connection));
}

static void on_pending(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    struct net_listener *listener = timer->data;
    uv_poll_start(&listener->poll, UV_READABLE, on_pending);
}

/* An error of one connection that has failed while it waited to be accepted. */
static bool concerns_one_connection(int error)
{
    return error == ECONNABORTED || error == EPROTO || error == EPERM || error == EINTR;
}

static void on_pending(uv_poll_t *poll, int status, int events)
{
    struct net_listener *listener = poll->data;
    (void)status;
    (void)events;
    while (!listener->is_closed) {
        int socket = accept4(listener->socket, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket >= 0) {
            start_connection(listener, socket);
        } else if (errno == EAGAIN) {
            return;
        } else if (!concerns_one_connection(errno)) {
            uv_poll_stop(&listener->poll);
            uv_timer_start(&listener->pause, on_pause_over, PAUSE_MS, 0);
            return;
        }
    }
}

/* --- opening and closing --- */

static struct net_listener *listener_of_socket(int socket, const char *task_name,
                                               net_connection_fn *on_connection, void *arg)
{
    struct net_listener *listener = mem_zero(1, sizeof *listener);
    listener->socket = socket;
    net_listening_socket_address(socket, &listener->address);
    listener->task_name = task_name;
    listener->on_connection = on_connection;
    listener->arg = arg;
    listener->poll.data = listener->pause.data = listener;
    uv_timer_init(task_loop(), &listener->pause);
    int result = uv_poll_init(task_loop(), &listener->poll, socket);
    invariant(result == 0, "net: a socket cannot be polled");
    listener->open_handle_count = 2;
    uv_poll_start(&listener->poll, UV_READABLE, on_pending);
    return listener;
}

struct net_listener *net_listener_open(const struct net_address *address,
                                       const char *task_name,
                                       net_connection_fn *on_connection, void *arg,
                                       struct err *err)
{
    int socket = net_listening_socket_open(address, NET_SOCKET_ALONE, err);
    return socket < 0 ? NULL : listener_of_socket(socket, task_name, on_connection, arg);
}

struct net_listener *net_listener_adopt(int socket, const char *task_name,
                                        net_connection_fn *on_connection, void *arg,
                                        struct err *err)
{
    int result = net_listening_socket_listen(socket);
    if (result < 0) {
        err_set(err, result, "cannot listen on an inherited socket: %s", strerror(-result));
        close(socket);
        return NULL;
    }
    struct net_listener *listener =
        listener_of_socket(socket, task_name, on_connection, arg);
    listener->is_adopted = true;
    return listener;
}

const struct net_address *net_listener_address(const struct net_listener *listener)
{
    return &listener->address;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct net_listener *listener = handle->data;
    if (--listener->open_handle_count > 0)
        return;
    free(listener->path);
    free(listener);
}

void net_listener_close(struct net_listener *listener)
{
    listener->is_closed = true;
    if (listener->is_adopted)
        net_listening_socket_stop(listener->socket);
    if (listener->path)
        unlink(listener->path);
    uv_close((uv_handle_t *)&listener->poll, on_handle_closed);
    uv_close((uv_handle_t *)&listener->pause, on_handle_closed);
    close(listener->socket);
}

/* --- local listeners --- */

static int open_local_socket(void)
{
    int opened = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return opened < 0 ? -errno : opened;
}

/* Removes a socket that nobody listens on any more: -EADDRINUSE when somebody does, or when it is
 * something else. */
static int remove_stale(const struct sockaddr_un *name)
{
    struct stat status;
    if (lstat(name->sun_path, &status) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(status.st_mode))
        return -EADDRINUSE;
    int probe = open_local_socket();
    if (probe < 0)
        return probe;
    bool is_stale = connect(probe, (const struct sockaddr *)name, sizeof *name) < 0 &&
                    errno == ECONNREFUSED;
    close(probe);
    if (!is_stale)
        return -EADDRINUSE;
    return unlink(name->sun_path) < 0 ? -errno : 0;
}

/* The socket is never open to others, not even until a chmod. */
static int bind_privately(int socket, const struct sockaddr_un *name)
{
    mode_t before = umask(S_IXUSR | S_IRWXG | S_IRWXO);
    int result = 0;
    if (bind(socket, (const struct sockaddr *)name, sizeof *name) < 0 ||
        listen(socket, SOMAXCONN) < 0)
        result = -errno;
    umask(before);
    return result;
}

struct net_listener *net_listener_open_local(const char *path, const char *task_name,
                                             net_connection_fn *on_connection, void *arg,
                                             struct err *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int socket = -1;
    int result = strlen(path) < sizeof name.sun_path ? 0 : -ENAMETOOLONG;
    if (result == 0) {
        memcpy(name.sun_path, path, strlen(path));
        result = remove_stale(&name);
    }
    if (result == 0)
        result = socket = open_local_socket();
    if (result >= 0)
        result = bind_privately(socket, &name);
    if (result < 0) {
        err_set(err, result, "cannot listen on %s: %s", path, strerror(-result));
        if (socket >= 0)
            close(socket);
        return NULL;
    }
    struct net_listener *listener =
        listener_of_socket(socket, task_name, on_connection, arg);
    listener->path = mem_copy_text(path, strlen(path));
    return listener;
}

/* A uv_poll that stays armed for reading while a task receives: in steady state a packet costs its recv
 * and its share of epoll_wait, no epoll_ctl. Each operation is tried before it waits.
 *
 * What is gathered goes out in a uv_prepare, which runs before the loop waits: none of its tasks runs between the two.
 * So that callback wakes nobody, or what a task gathers then would wait for the next event; who waits for room is woken
 * by the uv_poll.
 *
 * Invariant: `armed` are the events that uv_poll watches. A callback wakes one task only, as that one may
 * close the socket; the poll is level-triggered, so what is left undone is told again. The file descriptor is
 * closed after the poll only: uv_close stops to watch the number, whoever has it by then. */
#include "packet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uv.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/task.h"

/* Packets received in a row before the loop has its turn. */
#define BURST_MAX 64

struct net_packet_socket {
    uv_poll_t poll;
    uv_prepare_t turn; /* active while what is gathered has not been tried to send */
    unsigned open_handles;
    int fd;
    int armed;
    unsigned burst;
    bool is_broken;
    struct task_wait *receiver;  /* who waits for input, or NULL */
    struct task_signal writable; /* the senders that wait for room */
    size_t sender_count;         /* how many */
    struct buf gathered;
    unsigned gathered_count;
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void arm(struct net_packet_socket *socket, int events)
{
    if (events == socket->armed)
        return;
    socket->armed = events;
    if (events == 0)
        uv_poll_stop(&socket->poll);
    else
        uv_poll_start(&socket->poll, events, on_poll);
}

/* Puts the fd beside the message: `control` has room for one. */
static void attach(struct msghdr *message, char *control, size_t room, int fd)
{
    message->msg_control = control;
    message->msg_controllen = room;
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
}

/* Without waiting: 0, -EAGAIN, negative errno. */
static int send_now(const struct net_packet_socket *socket, const struct str parts[],
                    size_t count, int pass_fd)
{
    struct iovec pieces[NET_PACKET_PARTS_MAX];
    for (size_t i = 0; i < count; i++)
        pieces[i] = (struct iovec){(void *)(uintptr_t)parts[i].at, parts[i].length};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    if (pass_fd >= 0)
        attach(&message, control, sizeof control, pass_fd);
    ssize_t sent;
    do
        sent = sendmsg(socket->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

/* What has been gathered, without waiting: as send_now. */
static int send_gathered(struct net_packet_socket *socket)
{
    uv_prepare_stop(&socket->turn);
    if (socket->gathered.length == 0)
        return 0;
    struct str packet = buf_view(&socket->gathered);
    int result = send_now(socket, &packet, 1, -1);
    if (result == -EAGAIN)
        return result;
    buf_clear(&socket->gathered);
    socket->gathered_count = 0;
    return result;
}

static void on_turn(uv_prepare_t *turn)
{
    struct net_packet_socket *socket = turn->data;
    if (send_gathered(socket) == -EAGAIN || socket->sender_count)
        arm(socket, socket->armed | UV_WRITABLE);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct net_packet_socket *socket = poll->data;
    bool readable = status != 0 || (events & UV_READABLE) != 0;
    if (readable && socket->receiver) {
        task_wake(socket->receiver, 0);
        return;
    }
    if (readable)
        arm(socket, socket->armed & ~UV_READABLE);
    if (status != 0 || (events & UV_WRITABLE)) {
        if (send_gathered(socket) == -EAGAIN)
            return;
        arm(socket, socket->armed & ~UV_WRITABLE);
        task_signal_raise_all(&socket->writable);
    }
}

int net_packet_open(int fd, struct net_packet_socket **opened)
{
    struct net_packet_socket *socket = mem_zero(1, sizeof *socket);
    int result = uv_poll_init(task_loop(), &socket->poll, fd);
    if (result != 0) {
        free(socket);
        return result;
    }
    uv_prepare_init(task_loop(), &socket->turn);
    socket->poll.data = socket->turn.data = socket;
    socket->open_handles = 2;
    buf_init(&socket->gathered, NET_PACKET_GATHERED_BYTES);
    socket->fd = fd;
    *opened = socket;
    return 0;
}

void net_packet_break(struct net_packet_socket *socket)
{
    if (socket->is_broken)
        return;
    socket->is_broken = true;
    arm(socket, 0);
    uv_prepare_stop(&socket->turn);
    shutdown(socket->fd, SHUT_RDWR);
    if (socket->receiver)
        task_wake(socket->receiver, 0);
    task_signal_raise_all(&socket->writable);
}

static void on_closed(uv_handle_t *handle)
{
    struct net_packet_socket *socket = handle->data;
    if (--socket->open_handles)
        return;
    buf_free(&socket->gathered);
    free(socket);
}

void net_packet_close(struct net_packet_socket *socket)
{
    net_packet_break(socket);
    invariant(!socket->receiver && !socket->sender_count,
              "net: packet socket closed in use");
    uv_close((uv_handle_t *)&socket->poll, on_closed);
    uv_close((uv_handle_t *)&socket->turn, on_closed);
    close(socket->fd);
}

static int wait_readable(struct net_packet_socket *socket, uint64_t deadline_ms)
{
    struct task_wait wait;
    task_wait_init(&wait);
    arm(socket, socket->armed | UV_READABLE);
    socket->burst = 0;
    socket->receiver = &wait;
    int result = task_wait(&wait, deadline_ms);
    socket->receiver = NULL;
    return result;
}

ssize_t net_packet_receive(struct net_packet_socket *socket, void *into, size_t room,
                           uint64_t deadline_ms)
{
    invariant(!socket->receiver, "net: two tasks receive from one packet socket");
    while (!socket->is_broken) {
        if (socket->burst++ < BURST_MAX) {
            ssize_t length = recv(socket->fd, into, room, MSG_DONTWAIT | MSG_TRUNC);
            if (length >= 0)
                return (size_t)length > room ? -EMSGSIZE : length;
            if (errno != EAGAIN && errno != EINTR)
                return -errno;
        }
        int result = wait_readable(socket, deadline_ms);
        if (result != 0)
            return result;
    }
    return -EPIPE;
}

static int wait_writable(struct net_packet_socket *socket, uint64_t deadline_ms)
{
    arm(socket, socket->armed | UV_WRITABLE);
    socket->sender_count++;
    int result = task_signal_wait(&socket->writable, deadline_ms);
    socket->sender_count--;
    return result;
}

/* Until nothing is gathered. */
static int flush(struct net_packet_socket *socket, uint64_t deadline_ms)
{
    while (!socket->is_broken) {
        int result = send_gathered(socket);
        if (result == -EAGAIN)
            result = wait_writable(socket, deadline_ms);
        if (result != 0 || socket->gathered.length == 0)
            return result;
    }
    return -EPIPE;
}

int net_packet_send(struct net_packet_socket *socket, const struct str parts[],
                    size_t count, int pass_fd, uint64_t deadline_ms)
{
    invariant(count <= NET_PACKET_PARTS_MAX, "net: too many parts of a packet");
    int result = flush(socket, deadline_ms);
    while (result == 0 && !socket->is_broken) {
        result = send_now(socket, parts, count, pass_fd);
        if (result != -EAGAIN)
            return result;
        result = wait_writable(socket, deadline_ms);
    }
    return result ? result : -EPIPE;
}

static bool has_room(const struct net_packet_socket *socket, size_t bytes)
{
    return socket->gathered_count < NET_PACKET_GATHERED_MAX &&
           socket->gathered.length + bytes <= NET_PACKET_GATHERED_BYTES;
}

int net_packet_gather(struct net_packet_socket *socket, const struct str parts[],
                      size_t count, uint64_t deadline_ms)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += parts[i].length;
    invariant(bytes <= NET_PACKET_GATHERED_BYTES, "net: too long to be gathered");
    while (!has_room(socket, bytes)) {
        int result = flush(socket, deadline_ms);
        if (result != 0)
            return result;
    }
    if (socket->is_broken)
        return -EPIPE;
    for (size_t i = 0; i < count; i++)
        buf_append(&socket->gathered, parts[i]);
    socket->gathered_count++;
    if (!(socket->armed & UV_WRITABLE))
        uv_prepare_start(&socket->turn, on_turn);
    return 0;
}

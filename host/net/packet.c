/* A uv_poll that stays armed for reading while a task receives: in steady state a packet costs its recv
 * and its share of epoll_wait, no epoll_ctl. Each operation is tried before it waits.
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

#include "base/mem.h"
#include "base/task.h"

/* Packets received in a row before the loop has its turn. */
#define BURST_MAX 64

struct net_packet_socket {
    uv_poll_t poll;
    int fd;
    int armed;
    unsigned burst;
    bool is_broken;
    struct task_wait *receiver;  /* who waits for input, or NULL */
    struct task_signal writable; /* the senders that wait for room */
    size_t sender_count;         /* how many */
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
    socket->poll.data = socket;
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
    shutdown(socket->fd, SHUT_RDWR);
    if (socket->receiver)
        task_wake(socket->receiver, 0);
    task_signal_raise_all(&socket->writable);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void net_packet_close(struct net_packet_socket *socket)
{
    net_packet_break(socket);
    invariant(!socket->receiver && !socket->sender_count,
              "net: packet socket closed in use");
    uv_close((uv_handle_t *)&socket->poll, on_closed);
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

int net_packet_send(struct net_packet_socket *socket, const struct str parts[],
                    size_t count, int pass_fd, uint64_t deadline_ms)
{
    invariant(count <= NET_PACKET_PARTS_MAX, "net: too many parts of a packet");
    struct iovec pieces[NET_PACKET_PARTS_MAX];
    for (size_t i = 0; i < count; i++)
        pieces[i] = (struct iovec){(void *)(uintptr_t)parts[i].at, parts[i].length};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    if (pass_fd >= 0)
        attach(&message, control, sizeof control, pass_fd);
    while (!socket->is_broken) {
        if (sendmsg(socket->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return 0;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return -errno;
        int result = wait_writable(socket, deadline_ms);
        if (result != 0)
            return result;
    }
    return -EPIPE;
}

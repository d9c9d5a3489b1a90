/* Frames over the socket to the host. One packet may bring several, and what is said to all of them goes back in one
 * too: a process that is woken for each costs more than what it does. What has been said does not wait for a script that
 * computes, though: the CPU tick (cpu.c) sends it.
 *
 * Invariant: while `is_busy`, the signal handler leaves what is gathered alone. */
#include "channel.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Noreturn void isolate_die(enum isolate_exit status, const char *reason)
{
    static const char prefix[] = "postern-isolate: ";
    channel_flush();
    if (write(STDERR_FILENO, prefix, sizeof prefix - 1) < 0 ||
        write(STDERR_FILENO, reason, strlen(reason)) < 0 ||
        write(STDERR_FILENO, "\n", 1) < 0)
        _exit((int)status);
    _exit((int)status);
}

/* The descriptor beside a packet; a second one for the same frame is a breach. */
static void take_descriptor(struct isolate *isolate, struct msghdr *message)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    if (!control)
        return;
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS ||
        control->cmsg_len != CMSG_LEN(sizeof(int)) || isolate->received_fd >= 0)
        isolate_die(ISOLATE_EXIT_PROTOCOL, "unexpected descriptors");
    memcpy(&isolate->received_fd, CMSG_DATA(control), sizeof(int));
}

/* One packet into `part`: its length, 0 at the end of file. */
static size_t receive_packet(struct isolate *isolate, struct iovec part)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    ssize_t length;
    do
        length = recvmsg(WIRE_SOCKET_FD, &message, MSG_CMSG_CLOEXEC);
    while (length < 0 && errno == EINTR);
    if (length < 0)
        return 0;
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        isolate_die(ISOLATE_EXIT_PROTOCOL, "a packet is too long");
    take_descriptor(isolate, &message);
    return (size_t)length;
}

bool channel_receive(struct isolate *isolate, struct wire_frame *frame)
{
    static char packet[WIRE_PACKET_BYTES];
    int result = 0;
    while (result == 0) {
        if (isolate->unread.length == 0) {
            channel_flush();
            size_t length = receive_packet(isolate, (struct iovec){packet, sizeof packet});
            if (length == 0)
                return false;
            isolate->unread = (struct str){packet, length};
        }
        result = wire_inbox_take(&isolate->inbox, &isolate->unread, frame);
    }
    if (result < 0)
        isolate_die(ISOLATE_EXIT_PROTOCOL, "a packet is malformed");
    return true;
}

static void send_parts(struct iovec parts[], size_t count)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t sent;
    do
        sent = sendmsg(WIRE_SOCKET_FD, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        _exit(0);
}

static struct {
    volatile sig_atomic_t is_busy;
    volatile size_t length;
    unsigned frame_count;
    char bytes[WIRE_PACKET_BYTES];
} gathered;

void channel_flush(void)
{
    if (gathered.is_busy)
        return;
    gathered.is_busy = 1;
    if (gathered.length)
        send_parts((struct iovec[]){{gathered.bytes, gathered.length}}, 1);
    gathered.length = gathered.frame_count = 0;
    gathered.is_busy = 0;
}

static void put(const void *bytes, size_t length)
{
    if (length)
        memcpy(gathered.bytes + gathered.length, bytes, length);
    gathered.length += length;
}

static void send_short(const struct wire_packet_head *head, struct str payload)
{
    size_t length = sizeof *head + payload.length;
    if (gathered.length + length > sizeof gathered.bytes ||
        gathered.frame_count == WIRE_PACKET_FRAMES)
        channel_flush();
    gathered.is_busy = 1;
    put(head, sizeof *head);
    put(payload.at, payload.length);
    gathered.frame_count++;
    gathered.is_busy = 0;
}

void channel_send(enum wire_type type, uint32_t run, uint32_t call, struct str payload)
{
    struct wire_frame frame = {type, run, call, payload};
    struct wire_packet_head head;
    struct str part;
    size_t offset = 0;
    bool more = wire_packet_cut(&frame, &offset, &head, &part);
    if (!more) {
        send_short(&head, part);
        return;
    }
    channel_flush();
    for (;;) {
        send_parts((struct iovec[]){{&head, sizeof head},
                                    {(void *)(uintptr_t)part.at, part.length}},
                   2);
        if (!more)
            return;
        more = wire_packet_cut(&frame, &offset, &head, &part);
    }
}

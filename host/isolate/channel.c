/* Frames over the socket to the host. */
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Noreturn void isolate_die(enum isolate_exit status, const char *reason)
{
    static const char prefix[] = "postern-isolate: ";
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
    for (;;) {
        size_t length = receive_packet(isolate, (struct iovec){packet, sizeof packet});
        if (length == 0)
            return false;
        int result = wire_inbox_take(&isolate->inbox, (struct str){packet, length}, frame);
        if (result < 0)
            isolate_die(ISOLATE_EXIT_PROTOCOL, "a packet is malformed");
        if (result > 0)
            return true;
    }
}

static void send_packet(struct wire_packet_head *head, struct str part)
{
    struct iovec parts[] = {
        {head, sizeof *head},
        {(void *)(uintptr_t)part.at, part.length},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent;
    do
        sent = sendmsg(WIRE_SOCKET_FD, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        _exit(0);
}

void channel_send(enum wire_type type, uint32_t run, uint32_t call, struct str payload)
{
    struct wire_frame frame = {type, run, call, payload};
    struct wire_packet_head head;
    struct str part;
    size_t offset = 0;
    bool more;
    do {
        more = wire_packet_cut(&frame, &offset, &head, &part);
        send_packet(&head, part);
    } while (more);
}

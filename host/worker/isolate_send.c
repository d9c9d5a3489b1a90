/* Sending frames to an isolate: one at a time. Short ones of one turn of the loop share a packet; the packets of a long
 * one go together. */
#include <errno.h>

#include "internal.h"

static int take_send_turn(struct isolate_process *isolate, uint64_t deadline_ms)
{
    while (isolate->is_sending) {
        int result =
            deadline_ms ? task_signal_wait(&isolate->send_turn, deadline_ms) : -EAGAIN;
        if (result != 0)
            return result;
    }
    isolate->is_sending = true;
    return 0;
}

_Static_assert(NET_PACKET_GATHERED_MAX <= WIRE_PACKET_FRAMES, "frames in a packet");
/* NOLINTNEXTLINE(misc-redundant-expression): equal now, and by choice */
_Static_assert(NET_PACKET_GATHERED_BYTES <= WIRE_PACKET_BYTES, "bytes of a packet");

static int send_short(struct isolate_process *isolate, const struct wire_frame *frame,
                      uint64_t deadline_ms)
{
    struct wire_packet_head head;
    struct str part;
    size_t offset = 0;
    wire_packet_cut(frame, &offset, &head, &part);
    const struct str parts[] = {{(const char *)&head, sizeof head}, part};
    return net_packet_gather(isolate->socket, parts, 2, deadline_ms);
}

/* A frame that stops half-way would garble all that follow. */
static int send_packets(struct isolate_process *isolate, const struct wire_frame *frame,
                        int pass_fd, uint64_t deadline_ms)
{
    struct wire_packet_head head;
    struct str part;
    size_t offset = 0;
    bool is_first = true, more;
    do {
        more = wire_packet_cut(frame, &offset, &head, &part);
        const struct str parts[] = {{(const char *)&head, sizeof head}, part};
        int result = net_packet_send(isolate->socket, parts, 2, is_first ? pass_fd : -1,
                                     deadline_ms);
        if (result != 0 && !is_first)
            isolate_kill(isolate, ISOLATE_VIOLATION, 0);
        if (result != 0)
            return result;
        is_first = false;
    } while (more);
    return 0;
}

int isolate_send(struct isolate_process *isolate, const struct wire_frame *frame,
                 int pass_fd, uint64_t deadline_ms)
{
    isolate->references++;
    int result = take_send_turn(isolate, deadline_ms);
    if (result == 0) {
        result = pass_fd < 0 && wire_frame_is_short(frame)
                     ? send_short(isolate, frame, deadline_ms)
                     : send_packets(isolate, frame, pass_fd, deadline_ms);
        isolate->is_sending = false;
        task_signal_raise(&isolate->send_turn);
    }
    isolate_release(isolate);
    return result;
}

/* Sending frames to an isolate: one at a time, each with its packets together. */
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
        result = send_packets(isolate, frame, pass_fd, deadline_ms);
        isolate->is_sending = false;
        task_signal_raise(&isolate->send_turn);
    }
    isolate_release(isolate);
    return result;
}

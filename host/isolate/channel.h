/* Frames over the socket to the host. The calls block: the isolate has nothing else to do. */
#pragma once

#include "internal.h"

/* Waits for the next frame, and sends what is to be sent before it waits: true, or false at the end of file. A descriptor that came with it is in
 * isolate->received_fd, for the receiver of the frame to take (and set to -1). A host that does not speak
 * the protocol ends the process. */
bool channel_receive(struct isolate *isolate, struct wire_frame *frame);

/* Sends a frame: a short one goes into a packet with others. A host that is gone ends the process. */
void channel_send(enum wire_type type, uint32_t run, uint32_t call, struct str payload);

/* Sends what has gathered in that packet. May be called in a signal handler. */
void channel_flush(void);

/* Ends the process with the reason on stderr. */
_Noreturn void isolate_die(enum isolate_exit status, const char *reason);

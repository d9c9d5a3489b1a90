/* A message as it is kept for replays (store/kept.h): all that decided about it when it came, but for rules and scripts. */
#pragma once

#include "auth/verdict.h"
#include "base/err.h"
#include "mail/message.h"
#include "store/kept.h"

struct kept_message {
    struct message *message; /* with the envelope's sender and the client */
    struct mailbox *recipients;
    size_t recipient_count;
    struct auth_verdict *verdict; /* NULL: nothing was verified */
    bool is_reply_unchecked;      /* as struct router has it */
};

/* In the message's arena; empty when it is too large. */
struct str kept_message_envelope(const struct kept_message *kept);
/* The reverse: a message of its own, whose one reference is the caller's. 0 or -EBADMSG with the reason: whoever can
 * write the file may have written anything. */
int kept_message_read(const struct store_kept *stored, struct kept_message *kept,
                      struct err *err);

/* Delivery status notifications (RFC 3461, 3464, 6522, 6533): whether somebody is to be told, and what. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "delivery/key_ring.h"
#include "smtp/reply.h"
#include "store/store.h"

enum notice_action {
    NOTICE_FAILED,
    NOTICE_DELAYED,
    NOTICE_RELAYED, /* to a peer without DSN, though the sender asked to be told of success */
};

struct notice_options {
    const char
        *host_name; /* Reporting-MTA, and where the notice comes from: MAILER-DAEMON@ it */
    const struct key_ring *keys; /* NULL: notices are not signed */
};

/* One recipient of the message, and what became of it. */
struct notice_recipient {
    struct str original;  /* the recipient at this host */
    struct str recipient; /* where it was sent on to */
    struct str orcpt;     /* RFC 3461; empty: none */
    uint8_t notify;
    enum notice_action action;
    const struct reply *reply; /* the last word */
    bool is_from_peer;
    struct str peer; /* who said it; may be empty */
    uint64_t last_attempt_ms, retry_until_ms /* NOTICE_DELAYED */;
};

/* Whether the sender of the message is to be told of this (RFC 3461 section 4.1 and 5.2.1; never for an empty
 * return_path). */
bool notice_is_wanted(const struct store_message *message,
                      const struct notice_recipient *recipient);

/* What a notice tells: recipients of one message. */
struct notice_request {
    const struct notice_options *options;
    const struct store_message *message;
    const struct notice_recipient *recipients;
    size_t count; /* at least 1 */
    uint64_t now_ms;
    struct arena *arena; /* for all that comes out of it */
};

/* Makes the notice as a message for the queue, from <> to the message's return_path, with its one leg. Returns 0 or
 * -EINVAL with the reason (a return path that is no address). */
int notice_compose(const struct notice_request *request, struct store_message *notice,
                   struct store_leg *leg, struct err *err);

/* The trace field that a receiver puts on top of a message (RFC 5321 section 4.4). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "mail/message.h"

struct smtp_received {
    const struct message_client *client;
    const char *host_name; /* ours */
    struct str id;
    struct str
        recipient;    /* empty when there are several: they must not learn of each other */
    uint64_t at_ms;   /* Unix time */
    bool is_extended; /* EHLO, not HELO */
    bool is_authenticated;
    bool is_utf8; /* SMTPUTF8 was asked for */
};

/* "Received: from …\r\n", folded, in the arena. */
struct str smtp_received_field(const struct smtp_received *received, struct arena *arena);

/* The protocol name for `with`: SMTP, ESMTP[S][A], UTF8SMTP[S][A] (RFC 3848, RFC 6531). */
const char *smtp_protocol_name(const struct smtp_received *received);

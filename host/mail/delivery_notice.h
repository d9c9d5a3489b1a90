/* What a sender wants to be told of a message's fate (RFC 3461: the DSN extension of SMTP), as it walks with the
 * message from MAIL and RCPT through queue and notices to the next hop. Texts are decoded here; only on the wire
 * are they xtext (mail/xtext.h). */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

/* --- of a message: MAIL's RET and ENVID --- */

enum dsn_return { DSN_RETURN_UNSAID, DSN_RETURN_FULL, DSN_RETURN_HEADERS };

#define DSN_ENVID_BYTES_MAX 100

struct dsn_envelope {
    enum dsn_return ret; /* how much of the message a failure notice gives back */
    struct str envid;    /* the sender's own name for it: printable ASCII, or empty */
};

/* --- of a recipient: RCPT's NOTIFY and ORCPT --- */

/* A mask; 0: nothing was said, which means FAILURE, and DELAY as we see fit (RFC 3461 section 4.1). NEVER stands
 * alone. */
enum dsn_notify {
    DSN_NOTIFY_NEVER = 1,
    DSN_NOTIFY_SUCCESS = 2,
    DSN_NOTIFY_FAILURE = 4,
    DSN_NOTIFY_DELAY = 8,
};

#define DSN_ORCPT_BYTES_MAX 500

/* ORCPT is whom the sender wrote to at first, "rfc822;anna@example.com": */
struct dsn_recipient {
    unsigned notify;
    struct str orcpt_type; /* as given: "rfc822", "utf-8", …; empty: no ORCPT */
    struct str
        orcpt_address; /* printable ASCII, or for utf-8 UTF-8 without control bytes */
};

/* The values of the parameters, read: false when they are none. The texts go into the arena. */
bool dsn_return_parse(struct str value, enum dsn_return *ret);
bool dsn_envid_parse(struct str value, struct arena *arena, struct str *envid);
bool dsn_notify_parse(struct str value, unsigned *notify);
bool dsn_orcpt_parse(struct str value, struct arena *arena,
                     struct dsn_recipient *recipient);

/* … and written, ready to follow a path on the wire: "", or " RET=HDRS ENVID=x" and " NOTIFY=NEVER ORCPT=rfc822;x",
 * in the arena, ASCII. What no parser above would have let through (it may come from a damaged queue) is left
 * out, as is an ORCPT whose ASCII form is too long for a peer. */
const char *dsn_mail_parameters(const struct dsn_envelope *envelope, struct arena *arena);
const char *dsn_rcpt_parameters(const struct dsn_recipient *recipient, struct arena *arena);

/* "rfc822;anna+tag@example.com", as queue and notices keep it: decoded, empty without ORCPT. */
struct str dsn_orcpt_text(const struct dsn_recipient *recipient, struct arena *arena);

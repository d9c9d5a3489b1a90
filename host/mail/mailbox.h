/* A mail address (RFC 5321 Mailbox, RFC 6531 forms included), parsed. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

#define MAILBOX_LOCAL_BYTES_MAX 64 /* quotes included */
#define MAILBOX_BYTES_MAX       254

struct mailbox {
    struct str
        text; /* local@domain as to be said in SMTP: quotes where needed, domain as given */
    struct str local; /* unquoted, case kept */
    struct str
        domain;   /* normal form (mail/domain.h), or an address literal "[192.0.2.1]" */
    bool is_utf8; /* the local part is not ASCII: needs SMTPUTF8 */
    bool is_null; /* the null reverse-path "<>": all else empty */
};

/* Parses `local@domain` with nothing around it: local part at most 64 bytes, domain at most 253 in
 * normal form, all at most 254; a literal is well formed; UTF-8 is valid. Everything in the arena.
 * Returns 0, or -EINVAL. RFC 5321 section 4.1.2's ABNF stands above the parser. */
int mailbox_parse(struct str text, struct arena *arena, struct mailbox *mailbox);

/* local@A-label domain, the local part quoted where needed: for peers without SMTPUTF8. */
struct str mailbox_ascii_text(const struct mailbox *mailbox, struct arena *arena);

/* Same domain, and the same local part without regard to (ASCII) case. */
bool mailbox_same(const struct mailbox *a, const struct mailbox *b);

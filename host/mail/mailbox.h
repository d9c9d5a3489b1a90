/* A mail address (RFC 5321 Mailbox, RFC 6531 forms included), parsed. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

/* A path is 256 with its brackets (RFC 5321 section 4.5.3.1.3). */
#define MAILBOX_BYTES_MAX 254

struct mailbox {
    struct str text;   /* as said in SMTP: quotes where needed, domain as given */
    struct str local;  /* unquoted, case kept */
    struct str domain; /* normal form (mail/domain.h), or a literal "[192.0.2.1]" */
    bool is_utf8;      /* the local part is not ASCII: needs SMTPUTF8 */
    bool is_null;      /* the null reverse-path "<>": all else empty */
};

/* Parses `local@domain` with nothing around it: at most MAILBOX_BYTES_MAX in all, in either form of the
 * domain; a literal is well formed; UTF-8 is valid. A local part over 64 bytes is taken: RFC 5321
 * section 4.5.3.1 asks for that much at least, and bounce addresses (VERP in SRS) have more. Everything in
 * the arena. Returns 0, or -EINVAL. The ABNF stands above the parser. */
int mailbox_parse(struct str text, struct arena *arena, struct mailbox *mailbox);

/* local@A-label domain, the local part quoted where needed: for peers without SMTPUTF8. */
struct str mailbox_ascii_text(const struct mailbox *mailbox, struct arena *arena);

/* Same domain, and the same local part without regard to (ASCII) case. */
bool mailbox_same(const struct mailbox *a, const struct mailbox *b);

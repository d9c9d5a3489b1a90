/* Paths: addresses as MAIL and RCPT say them (RFC 5321 section 4.1.2). */
#pragma once

#include "base/arena.h"
#include "base/str.h"
#include "mail/mailbox.h"

enum smtp_path_kind {
    SMTP_REVERSE_PATH, /* "<>" is one */
    SMTP_FORWARD_PATH, /* "<postmaster>" is one: its domain is empty */
};

/* Cuts the path at the start of *rest off and parses it into the arena; a source route is dropped. Returns
 * 0, or -EINVAL with *rest unchanged. */
int smtp_path_parse(struct str *rest, enum smtp_path_kind kind, struct arena *arena,
                    struct mailbox *mailbox);

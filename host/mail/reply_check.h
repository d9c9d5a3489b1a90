/* May this message be answered by a script, and is that answer one? Rules of RFC 3834 and of the hosted
 * service's reply(); and of what a script sends of its own. Pure, no I/O. Whether the original is authentic (DMARC) is decided elsewhere. */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "mail/mailbox.h"
#include "mail/message.h"

/* Returns 0, or -EPERM with the reason, for the script's author, when the original is automatic or
 * cannot be answered. */
int reply_check_original(const struct message *original, struct err *err);

/* Checks a whole answer as compose_raw_reply (mail/compose.h) has written it: from the domain of
 * `recipient` (who got the original), to its sender only, In-Reply-To the original, sane in syntax.
 * Returns 0, or -EINVAL with what is wrong. */
int reply_check_raw(struct str raw, const struct message *original,
                    const struct mailbox *recipient, struct err *err);

/* Checks a whole message that answers none, as compose_raw_message has written it: from one address (in the arena), sane
 * in syntax, without Bcc. Whose addresses these are is the caller's to ask. Returns 0, or -EINVAL with what is wrong. */
int reply_check_message(struct str raw, struct arena *arena, struct mailbox *from,
                        struct err *err);

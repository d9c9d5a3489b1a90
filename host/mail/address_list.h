/* The addresses of a header field such as From or To (RFC 5322 section 3.4 mailbox-list). */
#pragma once

#include "base/arena.h"
#include "base/str.h"
#include "mail/mailbox.h"

/* Reads `value` (unfolded or not) into at most `max` mailboxes, in the arena; display names and comments
 * are passed over. Returns how many there are, or -EINVAL: for a malformed list, a group, none at all, or
 * more than `max`. Addresses are as strict as mailbox_parse: no blanks or comments within them. */
int address_list_parse(struct str value, struct arena *arena, struct mailbox mailboxes[],
                       size_t max);

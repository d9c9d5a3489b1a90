/* How often a message has been through this installation, told by a field that others cannot forge:
 *
 *     X-Postern-Hop: 2; <MAC of the count and of what names the message>
 *
 * Rewriting forwarders around us may take all Received fields away, but then they take this message's own names
 * (Message-ID, Date, From) away as well, and it is another message. */
#pragma once

#include "base/arena.h"
#include "mail/header.h"
#include "mail/secret.h"

#define HOP_COUNT_MAX 9999

/* The greatest count of the fields that are ours; 0 without one. Forged ones count for nothing, nor does what is
 * below many others: ours go on top. */
unsigned hop_count(const struct secret *secret, const struct header *header);
/* The field, CRLF included, in the arena; a count over HOP_COUNT_MAX is written as that. */
struct str hop_field(const struct secret *secret, const struct header *header,
                     unsigned count, struct arena *arena);

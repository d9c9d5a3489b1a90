/* How often a message has been through this installation, told by a field that others cannot forge:
 *
 *     X-Postern-Hop: 2; <MAC of the count and of what names the message>
 *
 * Rewriting forwarders around us may take all Received fields away, but then they take this message's own names
 * away as well, and it is another message. */
#pragma once

#include "base/arena.h"
#include "mail/header.h"
#include "mail/secret.h"

/* The greatest count of the fields that are ours; 0 without one. Forged ones count for nothing. */
unsigned hop_count(const struct secret *secret, const struct header *header);
/* The field, CRLF included, in the arena. */
struct str hop_field(const struct secret *secret, const struct header *header, unsigned count,
                     struct arena *arena);

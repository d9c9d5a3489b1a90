/* Verification of the Authenticated Received Chain (RFC 8617): who handled the message before, what they
 * say that it was then, and whether that can be believed. */
#pragma once

#include <stdint.h>

#include "auth/verdict.h"
#include "base/arena.h"
#include "mail/message.h"
#include "net/dns.h"

/* Fills in *arc; its views live in the arena. The result is
 *   none       there is no chain
 *   pass       the newest ARC-Message-Signature and every ARC-Seal are valid
 *   fail       they are not, or the chain's structure is not valid; then there may be no sets
 *   temperror  nothing else is wrong, but a key could not be asked for
 * `deadline_ms` is for the keys. Returns 0; -ECANCELED, or -ETIMEDOUT at the task's own deadline. */
int auth_arc_verify(struct dns *dns, const struct message *message, uint64_t deadline_ms,
                    struct arena *arena, struct auth_arc *arc);

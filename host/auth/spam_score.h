/* How much a message looks like spam: small named rules over its header, its text and the verdict. Passive:
 * it refuses nothing. */
#pragma once

#include "auth/verdict.h"
#include "base/arena.h"
#include "mail/message.h"

#define AUTH_SPAM_SCORE_MAX  5.0
#define AUTH_SPAM_BYTES_READ ((size_t)64 * 1024) /* of the body */

/* Fills in `spam_score` (0 to 5) and `spam_reasons` ("html_only=0.5 …", in order of the rules) from the
 * message and from what the verdict holds so far. In the arena. */
void auth_spam_score(const struct message *message, struct arena *arena,
                     struct auth_verdict *verdict);

/* DKIM verification (RFC 6376, 8301, 8463, 8616): what each signature of a message is worth. */
#pragma once

#include "auth/verdict.h"
#include "base/arena.h"
#include "mail/message.h"
#include "net/dns.h"

/* Verifies the first AUTH_DKIM_MAX signatures from the top and fills in dkim, dkim_count and has_more_dkim of
 * the verdict. Keys are asked for until `deadline_ms`; what has not come by then is a temperror. Views go into
 * the arena. Returns 0; -ECANCELED, or -ETIMEDOUT at the task's own deadline. */
int auth_dkim_verify(struct dns *dns, const struct message *message, uint64_t deadline_ms,
                     struct arena *arena, struct auth_verdict *verdict);

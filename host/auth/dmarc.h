/* DMARC (RFC 9989): does the domain in From stand behind this message, and what does it ask for if not? */
#pragma once

#include <stdint.h>

#include "auth/verdict.h"
#include "base/arena.h"
#include "mail/message.h"
#include "net/dns.h"

/* What SPF and DKIM have found, of the message that is asked about. */
struct auth_dmarc_input {
    const struct message *message;
    const struct auth_spf
        *spf; /* of HELO too, if the reverse-path is null (RFC 9989 section 3.2.4) */
    const struct auth_dkim *dkim;
    size_t dkim_count;
};

/* Fills in *dmarc; its views live in the arena. The result is
 *   none       no record, or one that asks for nothing
 *   pass       an identifier that passed is aligned with the Author Domain
 *   fail       none is; `policy` says what the domain asks for
 *   temperror  the DNS did not tell in time what decides it, or SPF or DKIM could not be told of an identifier
 *              that is aligned
 *   permerror  there is not exactly one From with one domain; from_domain is empty
 * Returns 0, or -ECANCELED when the task is cancelled. */
int auth_dmarc_evaluate(struct dns *dns, const struct auth_dmarc_input *input,
                        uint64_t deadline_ms, struct arena *arena,
                        struct auth_dmarc *dmarc);

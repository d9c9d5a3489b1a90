/* SPF (RFC 7208): may this client send mail for this domain? The records are evaluated by our own code over
 * net/dns.h: the RFC's text is short, and what libspf2 needs around it (a checker of records, a rewriter, a
 * counter of questions) is more than an evaluator, and leaves its memory errors within reach of anybody who
 * can publish a record. */
#pragma once

#include "auth/verdict.h"
#include "base/arena.h"
#include "mail/mailbox.h"
#include "net/address.h"
#include "net/dns.h"

#define AUTH_SPF_TERMS_MAX 10
#define AUTH_SPF_VOIDS_MAX 2

struct auth_spf_question {
    struct net_address client;
    struct str helo;              /* as the client said it */
    const struct mailbox *sender; /* NULL or null: HELO's domain is checked */
    uint64_t
        deadline_ms; /* past it the result is temperror; 0: in 20 s (RFC 7208 section 4.6.4) */
    unsigned
        query_max; /* past it the result is permerror; 0: what the RFC's limits come to */
};

/* Returns 0 with the answer, whose texts are in the arena, or -ECANCELED. */
int auth_spf_check(struct dns *dns, const struct auth_spf_question *question,
                   struct arena *arena, struct auth_spf *spf);

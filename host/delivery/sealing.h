/* Shared by seal.c, dkim_sign.c and arc_seal.c: one message that is being sealed. */
#pragma once

#include "base/buf.h"
#include "delivery/seal.h"

#define BODY_HASH_TEXT_BYTES 48

struct sealing {
    const struct seal_request *request;
    struct arena *arena;
    char body_hash[BODY_HASH_TEXT_BYTES]; /* bh= */
    struct buf names;                     /* h= of what both kinds of signature cover */
    struct buf text;                      /* those fields, canonical */
};

/* Each returns 0 with a field, or with fields, in the arena; or -EIO. */

int dkim_sign(struct sealing *sealing, const struct signing_key *key, struct str *field);

/* The set on top of `ours`, our DKIM-Signatures from the top; empty where the chain has ended. The last use of `text`. */
int arc_seal(struct sealing *sealing, const struct signing_key *key,
             const struct str ours[], size_t our_count, struct str *whole);

/* Why a body hash did not match, for `postern explain`: what was signed cannot be known from its hash, but whether a
 * small undoing of what mailing lists and gateways do to bodies brings it back can be tried. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "mail/message.h"

struct auth_dkim_body {
    struct str canonicalization; /* "relaxed/simple" */
    struct str signed_hash;      /* bh=, in base64 */
    struct str found_hash;       /* of this body */
    uint64_t signed_bytes;       /* l= within the body; its whole length if there is none */
    uint64_t body_bytes;         /* of the canonical body */
    bool does_match;
    struct str hint; /* what would make it match, or empty: "without its last 3 lines" */
};

/* Looks at the `index`th DKIM-Signature field from the top (0: the first). Returns 0, -ENOENT if there is none, or
 * -EINVAL if it says no canonicalization or no hash that could be compared; -ECANCELED, -ETIMEDOUT. */
int auth_dkim_explain_body(const struct message *message, size_t index, struct arena *arena,
                           struct auth_dkim_body *explanation);

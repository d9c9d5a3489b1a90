/* The ARC Sets of a message (RFC 8617 section 4.2), found and put in order. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "auth/dkim_signature.h"
#include "auth/verdict.h"
#include "base/arena.h"
#include "mail/header.h"

/* Of all fields of a chain. Each seal covers all sets before it, so a chain's cost is its square; real
 * sets are a few KiB. */
#define ARC_CHAIN_BYTES_MAX ((size_t)256 * 1024)

/* An ARC-Message-Signature or ARC-Seal. */
struct arc_signature {
    struct auth_dkim_signature read;
    struct str
        fault; /* why it cannot be valid, whatever its key; empty if nothing is wrong */
};

struct arc_set {
    const struct header_field *results; /* ARC-Authentication-Results */
    struct str results_payload;         /* its value behind "i=1;" */
    struct arc_signature *message_signature, *seal;
};

struct arc_chain {
    size_t count;
    struct arc_set sets[AUTH_ARC_SETS_MAX]; /* set i= is at i-1 */
};

/* True if there is a field that would belong to one. */
bool arc_chain_is_there(const struct header *header);

/* Reads the chain of a message received at `received_ms` (Unix time): steps 1 to 3 of section 5.2. Returns 0
 * with its sets, none for a message without; or -EINVAL and *reason when its structure is not valid:
 * a field without instance, a set that lacks one of its fields or has it twice, a gap, more than
 * AUTH_ARC_SETS_MAX sets, too many bytes, fields that the index of the header may lack, a cv= that is
 * not that of its place. */
int arc_chain_read(const struct header *header, uint64_t received_ms, struct arena *arena,
                   struct arc_chain *chain, struct str *reason);

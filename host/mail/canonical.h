/* Canonicalisation (RFC 6376 section 3.4) and what is hashed of it (section 3.7), for the verification of
 * DKIM and ARC and for the signer. A line ends with CRLF; CR or LF alone are bytes like others. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "mail/header.h"

enum canonical_form { CANONICAL_SIMPLE, CANONICAL_RELAXED };

#define CANONICAL_ALL        UINT64_MAX
#define CANONICAL_HASH_BYTES 32 /* SHA-256 */

/* --- header: each appends to `out`; 0, or -ENOBUFS past its ceiling --- */

/* One field with its final CRLF, which it gets if it has none. */
int canonical_field(enum canonical_form form, struct str whole, struct buf *out);

/* The fields that h= names, in its order, each name taking the last field of it that is not taken yet
 * (section 5.4.2); names without a field add nothing. `own`, the signature that names them, one of the
 * header's fields, is never taken; it may be NULL. -E2BIG past CANONICAL_NAMES_MAX names. */
#define CANONICAL_NAMES_MAX 256
int canonical_fields(enum canonical_form form, const struct header *header,
                     const struct header_field *own, struct str names, struct buf *out);

/* A signature's own field: as if `removed` (the raw value of b=, a part of `whole`) were empty, and without
 * the final CRLF. */
int canonical_signature(enum canonical_form form, struct str whole, struct str removed,
                        struct buf *out);

/* The SHA-256 of what they came to. */
void canonical_hash_text(struct str text, unsigned char hash[CANONICAL_HASH_BYTES]);

/* --- body --- */

/* One hash that is wanted, and found. */
struct canonical_hash {
    enum canonical_form form;
    uint64_t limit;      /* l=: so many bytes of the canonical body; CANONICAL_ALL: all */
    uint64_t body_bytes; /* of the canonical body, whatever the limit */
    unsigned char hash[CANONICAL_HASH_BYTES];
};

/* Fills in all of them (SHA-256), in one pass for each form. In a task, a body over 256 KiB lets other
 * tasks run in between; then -ECANCELED or -ETIMEDOUT can come back, else 0. */
int canonical_hash_body(struct str body, struct canonical_hash hashes[], size_t count);

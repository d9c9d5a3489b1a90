/* A field of DKIM or ARC as it is written: words in lines of at most 78 columns where they fit; and how it is signed, b=
 * being its last tag (RFC 6376 section 3.7). */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "delivery/key_ring.h"

#define SEAL_FIELD_BYTES_MAX ((size_t)256 * 1024)

struct seal_field {
    struct arena *arena;
    struct buf bytes;
    size_t column;
};

/* Starts "<name>:"; it is to be ended. */
void seal_field_start(struct seal_field *field, const char *name, struct arena *arena);
/* A word, "cv=pass;", on this line or the next. */
void seal_field_put(struct seal_field *field, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Who signs when: a=, d=, s= and t=. */
void seal_field_put_signer(struct seal_field *field, const struct signing_key *key,
                           uint64_t now_ms);
/* h=: may be folded after each colon. */
void seal_field_put_names(struct seal_field *field, struct str names);

/* Ends it with CRLF: the whole field, in the arena. */
struct str seal_field_end(struct seal_field *field);
/* Ends it with b=, which signs what is in `text` and the field; `text` is then as it was. Returns 0 with the whole
 * field, or -EIO. */
int seal_field_sign(struct seal_field *field, const struct signing_key *key,
                    struct buf *text, struct str *whole);

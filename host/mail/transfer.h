/* What a body was encoded in for transport (RFC 2045 section 6), undone: tolerant, for what came in. */
#pragma once

#include <stdbool.h>

#include "base/str.h"

/* Both write at most encoded.length bytes to `out` and return how many; *is_broken becomes true where the
 * text is not what the encoding allows, and what makes no sense is passed over (base64) or stands as it is
 * (quoted-printable). */
size_t transfer_decode_base64(struct str encoded, char *out, bool *is_broken);
size_t transfer_decode_quoted_printable(struct str encoded, char *out, bool *is_broken);

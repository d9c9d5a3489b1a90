/* Domain names as mail uses them: compared and stored as lower-case A-labels (RFC 5890). */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

#define DOMAIN_BYTES_MAX 253

/* Normal form of a domain in either form ("Piñata.ES" -> "xn--piata-pta.es"): lower-case A-labels
 * (UTS #46 non-transitional), one final dot dropped, labels of 1-63 letters, digits, hyphens and
 * underscores, neither first nor last a hyphen. In the arena. Returns 0 or -EINVAL. */
int domain_normalize(struct str domain, struct arena *arena, struct str *normal);

/* The form for people ("piñata.es"); the given one where it has none. In the arena. */
struct str domain_to_unicode(struct str normal, struct arena *arena);

/* True if `name` is `domain` or below it; both in normal form. */
bool domain_is_within(struct str name, struct str domain);

/* The Author Domain of a message (RFC 9989 section 5.3.1): the one domain of its one From field. */
#pragma once

#include "base/arena.h"
#include "base/str.h"
#include "mail/header.h"

/* Sets *domain (normal form, in the arena) and returns 0; or -EINVAL with *reason, in words, when there
 * is not exactly one From field, when it cannot be read, or when its addresses have several domains or
 * none. */
int dmarc_from_domain(const struct header *header, struct arena *arena, struct str *domain,
                      struct str *reason);

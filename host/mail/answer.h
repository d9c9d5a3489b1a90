/* What an answer takes over from the message it answers, which reply_check_original has passed. */
#pragma once

#include "base/arena.h"
#include "base/str.h"
#include "mail/header.h"

/* References (RFC 5322 section 3.6.4): those of the original, or else its In-Reply-To if that is one
 * identifier, and its Message-ID; if that is too much for one field, the first and the last. In the
 * arena. */
struct str answer_references(const struct header *original, struct arena *arena);

/* "Re: " and the Subject of the original, unless that starts so; what compose_reply would refuse in it is
 * replaced or cut off. In the arena. */
struct str answer_subject(const struct header *original, struct arena *arena);

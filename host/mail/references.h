/* Message identifiers (RFC 5322 section 3.6.4): "<left@right>", alone or in a row. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"
#include "mail/header.h"

#define REFERENCES_MAX 100

/* Angle brackets around printable ASCII without blanks, at most 250 bytes in all. Laxer than the RFC's
 * ABNF, as senders are: what is asked for is only that it can be said back. */
bool message_id_is_valid(struct str id);

/* The message identifiers in all fields called References. */
size_t references_count(const struct header *header);

/* The References of an answer to the message with this header: its own and its Message-ID; of more than
 * REFERENCES_MAX, or of too many to fit in one field, the first and the last. In the arena. */
struct str references_of_answer(const struct header *header, struct arena *arena);

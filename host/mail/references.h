/* Message identifiers (RFC 5322 section 3.6.4): "<left@right>", alone or in a row. */
#pragma once

#include <stdbool.h>

#include "base/str.h"
#include "mail/header.h"

#define REFERENCES_MAX 100

/* Angle brackets around printable ASCII without blanks, at most 250 bytes in all. Laxer than the RFC's
 * ABNF, as senders are: what is asked for is only that it can be said back. */
bool message_id_is_valid(struct str id);

/* The message identifiers in all fields called References. */
size_t references_count(const struct header *header);

/* Cuts the next "<…>", valid or not, off `rest`: false at the end. */
bool references_next(struct str *rest, struct str *id);

/* The header section of a message (RFC 5322 section 2.2) as an index of its fields over the raw bytes:
 * nothing is copied, nothing is decoded. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

struct header_field {
    struct str name;  /* "Subject" as written, without trailing blanks */
    struct str value; /* all between the colon and the final CRLF, folding included */
    struct str whole; /* name to final CRLF, all of it */
};

struct header {
    struct header_field *fields;
    size_t count;
    size_t body_offset; /* of what follows the empty line; the length if none does */
};

#define HEADER_FIELDS_MAX 2000

/* Indexes the fields of a message; lines end with CRLF, or with LF alone. A line that is no field and no
 * continuation ends the section there, as the body's first line (what every MTA does with broken mail).
 * Fields past HEADER_FIELDS_MAX are not indexed. The index is in the arena, the views point into `raw`. */
void header_parse(struct str raw, struct arena *arena, struct header *header);

/* The first field of this name (any case) at or after *index, which is moved past it; NULL at the end. */
const struct header_field *header_next(const struct header *header, struct str name,
                                       size_t *index);
/* The value of the first one, unfolded and trimmed in the arena; an empty view when there is none. */
struct str header_value(const struct header *header, struct str name, struct arena *arena);
/* Unfolds: every CR and LF goes, and the blanks at both ends. In the arena. */
struct str header_unfold(struct str value, struct arena *arena);
size_t header_count(const struct header *header, struct str name);

/* Lua and rules give header values: false if the name is not RFC 5322 ftext of at most 76 bytes, or
 * the value has CR, LF, NUL or is over 8,000 bytes. */
bool header_name_is_valid(struct str name);
bool header_value_is_valid(struct str value);
/* Appends "Name: value\r\n", folded at blanks so that lines stay within 78 where they can and within 998
 * always; blanks at the value's ends go. Returns 0, or with the buffer as it was -ENOBUFS, or -EINVAL
 * when not valid or when a word is too long for a line. */
int header_append(struct buf *buf, struct str name, struct str value);

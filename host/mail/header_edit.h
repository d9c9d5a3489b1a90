/* Changes of the header of a message that is sent on: which fields may be changed, which the author has signed, and
 * the header section with them. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "mail/header.h"
#include "mail/mailbox.h"

struct header_edit {
    struct str name;
    struct str value; /* one line, as header_append takes it */
    bool is_removal;
};

/* Whether a script may set or remove the field: Subject, Reply-To, List-…, Precedence, Auto-Submitted, Comments,
 * Keywords and X-…; not what says where the message is from, proves it, or holds its parts together. */
bool header_edit_is_allowed(struct str name);
/* Whether a DKIM-Signature of the message names the field in h= (RFC 6376 section 3.5). */
bool header_edit_is_signed(const struct header *header, struct str name);
/* `text` (UTF-8) as the field's value: as it is when it is ASCII, else, in a field that is text for people, as encoded
 * words. In the arena. Returns 0, or -EINVAL when the field cannot have it. */
int header_edit_value(struct str name, struct str text, struct arena *arena,
                      struct str *value);
/* Appends the header section of which `header` is the index, the empty line and what else follows its fields included,
 * with the edits: the first field of a name is set in its place, others of that name go; one that was not there comes
 * last. No two edits are of one name. Returns 0, -EINVAL or -ENOBUFS as header_append. */
int header_edit_apply(struct str section, const struct header *header,
                      const struct header_edit edits[], size_t count, struct buf *out);

/* From in the name of `address` for a message of somebody else: "Anna via support" <support@example.com>. What is shown
 * is the author's name, or the local part of the author's address. In the arena. */
struct str header_edit_via(const struct header *header, const struct mailbox *address,
                           struct arena *arena);

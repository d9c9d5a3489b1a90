/* Writes the message of a worker's reply() (RFC 5322, MIME, RFC 3834). All fields come from a script or
 * from the message it answers, so nothing in them can add a header field: CR, LF and NUL are refused. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define COMPOSE_FIELD_BYTES_MAX 4000 /* of the subject, and of each value in headers */

struct compose_header {
    struct str name, value;
};

struct compose_reply {
    struct str from, to;                  /* mailboxes: local@domain */
    struct str subject;                   /* UTF-8; may be empty */
    struct str text, html;                /* UTF-8; one of them may be empty */
    const struct compose_header *headers; /* on top of ours; values in UTF-8 */
    size_t header_count;
    struct str in_reply_to; /* "<id>" */
    struct str references;  /* "<id> <id>", or empty (mail/answer.h) */
    struct str message_id;  /* "<id>" */
    uint64_t date_ms;       /* Unix time */
};

/* Appends the whole message with CRLF line ends; it needs SMTPUTF8 if a local part is not ASCII. Returns
 * 0; or, with `out` as it was, -EINVAL with what is wrong in words for the script's author, or -ENOBUFS
 * past the buffer's ceiling. */
int compose_reply(const struct compose_reply *parts, struct buf *out, struct err *err);

/* Appends a message that a script wrote itself, its line ends normalised, with what it lacks of
 * Message-ID, Date and Auto-Submitted in front. Returns 0, -EINVAL or -ENOBUFS as above. */
int compose_raw_reply(struct str raw, struct str message_id, uint64_t date_ms,
                      struct buf *out, struct err *err);
/* The same for a message that answers none. */
int compose_raw_message(struct str raw, struct str message_id, uint64_t date_ms,
                        struct buf *out, struct err *err);

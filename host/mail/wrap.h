/* A message of ours that has another one attached, untouched (RFC 2046 section 5.2.1): what cannot go on in its author's
 * name goes on so. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "mail/mailbox.h"

struct wrap {
    const struct mailbox *to;
    struct str from_field; /* From's value (header_edit_via) */
    struct str subject;    /* of the message within; one line, hostile as it may be */
    struct str message_id; /* "<id>" */
    struct str boundary;   /* that nobody outside can know */
    uint64_t date_ms;
    const struct str *parts; /* the message within, its last line ended or not */
    size_t part_count;
};

/* Appends the whole. Returns 0 or -ENOBUFS. */
int wrap_message(const struct wrap *wrap, struct buf *out);

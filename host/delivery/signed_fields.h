/* Which fields of a header our signatures cover. One choice serves DKIM-Signature and ARC-Message-Signature. */
#pragma once

#include "base/buf.h"
#include "mail/header.h"

/* Appends what h= says ("From:From:To:To") to `names`, and the fields in relaxed form, in that order, to `text`.
 * A field that readers go by is named once more than it occurs, so that none can be added (RFC 6376 section
 * 8.15). Of a header with hundreds of them, the first ones from below are covered: SIGNED_FIELDS_MAX in all. */
#define SIGNED_FIELDS_MAX 200
void signed_fields_choose(const struct header *header, struct buf *names, struct buf *text);

/* The Sender Rewriting Scheme: a reverse-path at a domain of ours that leads back to the original one, so that SPF
 * passes at the next hop and bounces still reach people.
 *
 *     SRS0=HHHH=TT=orig.test=user@ours.test     first forwarder
 *     SRS1=HHHH=fwd.test==HHHH=TT=orig.test=user@ours.test   after another SRS forwarder, fwd.test
 *
 * HHHH is a MAC over all that follows it, compared without case; TT is the day, modulo 1024. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "mail/mailbox.h"
#include "mail/secret.h"

#define SRS_VALID_DAYS 21

/* Whether the local part says that it is one of these, whatever becomes of it. */
bool srs_is_address(const struct mailbox *address);

/* Rewrites `original` (not null, not at `domain` itself) to an address at `domain`, in the arena. Returns 0, or
 * -ENAMETOOLONG when the result would not fit into MAILBOX_BYTES_MAX. */
int srs_encode(const struct secret *secret, const struct mailbox *original, struct str domain,
               uint64_t now_ms, struct arena *arena, struct mailbox *rewritten);

enum srs_result {
    SRS_OK,
    SRS_FORGED,  /* its MAC is none of ours, or it is malformed */
    SRS_EXPIRED, /* ours, but older than SRS_VALID_DAYS */
};

/* The address that a bounce to `address` is for: the original one (SRS0), or the SRS0 address at the forwarder that
 * rewrote it first (SRS1). */
enum srs_result srs_decode(const struct secret *secret, const struct mailbox *address,
                           uint64_t now_ms, struct arena *arena, struct mailbox *original);

/* The Sender Rewriting Scheme: a reverse-path at a domain of ours that leads back to the original one, so that SPF
 * passes at the next hop and bounces still reach people.
 *
 *     SRS0=HHHHHHHH=TT=orig.test=user@ours.test                          first forwarder
 *     SRS1=HHHHHHHHTT=fwd.test==HHH=TT=orig.test=user@ours.test          after another SRS forwarder, fwd.test
 *
 * HHHHHHHH is a MAC over all that stands with it, compared without case; TT is the day, modulo 1024. What has no
 * case in it comes back as it was; so does a local part's case, unless somebody on the way folded it. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "mail/mailbox.h"
#include "mail/secret.h"

#define SRS_VALID_DAYS 21

/* Whether the local part says that it is one of these, whatever becomes of it. */
bool srs_is_address(const struct mailbox *address);

/* Rewrites `original` to an address at `domain`, in the arena; a null one, and one that is at `domain` already, stay
 * as they are. Returns 0, or -ENAMETOOLONG when the result would not fit into MAILBOX_BYTES_MAX. */
int srs_encode(const struct secret *secret, const struct mailbox *original,
               struct str domain, uint64_t now_ms, struct arena *arena,
               struct mailbox *rewritten);

enum srs_result {
    SRS_OK,
    SRS_FORGED,  /* its MAC is none of ours, or it is malformed */
    SRS_EXPIRED, /* ours, but older than SRS_VALID_DAYS, or of a day that is yet to come */
};

/* The address that a bounce to `address` is for: the original one (SRS0), or the SRS0 address at the forwarder that
 * rewrote it first (SRS1). It is filled in for an expired one too, for who wants to know. */
enum srs_result srs_decode(const struct secret *secret, const struct mailbox *address,
                           uint64_t now_ms, struct arena *arena, struct mailbox *original);

/* When an address that is ours expires, or did last (Unix time, ms). */
uint64_t srs_expires_ms(const struct mailbox *address, uint64_t now_ms);

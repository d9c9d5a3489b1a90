/* What goes on top of a message that leaves: an ARC set (RFC 8617) and DKIM signatures (RFC 6376), by one signer over
 * one canonicalisation; the body is hashed once for all of them. Another scheme is another function behind
 * seal_message. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "delivery/key_ring.h"
#include "mail/header.h"

/* What verification found of the chain that the message came with. */
enum seal_chain { SEAL_CHAIN_NONE, SEAL_CHAIN_PASS, SEAL_CHAIN_FAIL };

#define SEAL_RESULTS_BYTES_MAX ((size_t)64 * 1024)

struct seal_request {
    const struct header *
        header; /* of the message as it goes on, without the fields that are added on top */
    struct str body;
    /* Who signs, most important first; a domain without keys, and one named twice, is passed over. The first one
     * with keys also makes the ARC set. */
    const struct str *domains;
    size_t domain_count;
    /* For ARC-Authentication-Results, without the field's name: "mx.ours.test; spf=pass …", folded or not, at most
     * SEAL_RESULTS_BYTES_MAX. Empty: no ARC set (a message of our own, or one whose chain could not be verified for
     * now). */
    struct str results;
    enum seal_chain chain;
    uint64_t now_ms;
};

/* The fields, each with its CRLF, in the order in which they go on top; empty when nobody signs. Nothing of ARC is
 * added to a chain that a sealer before us has ended (cv=fail), nor past 50 sets. In a task, a body over 256 KiB lets
 * others run in between. Returns 0, -ECANCELED or -ETIMEDOUT, or -EIO with the reason when a key cannot sign. */
int seal_message(const struct key_ring *ring, const struct seal_request *request,
                 struct arena *arena, struct str *fields, struct err *err);

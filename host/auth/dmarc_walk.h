/* The DNS Tree Walk (RFC 9989 section 4.10): asks for DMARC records from a domain up to its top-level
 * domain, in at most eight questions, and finds the Organizational Domain. */
#pragma once

#include <stdbool.h>

#include "auth/dmarc_record.h"
#include "base/arena.h"
#include "net/dns.h"

#define DMARC_WALK_LEVELS_MAX AUTH_DMARC_STEPS_MAX

struct dmarc_level {
    struct str domain;
    bool is_asked;
    bool is_failed;  /* by the DNS; no word about a record then */
    bool has_record; /* exactly one DMARC record is published */
    bool has_several;
    struct str text; /* of the one record */
    struct dmarc_record record;
};

struct dmarc_walk {
    struct dns *dns;
    struct arena *arena;
    struct dmarc_level levels[DMARC_WALK_LEVELS_MAX]; /* the domain itself, then upwards */
    size_t count;
    unsigned query_count; /* asked so far */
};

/* Prepares a walk from `domain` (normal form), which lives as long as the arena; asks nothing. */
void dmarc_walk_init(struct dmarc_walk *walk, struct dns *dns, struct arena *arena,
                     struct str domain);

/* Takes over what another walk has already been told of the same domains. */
void dmarc_walk_share(struct dmarc_walk *walk, const struct dmarc_walk *known);

/* Asks for the record of the domain itself, or for all others at once, if they have not been asked for.
 * Returns 0, or -ECANCELED; what the DNS cannot tell in time is in is_failed. */
int dmarc_walk_ask_first(struct dmarc_walk *walk);
int dmarc_walk_ask_all(struct dmarc_walk *walk);

/* What a whole walk has found. */
struct dmarc_walk_end {
    bool is_failed; /* an answer is missing that counts */
    struct str organizational_domain;
    /* The record for a domain without one of its own: that of the Organizational Domain, or else of the
     * Public Suffix Domain; NULL if there is none. */
    const struct dmarc_level *inherited;
};
struct dmarc_walk_end dmarc_walk_finish(const struct dmarc_walk *walk);

/* For people to read: the names that were asked for, and what was found there. */
void dmarc_walk_tell(const struct dmarc_walk *walk, struct auth_dmarc *dmarc);

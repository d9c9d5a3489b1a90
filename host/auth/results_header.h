/* Authentication-Results (RFC 8601) and our own X-Postern- fields: what is forged of them in a message, what
 * we put on top of it, and what somebody else's field says. */
#pragma once

#include "auth/options.h"
#include "auth/verdict.h"
#include "base/arena.h"
#include "mail/message.h"

/* --- forged ones --- */

/* The fields of `raw` that must not go on: every X-Postern- field, and each Authentication-Results with our
 * authserv-id (a domain, in any form) or without one that can be read (somebody downstream might read ours in it). `ranges` are whole
 * fields as views into `raw`, in order, in the arena; returns how many. Fields that the index left out
 * (past HEADER_FIELDS_MAX) are looked at too. */
size_t auth_results_forged(struct str raw, const struct header *header,
                           struct str authserv_id, struct arena *arena,
                           struct str **ranges);

/* --- ours --- */

/* The header fields to go on top: "Authentication-Results: …\r\n" with the checks that are not off, then
 * X-Postern-Spam-Score, X-Postern-Block-List and X-Postern-Quarantine where there is something to say. In
 * the arena, bounded, folded; nothing that DNS or the message says can break out of its place in them.
 * `quarantined_by` is the check that says so, or "". */
struct str auth_results_fields(const struct auth_options *options,
                               const struct message *message,
                               const struct auth_verdict *verdict,
                               const char *quarantined_by, struct arena *arena);

/* --- anybody's --- */

#define AUTH_RESULTS_ITEMS_MAX      64
#define AUTH_RESULTS_PROPERTIES_MAX 32

struct auth_results_property {
    struct str
        type; /* "smtp", "header", "policy"; empty: the field has none (Microsoft's action=) */
    struct str name;
    struct str value; /* unquoted */
};

struct auth_results_item {
    struct str method; /* "dkim" */
    struct str result; /* "pass" */
    struct str reason; /* unquoted, or empty */
    const struct auth_results_property *properties;
    size_t property_count;
};

struct auth_results {
    struct str authserv_id;                /* unquoted */
    const struct auth_results_item *items; /* none: "none" */
    size_t count;
};

/* Reads the value of an Authentication-Results field, folded or not; of an ARC-Authentication-Results,
 * what follows its "i=1;". Comments are passed over. In the arena. Returns 0, or -EINVAL when it is malformed
 * or has more than the bounds above. */
int auth_results_parse(struct str value, struct arena *arena, struct auth_results *results);

/* What it says of a method: the first item of it that is a word of RFC 8601, AUTH_NONE if there is none. */
enum auth_result auth_results_of(const struct auth_results *results, struct str method);

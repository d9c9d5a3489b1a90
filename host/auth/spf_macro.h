/* Macros of SPF records (RFC 7208 section 7): their syntax, and what they expand to. No I/O. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

/* What the letters stand for. */
struct spf_macro_values {
    struct str sender;        /* s: local@sender_domain */
    struct str local;         /* l: "postmaster" if there is none */
    struct str sender_domain; /* o */
    struct str domain;        /* d: whose record is evaluated */
    struct str address;       /* i: "192.0.2.1", "2.0.0.1.0.d.b.8.…" */
    struct str validated;     /* p: a reverse name that leads back, or "unknown" */
    struct str helo;          /* h */
    bool is_v6;               /* v: "ip6" or "in-addr" */
};

bool spf_macro_is_string(struct str text);
/* With an end that can be a domain's, without the letters that only explanations may use, and of 1024 bytes
 * at most. */
bool spf_macro_is_domain_spec(struct str text);
/* True if `letter` (lower case) stands in a well-formed text: p costs DNS questions. */
bool spf_macro_uses(struct str text, char letter);

/* The domain that a well-formed domain-spec stands for: in lower case, without its final dot, and without as many labels
 * at its start as make it longer than a domain can be. Any byte may be in it, and it need be no possible
 * name. */
struct str spf_macro_expand(struct str spec, const struct spf_macro_values *values,
                            struct arena *arena);

/* Public keys of DKIM and ARC: asked for in DNS (RFC 6376 section 3.6), judged (RFC 8301, RFC 8463), and used
 * to check a signature. */
#pragma once

#include <stdbool.h>

#include "auth/dkim_public_key.h"
#include "auth/verdict.h"
#include "base/arena.h"
#include "net/dns.h"

#define AUTH_DKIM_KEY_BITS_MIN 1024
#define AUTH_DKIM_KEY_BITS_MAX 4096

struct auth_dkim_key {
    enum auth_result
        result;        /* AUTH_PASS: it can be used; else temperror, permerror, policy */
    struct str reason; /* why not */
    enum auth_dkim_algorithm algorithm;
    unsigned bits;
    bool is_for_domain_only;            /* t=s: i= may name no subdomain */
    struct dkim_public_key *public_key; /* NULL unless AUTH_PASS */
};

/* Asks for the key of `selector` at `domain`, both in normal form, until `deadline_ms`, and judges the answer.
 * Returns 0 with the key, which must be released, or -ECANCELED. */
int auth_dkim_key_fetch(struct dns *dns, struct str domain, struct str selector,
                        uint64_t deadline_ms, struct arena *arena,
                        struct auth_dkim_key *key);
/* The same for one record's text, for which nobody needs to be asked. */
void auth_dkim_key_read(struct str record, struct arena *arena, struct auth_dkim_key *key);
/* Does nothing to one that could not be used. */
void auth_dkim_key_release(struct auth_dkim_key *key);

/* True if `signature` is this key's over the SHA-256 of `text`. */
bool auth_dkim_key_verifies(const struct auth_dkim_key *key, struct str text,
                            struct str signature);

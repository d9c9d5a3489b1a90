/* A public key that signatures are checked with, ready to do so again and again: decoding it, and having OpenSSL
 * look up what it needs for it, costs nearly as much as a check. */
#pragma once

#include <stdbool.h>

#include "base/str.h"
#include "mail/canonical.h"

enum auth_dkim_algorithm { DKIM_RSA_SHA256, DKIM_ED25519_SHA256 };

struct dkim_public_key;

/* Of what a p= decodes to (RFC 6376 section 3.6.1, RFC 8463 section 4), counted; NULL if that is no key of its
 * kind, or one whose exponent would make each check a burden. */
struct dkim_public_key *dkim_public_key_new(enum auth_dkim_algorithm algorithm,
                                            struct str bytes);
struct dkim_public_key *dkim_public_key_keep(struct dkim_public_key *key);
/* NULL is ignored. */
void dkim_public_key_release(struct dkim_public_key *key);

unsigned dkim_public_key_bits(const struct dkim_public_key *key);
/* True if `signature` is this key's over the text of which `hash` is the SHA-256. */
bool dkim_public_key_verifies(struct dkim_public_key *key,
                              const unsigned char hash[CANONICAL_HASH_BYTES],
                              struct str signature);

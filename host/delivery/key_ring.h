/* The private keys that Postern signs with, loaded once: <directory>/<domain>/<selector>.pem (PKCS#8; RSA-2048 and
 * longer, or Ed25519), and <directory>/<domain>/active with the selectors in use, one a line: usually one, or an RSA
 * and an Ed25519 one for two signatures. Other keys there wait to be published or are on their way out: those stand in
 * <directory>/<domain>/retired, "<selector> <since when>". */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct evp_pkey_st;
struct signer;

struct signing_key {
    struct str domain, selector; /* normal form */
    bool is_ed25519;
    bool is_active;
    struct str
        retired_at; /* "2026-11-22T08:00:00Z"; empty: it is in use, or has never been */
    struct evp_pkey_st *private_key;
    struct signer *signer; /* of that key */
};

struct key_ring;

/* Loads every key; a directory that is not there is an empty ring. NULL when a file cannot be read, is no key, is too
 * weak or larger than verifiers must accept, or may be read by everybody, when `active` names a key that is not there
 * or more than KEY_RING_ACTIVE_MAX, or a folder's name is no domain: with the file's name in `err`. Blocks. Counted.
 * What is hidden (".x") or has another name than <selector>.pem is passed over. */
#define KEY_RING_ACTIVE_MAX  4
#define SIGNING_KEY_BITS_MIN 2048
#define SIGNING_KEY_BITS_MAX 4096
struct key_ring *key_ring_load(const char *directory, struct err *err);
struct key_ring *key_ring_keep(struct key_ring *ring);
void key_ring_release(struct key_ring *ring);

/* The active keys of a domain, or, where it has none, of the nearest parent domain that has: `count` of them, the RSA
 * one first; NULL and 0 when there are none. A DKIM d= is the key's own domain (relaxed alignment covers the rest). */
const struct signing_key *const *key_ring_find(const struct key_ring *ring,
                                               struct str domain, size_t *count);
/* All keys, by domain and selector. */
void key_ring_each(const struct key_ring *ring,
                   void (*see)(const struct signing_key *key, void *arg), void *arg);

/* The TXT record to publish at <selector>._domainkey.<domain>: "v=DKIM1; k=rsa; p=…" in the arena. */
struct str signing_key_record(const struct signing_key *key, struct arena *arena);
/* The name of that record. */
struct str signing_key_name(const struct signing_key *key, struct arena *arena);

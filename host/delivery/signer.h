/* One private key at work: rsa-sha256 (RFC 6376 section 3.3) and ed25519-sha256 (RFC 8463). What OpenSSL needs is
 * fetched and set up once, so that a signature costs what the key's own arithmetic costs. One thread at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

#define SIGNATURE_BYTES_MAX 512 /* RSA-4096 */

struct evp_pkey_st;
struct signer;

/* Of an RSA or Ed25519 key, which it keeps a reference to. NULL when OpenSSL will not sign with it. */
struct signer *signer_new(struct evp_pkey_st *private_key);
/* NULL is ignored. */
void signer_free(struct signer *signer);

/* Signs the SHA-256 of `text`: the number of bytes at `signature`, or -EIO. */
int signer_sign(struct signer *signer, struct str text,
                unsigned char signature[SIGNATURE_BYTES_MAX]);

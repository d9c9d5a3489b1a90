#include "dkim_public_key.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/mem.h"

#define ED25519_KEY_BYTES 32
#define EXPONENT_BITS_MAX 64

struct dkim_public_key {
    size_t references;
    EVP_PKEY *key;
    EVP_PKEY_CTX *rsa; /* set up for PKCS #1 and SHA-256; NULL for Ed25519 */
};

/* --- decoding --- */

/* A public exponent as long as the modulus makes a check as dear as a signature. */
static bool is_exponent_small(const EVP_PKEY *key)
{
    BIGNUM *exponent = NULL;
    bool is_small = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) &&
                    BN_num_bits(exponent) <= EXPONENT_BITS_MAX;
    BN_free(exponent);
    return is_small;
}

/* Senders publish a SubjectPublicKeyInfo, as the RFC's example does, or the RSAPublicKey of its text. */
static EVP_PKEY *decode_rsa(struct str der)
{
    const unsigned char *at = (const unsigned char *)der.at;
    const unsigned char *end = at + der.length;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)der.length);
    if (!key) {
        at = (const unsigned char *)der.at;
        key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)der.length);
    }
    if (key && (at != end || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
                !is_exponent_small(key))) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static EVP_PKEY *decode(enum auth_dkim_algorithm algorithm, struct str bytes)
{
    if (algorithm == DKIM_RSA_SHA256)
        return decode_rsa(bytes);
    if (bytes.length != ED25519_KEY_BYTES)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
                                       (const unsigned char *)bytes.at, bytes.length);
}

/* NULL if OpenSSL does not want to check with this key. */
static EVP_PKEY_CTX *rsa_context(EVP_PKEY *key)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    if (EVP_PKEY_verify_init(context) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
        EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1)
        return context;
    EVP_PKEY_CTX_free(context);
    return NULL;
}

/* --- its life --- */

/* What OpenSSL notes of a failure must not be found by the next TLS session. */
struct dkim_public_key *dkim_public_key_new(enum auth_dkim_algorithm algorithm,
                                            struct str bytes)
{
    bool is_rsa = algorithm == DKIM_RSA_SHA256;
    EVP_PKEY *decoded = decode(algorithm, bytes);
    EVP_PKEY_CTX *rsa = decoded && is_rsa ? rsa_context(decoded) : NULL;
    ERR_clear_error();
    if (!decoded || (is_rsa && !rsa)) {
        EVP_PKEY_free(decoded);
        return NULL;
    }
    struct dkim_public_key *key = mem_zero(1, sizeof *key);
    *key = (struct dkim_public_key){1, decoded, rsa};
    return key;
}

struct dkim_public_key *dkim_public_key_keep(struct dkim_public_key *key)
{
    key->references++;
    return key;
}

void dkim_public_key_release(struct dkim_public_key *key)
{
    if (!key || --key->references > 0)
        return;
    EVP_PKEY_CTX_free(key->rsa);
    EVP_PKEY_free(key->key);
    free(key);
}

/* --- using it --- */

unsigned dkim_public_key_bits(const struct dkim_public_key *key)
{
    return (unsigned)EVP_PKEY_get_bits(key->key);
}

/* RFC 8463 section 3: Ed25519 signs the hash, as a message of its own. */
static bool verify_ed25519(EVP_PKEY *key, const unsigned char *hash, struct str signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_good = EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                   EVP_DigestVerify(context, (const unsigned char *)signature.at,
                                    signature.length, hash, CANONICAL_HASH_BYTES) == 1;
    EVP_MD_CTX_free(context);
    return is_good;
}

bool dkim_public_key_verifies(struct dkim_public_key *key,
                              const unsigned char hash[CANONICAL_HASH_BYTES],
                              struct str signature)
{
    bool is_good = key->rsa
                       ? EVP_PKEY_verify(key->rsa, (const unsigned char *)signature.at,
                                         signature.length, hash, CANONICAL_HASH_BYTES) == 1
                       : verify_ed25519(key->key, hash, signature);
    if (!is_good)
        ERR_clear_error();
    return is_good;
}

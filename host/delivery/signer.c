/* An EVP_PKEY_CTX that is set up for signatures can make any number of them; a digest for Ed25519, which is
 * one-shot, is set up anew each time. No signature is made before the first message's: OpenSSL ties an RSA key's
 * blinding to the thread that first uses it, and keys are loaded on another one. */
#include "signer.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/mem.h"

struct signer {
    EVP_PKEY *key;
    EVP_MD *sha256;
    EVP_MD_CTX *digest;
    /* One of the two is there. */
    EVP_PKEY_CTX *rsa;
    EVP_MD_CTX *ed25519;
};

static bool set_up_ed25519(struct signer *signer)
{
    signer->ed25519 = EVP_MD_CTX_new();
    return signer->ed25519 &&
           EVP_DigestSignInit(signer->ed25519, NULL, NULL, NULL, signer->key) == 1;
}

static bool set_up_rsa(struct signer *signer)
{
    signer->rsa = EVP_PKEY_CTX_new(signer->key, NULL);
    return signer->rsa && EVP_PKEY_sign_init(signer->rsa) == 1 &&
           EVP_PKEY_CTX_set_rsa_padding(signer->rsa, RSA_PKCS1_PADDING) == 1 &&
           EVP_PKEY_CTX_set_signature_md(signer->rsa, signer->sha256) == 1;
}

struct signer *signer_new(EVP_PKEY *private_key)
{
    struct signer *signer = mem_zero(1, sizeof *signer);
    EVP_PKEY_up_ref(private_key);
    signer->key = private_key;
    signer->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    signer->digest = EVP_MD_CTX_new();
    bool is_ready =
        signer->sha256 && signer->digest &&
        EVP_PKEY_get_size(private_key) <= SIGNATURE_BYTES_MAX &&
        (EVP_PKEY_is_a(private_key, "RSA") ? set_up_rsa(signer) : set_up_ed25519(signer));
    if (is_ready)
        return signer;
    ERR_clear_error();
    signer_free(signer);
    return NULL;
}

void signer_free(struct signer *signer)
{
    if (!signer)
        return;
    EVP_PKEY_CTX_free(signer->rsa);
    EVP_MD_CTX_free(signer->ed25519);
    EVP_MD_CTX_free(signer->digest);
    EVP_MD_free(signer->sha256);
    EVP_PKEY_free(signer->key);
    free(signer);
}

static bool sign_hash(struct signer *signer, const unsigned char *hash, size_t hash_bytes,
                      unsigned char *signature, size_t *bytes)
{
    if (signer->rsa)
        return EVP_PKEY_sign(signer->rsa, signature, bytes, hash, hash_bytes) == 1;
    return EVP_DigestSignInit(signer->ed25519, NULL, NULL, NULL, signer->key) == 1 &&
           EVP_DigestSign(signer->ed25519, signature, bytes, hash, hash_bytes) == 1;
}

int signer_sign(struct signer *signer, struct str text,
                unsigned char signature[SIGNATURE_BYTES_MAX])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned hash_bytes = 0;
    size_t bytes = SIGNATURE_BYTES_MAX;
    bool is_signed = EVP_DigestInit_ex(signer->digest, signer->sha256, NULL) == 1 &&
                     EVP_DigestUpdate(signer->digest, text.at, text.length) == 1 &&
                     EVP_DigestFinal_ex(signer->digest, hash, &hash_bytes) == 1 &&
                     sign_hash(signer, hash, hash_bytes, signature, &bytes);
    ERR_clear_error();
    return is_signed ? (int)bytes : -EIO;
}

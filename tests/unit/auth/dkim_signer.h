/* Signs messages for tests, well or badly: the tags are the test's own, only bh= and b= are computed. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "mail/canonical.h"
#include "mail/message.h"

/* --- keys --- */

struct signer {
    EVP_PKEY *key;
    char public_text[1024]; /* the value of p= */
};

static inline void signer_publish_rsa(struct signer *signer, const EVP_PKEY *key)
{
    unsigned char der[750];
    unsigned char *at = der;
    int length = i2d_PUBKEY(key, NULL);
    assert_true(length > 0 && (size_t)length < sizeof der);
    assert_int_equal(i2d_PUBKEY(key, &at), length);
    EVP_EncodeBlock((unsigned char *)signer->public_text, der, length);
}

static inline void signer_open_rsa(struct signer *signer, unsigned bits)
{
    signer->key = EVP_RSA_gen(bits);
    assert_non_null(signer->key);
    signer_publish_rsa(signer, signer->key);
}

/* One that publishes a key of such measures, which nobody has, and signs with the key of `other`. */
static inline void signer_open_pretended(struct signer *signer, const struct signer *other,
                                         int bits, int exponent_bits)
{
    EVP_PKEY *key = NULL;
    BIGNUM *modulus = BN_new();
    BIGNUM *exponent = BN_new();
    BN_rand(modulus, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
    BN_rand(exponent, exponent_bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus);
    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent);
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY_fromdata_init(context);
    assert_int_equal(EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters), 1);
    signer_publish_rsa(signer, key);
    signer->key = other->key;
    EVP_PKEY_up_ref(signer->key);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    BN_free(modulus);
    BN_free(exponent);
    EVP_PKEY_free(key);
}

static inline void signer_open_ed25519(struct signer *signer)
{
    unsigned char raw[32];
    size_t length = sizeof raw;
    signer->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_non_null(signer->key);
    assert_int_equal(EVP_PKEY_get_raw_public_key(signer->key, raw, &length), 1);
    EVP_EncodeBlock((unsigned char *)signer->public_text, raw, sizeof raw);
}

static inline void signer_close(struct signer *signer)
{
    EVP_PKEY_free(signer->key);
}

/* --- signatures --- */

struct signing {
    const struct signer *signer;
    const char *field_name; /* NULL: DKIM-Signature */
    const char *tags;       /* all but bh= and b= */
    const char *names;      /* what h= in the tags says */
    enum canonical_form header_form, body_form;
    uint64_t limit; /* 0: none */
};

static inline char *signer_base64(struct arena *arena, const unsigned char *bytes,
                                  size_t length)
{
    char *text = arena_alloc(arena, length / 3 * 4 + 5);
    EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
    return text;
}

static inline char *signer_body_hash(const struct signing *signing, struct str body,
                                     struct arena *arena)
{
    struct canonical_hash hash = {.form = signing->body_form,
                                  .limit = signing->limit ? signing->limit : CANONICAL_ALL};
    assert_int_equal(canonical_hash_body(body, &hash, 1), 0);
    return signer_base64(arena, hash.hash, sizeof hash.hash);
}

static inline char *signer_sign(const struct signer *signer, struct str text,
                                struct arena *arena)
{
    bool is_rsa = EVP_PKEY_get_base_id(signer->key) == EVP_PKEY_RSA;
    unsigned char hash[32];
    unsigned char signature[1024];
    size_t length = sizeof signature;
    EVP_Digest(text.at, text.length, hash, NULL, EVP_sha256(), NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(
        EVP_DigestSignInit(context, NULL, is_rsa ? EVP_sha256() : NULL, NULL, signer->key),
        1);
    if (!is_rsa)
        text = (struct str){(const char *)hash, sizeof hash};
    assert_int_equal(EVP_DigestSign(context, signature, &length,
                                    (const unsigned char *)text.at, text.length),
                     1);
    EVP_MD_CTX_free(context);
    return signer_base64(arena, signature, length);
}

/* `raw` with a signature on top. */
static inline char *signer_add(const struct signing *signing, const char *raw,
                               struct arena *arena)
{
    struct header header;
    struct buf text;
    const char *name = signing->field_name ? signing->field_name : "DKIM-Signature";
    header_parse(str_of(raw), arena, &header);
    struct str body = str_from(str_of(raw), header.body_offset);
    char *field = arena_printf(arena, "%s: %s; bh=%s; b=", name, signing->tags,
                               signer_body_hash(signing, body, arena));
    struct str whole = str_of(field);
    buf_init(&text, (size_t)1 << 20);
    assert_int_equal(canonical_fields(signing->header_form, &header, NULL,
                                      str_of(signing->names), &text),
                     0);
    assert_int_equal(canonical_signature(signing->header_form, whole,
                                         str_from(whole, whole.length), &text),
                     0);
    char *b = signer_sign(signing->signer, buf_view(&text), arena);
    buf_free(&text);
    return arena_printf(arena, "%s%s\r\n%s", field, b, raw);
}

/* A message of these bytes, received at `received_ms`. */
static inline struct message *signer_message(const char *raw, uint64_t received_ms)
{
    struct message *message = message_new();
    message->raw = blob_copy(str_of(raw));
    message->received_at = received_ms;
    header_parse(blob_view(message->raw), message->arena, &message->header);
    return message;
}

/* Decoding a key costs more than using it, and a host sees the same few keys over and over: decoded keys are
 * kept by the text of their p=. What is kept says nothing of whether a domain still publishes it: DNS is
 * asked each time. A slot's newer key drives out the older, so that strangers can make us slower, but
 * not larger. */
#include "dkim_key.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/mem.h"
#include "base/task.h"
#include "mail/tag_list.h"

#define ED25519_KEY_BYTES  32
#define EXPONENT_BITS_MAX  64
#define KEY_TEXT_BYTES_MAX 2048 /* of p=: 4096 bits are some 740 */
#define KEPT_KEYS          256

/* --- decoded keys --- */

struct kept_key {
    enum auth_dkim_algorithm algorithm;
    char *text; /* of p= */
    size_t text_bytes;
    EVP_PKEY *public_key;
};

static struct kept_key kept_keys[KEPT_KEYS];

/* The end of p= is the exponent, alike in all; the beginning says the length. */
static struct kept_key *kept_slot(struct str text)
{
    unsigned hash = 0;
    for (size_t i = 0; i < text.length; i++)
        hash = hash * 31 + (unsigned char)text.at[i];
    return &kept_keys[hash % KEPT_KEYS];
}

static EVP_PKEY *find_kept(enum auth_dkim_algorithm algorithm, struct str text)
{
    const struct kept_key *kept = kept_slot(text);
    if (!kept->public_key || kept->algorithm != algorithm ||
        !str_equal((struct str){kept->text, kept->text_bytes}, text))
        return NULL;
    EVP_PKEY_up_ref(kept->public_key);
    return kept->public_key;
}

static void keep(enum auth_dkim_algorithm algorithm, struct str text, EVP_PKEY *public_key)
{
    struct kept_key *kept = kept_slot(text);
    free(kept->text);
    EVP_PKEY_free(kept->public_key);
    EVP_PKEY_up_ref(public_key);
    *kept = (struct kept_key){algorithm, mem_copy_text(text.at, text.length), text.length,
                              public_key};
}

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

static EVP_PKEY *decode_kind(enum auth_dkim_algorithm algorithm, struct str bytes)
{
    if (algorithm == DKIM_RSA_SHA256)
        return decode_rsa(bytes);
    if (bytes.length != ED25519_KEY_BYTES)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
                                       (const unsigned char *)bytes.at, bytes.length);
}

/* What OpenSSL notes of a failure must not be found by the next TLS session. */
static EVP_PKEY *decode(enum auth_dkim_algorithm algorithm, struct str bytes)
{
    EVP_PKEY *key = decode_kind(algorithm, bytes);
    ERR_clear_error();
    return key;
}

/* --- judging --- */

static void refuse(struct auth_dkim_key *key, enum auth_result result, const char *reason)
{
    key->result = result;
    key->reason = str_of(reason);
}

static void judge_strength(struct auth_dkim_key *key, struct arena *arena)
{
    key->bits = (unsigned)EVP_PKEY_get_bits(key->public_key);
    if (key->algorithm != DKIM_RSA_SHA256)
        return;
    if (key->bits < AUTH_DKIM_KEY_BITS_MIN)
        refuse(key, AUTH_POLICY, arena_printf(arena, "key has only %u bits", key->bits));
    else if (key->bits > AUTH_DKIM_KEY_BITS_MAX)
        refuse(key, AUTH_PERMERROR, arena_printf(arena, "key has %u bits", key->bits));
}

static void read_public_key(struct str text, struct arena *arena, struct auth_dkim_key *key)
{
    struct str bytes;
    key->public_key = find_kept(key->algorithm, text);
    if (!key->public_key) {
        if (text.length <= KEY_TEXT_BYTES_MAX && tag_base64(text, arena, &bytes) == 0)
            key->public_key = decode(key->algorithm, bytes);
        if (!key->public_key) {
            refuse(key, AUTH_PERMERROR, "key record: p= is no key of its kind");
            return;
        }
        keep(key->algorithm, text, key->public_key);
    }
    judge_strength(key, arena);
}

/* RFC 6376 section 3.6.1: what the tags but p= allow. Returns what they do not. */
static const char *wrong_tag(const struct tag_list *tags, struct auth_dkim_key *key)
{
    const struct tag *version = tag_list_find(tags, STR("v"));
    const struct tag *kind = tag_list_find(tags, STR("k"));
    const struct tag *hashes = tag_list_find(tags, STR("h"));
    const struct tag *services = tag_list_find(tags, STR("s"));
    if (version && (version != tags->tags || !str_equal(version->value, STR("DKIM1"))))
        return "key record: v= is not DKIM1, or not its first tag";
    if (kind && str_equal_nocase(kind->value, STR("ed25519")))
        key->algorithm = DKIM_ED25519_SHA256;
    else if (kind && !str_equal_nocase(kind->value, STR("rsa")))
        return "key record: k= names an unknown kind of key";
    if (hashes && !tag_has_element(hashes->value, STR("sha256")))
        return "key record: h= does not allow sha256";
    if (services && !tag_has_element(services->value, STR("email")) &&
        !tag_has_element(services->value, STR("*")))
        return "key record: s= does not allow email";
    return NULL;
}

static void judge_record(const struct tag_list *tags, struct arena *arena,
                         struct auth_dkim_key *key)
{
    const char *reason = wrong_tag(tags, key);
    struct str text = tag_list_value(tags, STR("p"));
    key->is_for_domain_only = tag_has_element(tag_list_value(tags, STR("t")), STR("s"));
    if (reason)
        refuse(key, AUTH_PERMERROR, reason);
    else if (!text.length)
        refuse(key, AUTH_PERMERROR, "key was revoked");
    else
        read_public_key(text, arena, key);
}

/* Without p= it is some other record that stands there, under a wildcard perhaps. */
static bool is_key_record(struct str record, struct tag_list *tags)
{
    return tag_list_parse(record, tags) == 0 && tag_list_find(tags, STR("p"));
}

void auth_dkim_key_read(struct str record, struct arena *arena, struct auth_dkim_key *key)
{
    struct tag_list tags;
    *key = (struct auth_dkim_key){.result = AUTH_PASS};
    if (is_key_record(record, &tags))
        judge_record(&tags, arena, key);
    else
        refuse(key, AUTH_PERMERROR, "no key: what is published is no key record");
    if (key->result != AUTH_PASS)
        auth_dkim_key_release(key);
}

void auth_dkim_key_release(struct auth_dkim_key *key)
{
    EVP_PKEY_free(key->public_key);
    key->public_key = NULL;
}

/* --- asking --- */

/* Section 3.6.2.2: records "MUST be unique"; which of several would be the key is anybody's guess. */
static void judge_answer(const struct dns_answer *answer, struct arena *arena,
                         struct auth_dkim_key *key)
{
    struct tag_list tags;
    const struct dns_record *found = NULL;
    for (size_t i = 0; i < answer->count; i++) {
        if (!is_key_record(answer->records[i].text, &tags))
            continue;
        if (found) {
            refuse(key, AUTH_PERMERROR, "several key records are published");
            return;
        }
        found = &answer->records[i];
    }
    auth_dkim_key_read(found ? found->text : STR(""), arena, key);
}

static int ask_until(struct dns *dns, struct str name, uint64_t deadline_ms,
                     struct arena *arena, struct dns_answer *answer)
{
    uint64_t before = task_deadline_set(deadline_ms);
    if (before < deadline_ms)
        task_deadline_set(before);
    int result = dns_ask(dns, name, DNS_TXT, arena, answer);
    task_deadline_set(before);
    if (result != -ETIMEDOUT)
        return result;
    *answer = (struct dns_answer){.status = DNS_FAILED, .why = "no time left"};
    return 0;
}

int auth_dkim_key_fetch(struct dns *dns, struct str domain, struct str selector,
                        uint64_t deadline_ms, struct arena *arena,
                        struct auth_dkim_key *key)
{
    *key = (struct auth_dkim_key){.result = AUTH_TEMPERROR};
    const char *name =
        arena_printf(arena, "%.*s._domainkey.%.*s", STR_ARG(selector), STR_ARG(domain));
    struct dns_answer answer;
    int result = ask_until(dns, str_of(name), deadline_ms, arena, &answer);
    if (result < 0)
        return result;
    if (answer.status == DNS_FAILED)
        refuse(key, AUTH_TEMPERROR,
               arena_printf(arena, "no answer for %s: %s", name, answer.why));
    else if (answer.status == DNS_OK)
        judge_answer(&answer, arena, key);
    else
        refuse(key, AUTH_PERMERROR, arena_printf(arena, "no key at %s", name));
    return 0;
}

/* --- using --- */

/* RFC 8463 section 3: Ed25519 signs the hash, as a message of its own. */
static bool verify_ed25519(EVP_PKEY *key, const unsigned char *hash, size_t hash_bytes,
                           struct str signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_good = EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                   EVP_DigestVerify(context, (const unsigned char *)signature.at,
                                    signature.length, hash, hash_bytes) == 1;
    EVP_MD_CTX_free(context);
    return is_good;
}

static bool verify_rsa(EVP_PKEY *key, const unsigned char *hash, size_t hash_bytes,
                       struct str signature)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    bool is_good = EVP_PKEY_verify_init(context) == 1 &&
                   EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
                   EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
                   EVP_PKEY_verify(context, (const unsigned char *)signature.at,
                                   signature.length, hash, hash_bytes) == 1;
    EVP_PKEY_CTX_free(context);
    return is_good;
}

bool auth_dkim_key_verifies(const struct auth_dkim_key *key, struct str text,
                            struct str signature)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned hash_bytes = 0;
    invariant(key->public_key, "dkim: only a key that can be used verifies");
    invariant(EVP_Digest(text.at, text.length, hash, &hash_bytes, EVP_sha256(), NULL),
              "dkim: SHA-256 is there");
    bool is_good = key->algorithm == DKIM_RSA_SHA256
                       ? verify_rsa(key->public_key, hash, hash_bytes, signature)
                       : verify_ed25519(key->public_key, hash, hash_bytes, signature);
    ERR_clear_error();
    return is_good;
}

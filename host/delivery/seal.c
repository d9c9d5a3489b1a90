/* First the DKIM-Signatures, then the set of ARC, which covers them (RFC 8617 section 5.1). What all signatures share
 * is made once: the body's hash, h=, and the canonical fields that it names. */
#include "seal.h"

#include <openssl/evp.h>

#include "base/mem.h"
#include "delivery/seal_field.h"
#include "delivery/sealing.h"
#include "delivery/signed_fields.h"
#include "mail/arc_set.h"
#include "mail/canonical.h"

#define NAMES_BYTES_MAX ((size_t)16 * 1024)

/* The keys that sign, each once. */
struct signers {
    const struct signing_key **keys;
    size_t count;
};

static bool has_key(const struct signers *signers, const struct signing_key *key)
{
    for (size_t i = 0; i < signers->count; i++)
        if (signers->keys[i] == key)
            return true;
    return false;
}

static struct signers choose_keys(const struct key_ring *ring,
                                  const struct seal_request *request, struct arena *arena)
{
    struct signers signers = {0};
    signers.keys = arena_array(arena, const struct signing_key *,
                               request->domain_count *KEY_RING_ACTIVE_MAX);
    for (size_t i = 0; i < request->domain_count; i++) {
        size_t count;
        const struct signing_key *const *keys =
            key_ring_find(ring, request->domains[i], &count);
        for (size_t k = 0; k < count; k++)
            if (!has_key(&signers, keys[k]))
                signers.keys[signers.count++] = keys[k];
    }
    return signers;
}

static int hash_body(struct sealing *sealing)
{
    struct canonical_hash hash = {.form = CANONICAL_RELAXED, .limit = CANONICAL_ALL};
    int result = canonical_hash_body(sealing->request->body, &hash, 1);
    if (result == 0)
        EVP_EncodeBlock((unsigned char *)sealing->body_hash, hash.hash, sizeof hash.hash);
    return result;
}

/* No signature is over more than the header, our DKIM-Signatures and a set of ours. */
static size_t text_bytes_max(const struct header *header, size_t signature_count)
{
    size_t bytes = (signature_count + ARC_FIELDS) * SEAL_FIELD_BYTES_MAX;
    for (size_t i = 0; i < header->count; i++)
        bytes += header->fields[i].whole.length + sizeof ":\r\n";
    return bytes;
}

static struct str join(const struct str texts[], size_t count, struct arena *arena)
{
    struct str all = {0};
    for (size_t i = 0; i < count; i++)
        all.length += texts[i].length;
    char *to = arena_alloc(arena, all.length + 1);
    all.at = to;
    for (size_t i = 0; i < count; i++) {
        if (texts[i].length)
            memcpy(to, texts[i].at, texts[i].length);
        to += texts[i].length;
    }
    return all;
}

/* The set of ARC is the first of the texts, for the top, and the last that is made. */
static int sign_all(struct sealing *sealing, const struct signers *signers,
                    struct str *fields, struct err *err)
{
    struct str *texts = arena_array(sealing->arena, struct str, signers->count + 1);
    const struct signing_key *key = NULL;
    int result = 0;
    for (size_t i = 0; i < signers->count && result == 0; i++) {
        key = signers->keys[i];
        result = dkim_sign(sealing, key, &texts[i + 1]);
    }
    if (result == 0 && sealing->request->results.length) {
        key = signers->keys[0];
        result = arc_seal(sealing, key, texts + 1, signers->count, &texts[0]);
    }
    if (result < 0)
        return err_set(err, result, "key %.*s of %.*s cannot sign", STR_ARG(key->selector),
                       STR_ARG(key->domain));
    *fields = join(texts, signers->count + 1, sealing->arena);
    return 0;
}

int seal_message(const struct key_ring *ring, const struct seal_request *request,
                 struct arena *arena, struct str *fields, struct err *err)
{
    struct sealing sealing = {.request = request, .arena = arena};
    struct signers signers = choose_keys(ring, request, arena);
    invariant(request->results.length <= SEAL_RESULTS_BYTES_MAX,
              "seal: results are bounded");
    *fields = STR("");
    if (signers.count == 0)
        return 0;
    int result = hash_body(&sealing);
    if (result < 0)
        return err_set(err, result, "the body could not be hashed: %s", strerror(-result));
    buf_init(&sealing.names, NAMES_BYTES_MAX);
    buf_init(&sealing.text, text_bytes_max(request->header, signers.count));
    signed_fields_choose(request->header, &sealing.names, &sealing.text);
    result = sign_all(&sealing, &signers, fields, err);
    buf_free(&sealing.text);
    buf_free(&sealing.names);
    return result;
}

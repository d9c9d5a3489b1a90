/* A host sees the same few keys over and over: records that hold a good one are kept, ready for use, by their
 * text. What is kept says nothing of whether a domain still publishes it: DNS is asked each time. A slot's
 * newer record drives out the older, so that strangers can make us slower, but not larger. */
#include "dkim_key.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/task.h"
#include "mail/tag_list.h"

#define RECORD_BYTES_KEPT  2048 /* of 4096 bits: some 760 */
#define KEY_TEXT_BYTES_MAX 2048 /* of p=: 4096 bits are some 740 */
#define KEPT_BITS          8

/* --- records that are kept --- */

struct kept_record {
    char *text; /* NULL: none yet */
    size_t text_bytes;
    struct auth_dkim_key key; /* AUTH_PASS */
};

static struct kept_record kept_records[1U << KEPT_BITS];

/* By a hash of words, not bytes: it is all that a record that is kept still costs. */
static struct kept_record *kept_slot(struct str text)
{
    uint64_t hash = text.length;
    for (size_t at = 0; at < text.length; at += sizeof hash) {
        uint64_t word = 0;
        size_t left = text.length - at;
        memcpy(&word, text.at + at, left < sizeof word ? left : sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32U;
    }
    return &kept_records[hash >> (64U - KEPT_BITS)];
}

static bool find_kept(struct str text, struct auth_dkim_key *key)
{
    const struct kept_record *kept = kept_slot(text);
    if (!kept->text || !str_equal((struct str){kept->text, kept->text_bytes}, text))
        return false;
    *key = kept->key;
    dkim_public_key_keep(key->public_key);
    return true;
}

static void keep(struct str text, const struct auth_dkim_key *key)
{
    if (text.length > RECORD_BYTES_KEPT)
        return;
    struct kept_record *kept = kept_slot(text);
    free(kept->text);
    auth_dkim_key_release(&kept->key);
    *kept = (struct kept_record){mem_copy_text(text.at, text.length), text.length, *key};
    dkim_public_key_keep(kept->key.public_key);
}

/* --- judging --- */

static void refuse(struct auth_dkim_key *key, enum auth_result result, const char *reason)
{
    key->result = result;
    key->reason = str_of(reason);
}

static void judge_strength(struct auth_dkim_key *key, struct arena *arena)
{
    key->bits = dkim_public_key_bits(key->public_key);
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
    if (text.length <= KEY_TEXT_BYTES_MAX && tag_base64(text, arena, &bytes) == 0)
        key->public_key = dkim_public_key_new(key->algorithm, bytes);
    if (key->public_key)
        judge_strength(key, arena);
    else
        refuse(key, AUTH_PERMERROR, "key record: p= is no key of its kind");
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
    if (find_kept(record, key))
        return;
    *key = (struct auth_dkim_key){.result = AUTH_PASS};
    if (is_key_record(record, &tags))
        judge_record(&tags, arena, key);
    else
        refuse(key, AUTH_PERMERROR, "no key: what is published is no key record");
    if (key->result == AUTH_PASS)
        keep(record, key);
    else
        auth_dkim_key_release(key);
}

void auth_dkim_key_release(struct auth_dkim_key *key)
{
    dkim_public_key_release(key->public_key);
    key->public_key = NULL;
}

/* --- asking --- */

/* Section 3.6.2.2: records "MUST be unique"; which of several would be the key is anybody's guess. A record that
 * stands alone is looked at only once, by auth_dkim_key_read. */
static void judge_answer(const struct dns_answer *answer, struct arena *arena,
                         struct auth_dkim_key *key)
{
    struct tag_list tags;
    const struct dns_record *found = answer->count == 1 ? answer->records : NULL;
    for (size_t i = 0; i < answer->count && answer->count > 1; i++) {
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

bool auth_dkim_key_verifies(const struct auth_dkim_key *key, struct str text,
                            struct str signature)
{
    unsigned char hash[CANONICAL_HASH_BYTES];
    invariant(key->public_key, "dkim: only a key that can be used verifies");
    canonical_hash_text(text, hash);
    return dkim_public_key_verifies(key->public_key, hash, signature);
}

/* The tags are read in the order in which a person would want to hear of what is wrong: those that tell
 * whose signature it is come first. Each reader returns NULL or what is wrong. Case matters in values unless
 * the RFC says otherwise (section 3.2). */
#include "dkim_signature.h"

#include "mail/domain.h"

/* Clocks differ: so much later than ours may theirs be (t=), or earlier (x=). */
#define CLOCK_SKEW_S 300

struct reading {
    struct auth_dkim_signature *signature;
    const struct tag_list *tags;
    struct arena *arena;
    uint64_t now_s;
};

static const char *read_signer(const struct reading *reading)
{
    struct auth_dkim_signature *signature = reading->signature;
    struct str domain = tag_list_value(reading->tags, STR("d"));
    struct str selector = tag_list_value(reading->tags, STR("s"));
    if (!domain.length || domain_normalize(domain, reading->arena, &signature->domain) < 0)
        return "d= is no domain, or missing";
    if (!selector.length ||
        domain_normalize(selector, reading->arena, &signature->selector) < 0)
        return "s= is no selector, or missing";
    return NULL;
}

/* sig-i-tag = %x69 [FWS] "=" [FWS] [ Local-part ] "@" domain-name: d= or below it. */
static const char *read_identity(const struct reading *reading)
{
    struct auth_dkim_signature *signature = reading->signature;
    const struct tag *tag = tag_list_find(reading->tags, STR("i"));
    signature->identity_domain = signature->domain;
    if (!tag)
        return NULL;
    ptrdiff_t at = str_last_index(tag->value, '@');
    signature->identity = tag->value;
    if (at < 0 || domain_normalize(str_from(tag->value, (size_t)at + 1), reading->arena,
                                   &signature->identity_domain) < 0)
        return "i= is no identity";
    if (!domain_is_within(signature->identity_domain, signature->domain))
        return "i= is not within d=";
    return NULL;
}

static const char *read_version(const struct reading *reading)
{
    if (!str_equal(tag_list_value(reading->tags, STR("v")), STR("1")))
        return "v= is not 1, or missing";
    return NULL;
}

static const char *read_algorithm(const struct reading *reading)
{
    struct str name = tag_list_value(reading->tags, STR("a"));
    if (str_equal(name, STR("rsa-sha256")))
        reading->signature->algorithm = DKIM_RSA_SHA256;
    else if (str_equal(name, STR("ed25519-sha256")))
        reading->signature->algorithm = DKIM_ED25519_SHA256;
    else if (str_equal(name, STR("rsa-sha1")))
        return "a= is rsa-sha1, which proves nothing any more (RFC 8301)";
    else
        return name.length ? "a= names an unknown algorithm" : "a= is missing";
    return NULL;
}

static bool form_named(struct str name, enum canonical_form *form)
{
    *form = str_equal(name, STR("relaxed")) ? CANONICAL_RELAXED : CANONICAL_SIMPLE;
    return *form == CANONICAL_RELAXED || str_equal(name, STR("simple"));
}

/* c= is simple/simple if missing, and simple for the body if only one is named. */
static const char *read_forms(const struct reading *reading)
{
    struct auth_dkim_signature *signature = reading->signature;
    const struct tag *tag = tag_list_find(reading->tags, STR("c"));
    struct str body = tag ? tag->value : STR("simple/simple");
    bool has_body = str_index(body, '/') >= 0;
    struct str header = str_cut(&body, '/');
    if (!form_named(header, &signature->header_form) ||
        !form_named(has_body ? body : STR("simple"), &signature->body_form))
        return "c= names an unknown canonicalization";
    return NULL;
}

static const char *read_names(const struct reading *reading)
{
    const struct tag *tag = tag_list_find(reading->tags, STR("h"));
    if (!tag)
        return "h= is missing";
    size_t count = 1;
    reading->signature->names = tag->value;
    for (size_t i = 0; i < tag->value.length; i++)
        count += tag->value.at[i] == ':';
    return count > CANONICAL_NAMES_MAX ? "h= names too many fields" : NULL;
}

/* RFC 6376 section 5.4. */
static const char *check_from_is_named(const struct reading *reading)
{
    return tag_has_element(reading->signature->names, STR("From"))
               ? NULL
               : "h= does not name From";
}

/* RFC 8617 section 4.1.2: a seal comes later, and covers the message signature. */
static const char *check_no_seal_is_named(const struct reading *reading)
{
    return tag_has_element(reading->signature->names, STR("ARC-Seal")) ? "h= names ARC-Seal"
                                                                       : NULL;
}

/* RFC 8617 section 4.1.3: what a seal covers is fixed. */
static const char *check_nothing_is_named(const struct reading *reading)
{
    return tag_list_find(reading->tags, STR("h")) ? "there is h= in a seal" : NULL;
}

static const char *read_limit(const struct reading *reading)
{
    const struct tag *tag = tag_list_find(reading->tags, STR("l"));
    reading->signature->limit = CANONICAL_ALL;
    if (tag && !tag_number(tag->value, &reading->signature->limit))
        return "l= is no number";
    return NULL;
}

static const char *read_query(const struct reading *reading)
{
    const struct tag *tag = tag_list_find(reading->tags, STR("q"));
    if (tag && !tag_has_element(tag->value, STR("dns/txt")))
        return "q= does not offer dns/txt";
    return NULL;
}

static const char *read_times(const struct reading *reading)
{
    const struct tag *signed_at = tag_list_find(reading->tags, STR("t"));
    const struct tag *expiry = tag_list_find(reading->tags, STR("x"));
    uint64_t signed_s = 0;
    uint64_t expiry_s = UINT64_MAX;
    if (signed_at && !tag_number(signed_at->value, &signed_s))
        return "t= is no time";
    if (expiry && !tag_number(expiry->value, &expiry_s))
        return "x= is no time";
    if (signed_at && expiry && expiry_s <= signed_s)
        return "x= is not after t=";
    if (signed_s > reading->now_s && signed_s - reading->now_s > CLOCK_SKEW_S)
        return "t= is in the future";
    if (expiry_s < reading->now_s && reading->now_s - expiry_s > CLOCK_SKEW_S)
        return "signature has expired (x=)";
    return NULL;
}

static const char *read_body_hash(const struct reading *reading)
{
    struct auth_dkim_signature *signature = reading->signature;
    struct str hash = tag_list_value(reading->tags, STR("bh"));
    if (tag_base64(hash, reading->arena, &signature->body_hash) < 0 ||
        signature->body_hash.length != CANONICAL_HASH_BYTES)
        return "bh= is no SHA-256 hash, or missing";
    return NULL;
}

static const char *read_bytes(const struct reading *reading)
{
    struct str bytes = tag_list_value(reading->tags, STR("b"));
    if (!bytes.length || tag_base64(bytes, reading->arena, &reading->signature->bytes) < 0)
        return "b= is no signature, or missing";
    return NULL;
}

typedef const char *reader_fn(const struct reading *reading);

/* `readers` ends with NULL. */
static enum auth_result read_field(reader_fn *const readers[], struct reading *reading,
                                   const struct header_field *field, struct str *reason)
{
    struct auth_dkim_signature *signature = reading->signature;
    const char *wrong = NULL;
    *signature = (struct auth_dkim_signature){.field = field, .limit = CANONICAL_ALL};
    if (tag_list_parse(field->value, &signature->tags) < 0)
        wrong = "field is no list of tags";
    for (size_t i = 0; readers[i] && !wrong; i++)
        wrong = readers[i](reading);
    *reason = str_of(wrong);
    return wrong ? AUTH_PERMERROR : AUTH_NONE;
}

enum auth_result auth_dkim_signature_read(const struct header_field *field,
                                          uint64_t received_ms, struct arena *arena,
                                          struct auth_dkim_signature *signature,
                                          struct str *reason)
{
    static reader_fn *const readers[] = {
        read_signer, read_identity,       read_version, read_algorithm, read_forms,
        read_names,  check_from_is_named, read_limit,   read_query,     read_body_hash,
        read_bytes,  read_times,          NULL};
    struct reading reading = {signature, &signature->tags, arena, received_ms / 1000};
    return read_field(readers, &reading, field, reason);
}

enum auth_result auth_dkim_signature_read_arc(enum auth_signature_kind kind,
                                              const struct header_field *field,
                                              uint64_t received_ms, struct arena *arena,
                                              struct auth_dkim_signature *signature,
                                              struct str *reason)
{
    static reader_fn *const message_readers[] = {
        read_signer, read_algorithm, read_forms,     read_names, check_no_seal_is_named,
        read_limit,  read_query,     read_body_hash, read_bytes, read_times,
        NULL};
    static reader_fn *const seal_readers[] = {
        read_signer, read_algorithm, check_nothing_is_named, read_bytes, read_times, NULL};
    struct reading reading = {signature, &signature->tags, arena, received_ms / 1000};
    return read_field(kind == AUTH_ARC_SEAL ? seal_readers : message_readers, &reading,
                      field, reason);
}

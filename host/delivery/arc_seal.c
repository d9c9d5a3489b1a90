/* One set more for the Authenticated Received Chain (RFC 8617 section 5.1). What is wrong with the sets that are there
 * is told here only as far as the next one depends on it: whether signatures hold is what the caller has found. */
#include "sealing.h"

#include "base/mem.h"
#include "delivery/seal_field.h"
#include "mail/arc_set.h"
#include "mail/canonical.h"

#define SIGNATURES_COVERED_MAX ((size_t)50)

struct chain {
    const struct header_field *fields[ARC_SETS_MAX][ARC_FIELDS];
    size_t count;     /* the highest instance */
    bool has_fields;  /* of a chain, in whatever state */
    bool is_whole;    /* each set has each field, once */
    size_t failed_at; /* the highest instance whose seal says cv=fail */
};

/* --- the sets that are there --- */

static size_t signature_instance(struct str value, bool *is_failed)
{
    struct tag_list tags;
    if (tag_list_parse(value, &tags) < 0)
        return 0;
    *is_failed = str_equal_nocase(tag_list_value(&tags, STR("cv")), STR("fail"));
    return arc_signature_instance(&tags);
}

static void place(struct chain *chain, enum arc_field kind,
                  const struct header_field *field)
{
    struct str value = field->value;
    bool is_failed = false;
    size_t instance = kind == ARC_RESULTS ? arc_results_instance(&value)
                                          : signature_instance(value, &is_failed);
    chain->has_fields = true;
    if (instance == 0 || chain->fields[instance - 1][kind]) {
        chain->is_whole = false;
        return;
    }
    chain->fields[instance - 1][kind] = field;
    if (instance > chain->count)
        chain->count = instance;
    if (is_failed && kind == ARC_SEAL && instance > chain->failed_at)
        chain->failed_at = instance;
}

static void read_chain(const struct header *header, struct chain *chain)
{
    *chain = (struct chain){.is_whole = true};
    for (enum arc_field kind = 0; kind < ARC_FIELDS; kind++) {
        size_t index = 0;
        const struct header_field *field;
        while ((field = header_next(header, str_of(arc_field_names[kind]), &index)))
            place(chain, kind, field);
    }
    for (size_t i = 0; i < chain->count; i++)
        for (enum arc_field kind = 0; kind < ARC_FIELDS; kind++)
            chain->is_whole = chain->is_whole && chain->fields[i][kind];
}

/* What the new seal says of the chain, cv=; NULL when there is nothing more to be said of it. */
static const char *status_of(const struct chain *chain, enum seal_chain found)
{
    bool has_ended = chain->count && chain->failed_at == chain->count;
    if (!chain->has_fields)
        return "none";
    if (has_ended || chain->count >= ARC_SETS_MAX || found == SEAL_CHAIN_NONE)
        return NULL;
    return found == SEAL_CHAIN_PASS && chain->is_whole ? "pass" : "fail";
}

/* --- the new set --- */

struct set {
    size_t instance;
    const char *status;
    struct str fields[ARC_FIELDS];
};

static void put_canonical(struct sealing *sealing, struct str whole)
{
    int result = canonical_field(CANONICAL_RELAXED, whole, &sealing->text);
    invariant(result == 0, "seal: there is room for the chain");
}

/* Cuts off the next word; empty where blanks follow each other. */
static struct str cut_word(struct str *rest)
{
    size_t end = 0;
    while (end < rest->length && rest->at[end] != ' ' && rest->at[end] != '\t')
        end++;
    struct str word = str_part(*rest, 0, end);
    *rest = str_from(*rest, end < rest->length ? end + 1 : end);
    return word;
}

static void write_results(const struct sealing *sealing, struct set *set)
{
    struct seal_field field;
    struct str rest = header_unfold(sealing->request->results, sealing->arena);
    seal_field_start(&field, arc_field_names[ARC_RESULTS], sealing->arena);
    seal_field_put(&field, "i=%zu;", set->instance);
    while (rest.length) {
        struct str word = cut_word(&rest);
        if (word.length)
            seal_field_put(&field, "%.*s", STR_ARG(word));
    }
    set->fields[ARC_RESULTS] = seal_field_end(&field);
}

/* Section 4.1.2: DKIM-Signatures are covered, from below, where ours stand above the others. */
static void cover_signatures(struct sealing *sealing, const struct str ours[],
                             size_t our_count)
{
    const struct header *header = sealing->request->header;
    size_t count = 0;
    for (size_t i = header->count; i-- > 0 && count < SIGNATURES_COVERED_MAX;)
        if (str_equal_nocase(header->fields[i].name, STR("DKIM-Signature"))) {
            put_canonical(sealing, header->fields[i].whole);
            count++;
        }
    for (size_t i = our_count; i-- > 0 && count < SIGNATURES_COVERED_MAX; count++)
        put_canonical(sealing, ours[i]);
    while (count-- > 0) {
        int result = buf_append(&sealing->names, STR(":DKIM-Signature"));
        invariant(result == 0, "seal: there is room for h=");
    }
}

/* What it covers besides is what the DKIM-Signatures do. */
static int sign_message(struct sealing *sealing, const struct signing_key *key,
                        const struct str ours[], size_t our_count, struct set *set)
{
    struct seal_field field;
    size_t text_bytes = sealing->text.length;
    size_t name_bytes = sealing->names.length;
    cover_signatures(sealing, ours, our_count);
    seal_field_start(&field, arc_field_names[ARC_MESSAGE_SIGNATURE], sealing->arena);
    seal_field_put(&field, "i=%zu;", set->instance);
    seal_field_put(&field, "c=relaxed/relaxed;");
    seal_field_put_signer(&field, key, sealing->request->now_ms);
    seal_field_put_names(&field, buf_view(&sealing->names));
    seal_field_put(&field, "bh=%s;", sealing->body_hash);
    int result =
        seal_field_sign(&field, key, &sealing->text, &set->fields[ARC_MESSAGE_SIGNATURE]);
    sealing->text.length = text_bytes;
    sealing->names.length = name_bytes;
    return result;
}

/* Section 5.1.1: all sets in their order; section 5.1.2: of a chain that has failed, the new one alone. */
static int seal_sets(struct sealing *sealing, const struct signing_key *key,
                     const struct chain *chain, struct set *set)
{
    struct seal_field field;
    bool is_alone = strcmp(set->status, "fail") == 0;
    buf_clear(&sealing->text);
    for (size_t i = 0; i < chain->count && !is_alone; i++)
        for (enum arc_field kind = 0; kind < ARC_FIELDS; kind++)
            put_canonical(sealing, chain->fields[i][kind]->whole);
    put_canonical(sealing, set->fields[ARC_RESULTS]);
    put_canonical(sealing, set->fields[ARC_MESSAGE_SIGNATURE]);
    seal_field_start(&field, arc_field_names[ARC_SEAL], sealing->arena);
    seal_field_put(&field, "i=%zu;", set->instance);
    seal_field_put(&field, "cv=%s;", set->status);
    seal_field_put_signer(&field, key, sealing->request->now_ms);
    return seal_field_sign(&field, key, &sealing->text, &set->fields[ARC_SEAL]);
}

int arc_seal(struct sealing *sealing, const struct signing_key *key,
             const struct str ours[], size_t our_count, struct str *whole)
{
    struct chain chain;
    read_chain(sealing->request->header, &chain);
    struct set set = {.instance = chain.count + 1,
                      .status = status_of(&chain, sealing->request->chain)};
    *whole = STR("");
    if (!set.status)
        return 0;
    write_results(sealing, &set);
    int result = sign_message(sealing, key, ours, our_count, &set);
    if (result == 0)
        result = seal_sets(sealing, key, &chain, &set);
    if (result == 0)
        *whole = str_of(arena_printf(
            sealing->arena, "%.*s%.*s%.*s", STR_ARG(set.fields[ARC_SEAL]),
            STR_ARG(set.fields[ARC_MESSAGE_SIGNATURE]), STR_ARG(set.fields[ARC_RESULTS])));
    return result;
}

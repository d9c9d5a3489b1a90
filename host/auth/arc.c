/* RFC 8617 section 5.2 from its step 4 on. All keys are asked for at once; the body is hashed once for each
 * canonicalization, whatever the number of sets (a signature with an l= that is less than the body is
 * refused, so none needs another length). Long chains let other tasks run in between. */
#include "arc.h"

#include <errno.h>

#include "auth/arc_chain.h"
#include "auth/results_header.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/task.h"
#include "mail/canonical.h"

#define FORMS              2
#define KEYS_MAX           ((size_t)2 * AUTH_ARC_SETS_MAX)
#define SETS_WITHOUT_PAUSE 8
/* What one signature may cover of the header. */
#define SIGNED_BYTES_MAX   ((size_t)1024 * 1024)

/* A key that one or more of the signatures were made with. */
struct named_key {
    struct str domain, selector;
    struct auth_dkim_key key;
};

struct verification {
    struct dns *dns;
    const struct message *message;
    uint64_t deadline_ms;
    struct arena *arena;
    struct arc_chain chain;
    struct named_key *keys;
    size_t key_count;
    struct canonical_hash hashes[FORMS]; /* of the body, by form */
    struct buf text;                     /* what a signature covers */
};

/* What a check came to: AUTH_PASS, AUTH_FAIL or AUTH_TEMPERROR, and why. */
struct finding {
    enum auth_result result;
    struct str reason;
};

static struct finding failure(const char *reason)
{
    return (struct finding){AUTH_FAIL, str_of(reason)};
}

/* --- keys --- */

static struct named_key *find_key(const struct verification *verification,
                                  const struct auth_dkim_signature *signature)
{
    for (size_t i = 0; i < verification->key_count; i++)
        if (str_equal(verification->keys[i].domain, signature->domain) &&
            str_equal(verification->keys[i].selector, signature->selector))
            return &verification->keys[i];
    return NULL;
}

static void want_key(struct verification *verification,
                     const struct arc_signature *signature)
{
    if (signature->fault.length || find_key(verification, &signature->read))
        return;
    verification->keys[verification->key_count++] = (struct named_key){
        .domain = signature->read.domain, .selector = signature->read.selector};
}

struct key_question {
    const struct verification *verification;
    struct named_key *key;
};

static int ask_key(void *arg)
{
    struct key_question *question = arg;
    const struct verification *verification = question->verification;
    struct named_key *key = question->key;
    return auth_dkim_key_fetch(verification->dns, key->domain, key->selector,
                               verification->deadline_ms, verification->arena, &key->key);
}

static int ask_keys(struct verification *verification)
{
    struct arena *arena = verification->arena;
    verification->keys = arena_array(arena, struct named_key, KEYS_MAX);
    for (size_t i = 0; i < verification->chain.count; i++) {
        want_key(verification, verification->chain.sets[i].message_signature);
        want_key(verification, verification->chain.sets[i].seal);
    }
    size_t count = verification->key_count;
    struct task_job *jobs = arena_array(arena, struct task_job, count);
    struct key_question *questions = arena_array(arena, struct key_question, count);
    for (size_t i = 0; i < count; i++) {
        questions[i] = (struct key_question){verification, &verification->keys[i]};
        jobs[i] = (struct task_job){.fn = ask_key, .arg = &questions[i]};
    }
    if (count == 1)
        return ask_key(&questions[0]);
    return count ? task_gather("arc key", jobs, count) : 0;
}

static void release_keys(struct verification *verification)
{
    for (size_t i = 0; i < verification->key_count; i++)
        auth_dkim_key_release(&verification->keys[i].key);
}

/* --- the body --- */

static bool names_no_forms(const struct auth_dkim_signature *signature)
{
    return !tag_list_find(&signature->tags, STR("c"));
}

static int hash_body(struct verification *verification)
{
    const struct message *message = verification->message;
    struct str raw = blob_view(message->raw);
    struct canonical_hash wanted[FORMS];
    bool is_wanted[FORMS] = {false};
    size_t count = 0;
    for (size_t i = 0; i < verification->chain.count; i++) {
        const struct arc_signature *signature =
            verification->chain.sets[i].message_signature;
        if (signature->fault.length)
            continue;
        is_wanted[signature->read.body_form] = true;
        is_wanted[CANONICAL_RELAXED] |= names_no_forms(&signature->read);
    }
    for (size_t form = 0; form < FORMS; form++)
        if (is_wanted[form])
            wanted[count++] = (struct canonical_hash){.form = (enum canonical_form)form,
                                                      .limit = CANONICAL_ALL};
    int result =
        canonical_hash_body(str_from(raw, message->header.body_offset), wanted, count);
    for (size_t i = 0; i < count; i++)
        verification->hashes[wanted[i].form] = wanted[i];
    return result;
}

static const char *body_fault(const struct verification *verification,
                              const struct auth_dkim_signature *signature)
{
    const struct canonical_hash *hash = &verification->hashes[signature->body_form];
    if (signature->limit != CANONICAL_ALL && signature->limit != hash->body_bytes)
        return "l= is not the length of the body";
    if (memcmp(signature->body_hash.at, hash->hash, CANONICAL_HASH_BYTES) != 0)
        return "the body was changed";
    return NULL;
}

/* --- signatures --- */

/* Whether a signature of this key stands for the text in verification->text. */
static struct finding check_text(struct verification *verification,
                                 const struct auth_dkim_signature *signature)
{
    const struct auth_dkim_key *key = &find_key(verification, signature)->key;
    if (key->result == AUTH_TEMPERROR)
        return (struct finding){AUTH_TEMPERROR, key->reason};
    if (key->result != AUTH_PASS)
        return (struct finding){AUTH_FAIL, key->reason};
    if (key->algorithm != signature->algorithm)
        return failure("key is not of the kind that a= names");
    if (!auth_dkim_key_verifies(key, buf_view(&verification->text), signature->bytes))
        return failure("signature does not match");
    return (struct finding){.result = AUTH_PASS};
}

/* Appends a signature's own field, the last thing that it covers. */
static int append_own(struct verification *verification, enum canonical_form form,
                      const struct auth_dkim_signature *signature)
{
    return canonical_signature(form, signature->field->whole,
                               tag_list_find(&signature->tags, STR("b"))->raw,
                               &verification->text);
}

static struct finding check_covered(struct verification *verification,
                                    const struct auth_dkim_signature *signature)
{
    const char *wrong = body_fault(verification, signature);
    if (wrong)
        return failure(wrong);
    buf_clear(&verification->text);
    if (canonical_fields(signature->header_form, &verification->message->header,
                         signature->field, signature->names, &verification->text) < 0 ||
        append_own(verification, signature->header_form, signature) < 0)
        return failure("signature covers too much");
    return check_text(verification, signature);
}

/* Section 4.1.2: as a DKIM-Signature. Without c= that means simple/simple; but there are sealers (those of the
 * public test suite among them) that mean relaxed/relaxed, so it may be either. */
static struct finding check_message_signature(struct verification *verification,
                                              const struct arc_set *set)
{
    struct auth_dkim_signature *signature = &set->message_signature->read;
    if (set->message_signature->fault.length)
        return (struct finding){AUTH_FAIL, set->message_signature->fault};
    struct finding finding = check_covered(verification, signature);
    if (finding.result != AUTH_FAIL || !names_no_forms(signature))
        return finding;
    signature->header_form = signature->body_form = CANONICAL_RELAXED;
    return check_covered(verification, signature);
}

/* Section 5.1.1: a seal covers all sets up to its own, each in the order results, message signature, seal. */
static struct finding check_seal(struct verification *verification, size_t instance)
{
    const struct arc_set *sets = verification->chain.sets;
    const struct arc_signature *seal = sets[instance - 1].seal;
    if (seal->fault.length)
        return (struct finding){AUTH_FAIL, seal->fault};
    buf_clear(&verification->text);
    int result = 0;
    for (size_t i = 0; i < instance && result == 0; i++) {
        const struct header_field *fields[] = {sets[i].results,
                                               sets[i].message_signature->read.field,
                                               sets[i].seal->read.field};
        size_t count = i + 1 < instance ? 3 : 2;
        for (size_t j = 0; j < count && result == 0; j++)
            result =
                canonical_field(CANONICAL_RELAXED, fields[j]->whole, &verification->text);
    }
    if (result == 0)
        result = append_own(verification, CANONICAL_RELAXED, &seal->read);
    invariant(result == 0, "arc: a chain is smaller than what a signature may cover");
    return check_text(verification, &seal->read);
}

/* --- the chain --- */

/* A failure is for good, whatever else could not be told. */
static void conclude(struct auth_arc *arc, struct arena *arena,
                     const struct finding *finding, const char *field, size_t instance)
{
    if (finding->result == AUTH_PASS || arc->result == AUTH_FAIL ||
        arc->result == finding->result)
        return;
    arc->result = finding->result;
    arc->reason = str_of(
        arena_printf(arena, "%s i=%zu: %.*s", field, instance, STR_ARG(finding->reason)));
}

/* After each of so many sets. */
static int pause_at(size_t instance)
{
    return instance % SETS_WITHOUT_PAUSE == 0 ? task_sleep(0) : 0;
}

/* Step 5: from the second newest down. Sets `oldest_pass` to the oldest of the row of valid ones, 0 if they all
 * are. */
static int find_oldest_pass(struct verification *verification, struct auth_arc *arc)
{
    for (size_t instance = verification->chain.count - 1; instance > 0; instance--) {
        struct finding finding =
            check_message_signature(verification, &verification->chain.sets[instance - 1]);
        if (finding.result != AUTH_PASS) {
            arc->oldest_pass = (unsigned)instance + 1;
            return 0;
        }
        int result = pause_at(instance);
        if (result < 0)
            return result;
    }
    return 0;
}

/* Steps 4 and 6, then 5, which only a chain that passed has a use for. */
static int check_chain(struct verification *verification, struct auth_arc *arc)
{
    size_t newest = verification->chain.count;
    struct finding finding =
        check_message_signature(verification, &verification->chain.sets[newest - 1]);
    arc->result = AUTH_PASS;
    conclude(arc, verification->arena, &finding, "ARC-Message-Signature", newest);
    for (size_t instance = newest; instance > 0 && arc->result != AUTH_FAIL; instance--) {
        finding = check_seal(verification, instance);
        conclude(arc, verification->arena, &finding, "ARC-Seal", instance);
        int result = pause_at(instance);
        if (result < 0)
            return result;
    }
    return arc->result == AUTH_PASS ? find_oldest_pass(verification, arc) : 0;
}

static void describe_sets(const struct verification *verification, struct auth_arc *arc)
{
    arc->count = (unsigned)verification->chain.count;
    for (size_t i = 0; i < verification->chain.count; i++) {
        const struct arc_set *set = &verification->chain.sets[i];
        struct auth_results results;
        arc->sets[i] = (struct auth_arc_set){.instance = (unsigned)i + 1,
                                             .sealer = set->seal->read.domain,
                                             .selector = set->seal->read.selector};
        if (auth_results_parse(set->results_payload, verification->arena, &results) == 0)
            arc->sets[i].results_dmarc = auth_results_of(&results, STR("dmarc"));
    }
}

static int verify_sets(struct verification *verification, struct auth_arc *arc)
{
    describe_sets(verification, arc);
    int result = ask_keys(verification);
    if (result == 0)
        result = hash_body(verification);
    if (result == 0)
        result = check_chain(verification, arc);
    release_keys(verification);
    return result;
}

int auth_arc_verify(struct dns *dns, const struct message *message, uint64_t deadline_ms,
                    struct arena *arena, struct auth_arc *arc)
{
    struct verification *verification = arena_new_of(arena, struct verification);
    *verification = (struct verification){
        .dns = dns, .message = message, .deadline_ms = deadline_ms, .arena = arena};
    *arc = (struct auth_arc){.result = AUTH_NONE};
    if (arc_chain_read(&message->header, message->received_at, arena, &verification->chain,
                       &arc->reason) < 0) {
        arc->result = AUTH_FAIL;
        return 0;
    }
    if (verification->chain.count == 0)
        return 0;
    buf_init(&verification->text, SIGNED_BYTES_MAX);
    int result = verify_sets(verification, arc);
    buf_free(&verification->text);
    return result;
}

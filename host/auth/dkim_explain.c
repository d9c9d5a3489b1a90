/* Each trial is a hash of the body, so that their number and the body they are made on are bounded. */
#include "dkim_explain.h"

#include <errno.h>

#include <openssl/evp.h>

#include "auth/dkim_signature.h"
#include "base/mem.h"
#include "mail/canonical.h"

#define TRIAL_BODY_BYTES_MAX ((size_t)1 << 20)
#define DROPPED_LINES_MAX    40

struct trial {
    const struct auth_dkim_signature *signature;
    struct str body;
    struct arena *arena;
};

static bool is_signed_hash(const struct trial *trial, const struct canonical_hash *hash)
{
    return memcmp(hash->hash, trial->signature->body_hash.at, CANONICAL_HASH_BYTES) == 0;
}

/* A trial that is interrupted has not matched. */
static bool does_match(const struct trial *trial, enum canonical_form form, struct str body)
{
    struct canonical_hash hash = {.form = form, .limit = trial->signature->limit};
    return canonical_hash_body(body, &hash, 1) == 0 && is_signed_hash(trial, &hash);
}

/* --- trials: each returns a hint, or NULL --- */

static const char *try_other_form(const struct trial *trial)
{
    bool is_simple = trial->signature->body_form == CANONICAL_SIMPLE;
    enum canonical_form other = is_simple ? CANONICAL_RELAXED : CANONICAL_SIMPLE;
    if (!does_match(trial, other, trial->body))
        return NULL;
    return is_simple ? "with relaxed canonicalization, which is not what c= says"
                     : "with simple canonicalization, which is not what c= says";
}

static const char *try_whole(const struct trial *trial)
{
    struct auth_dkim_signature whole = *trial->signature;
    struct trial without_limit = {&whole, trial->body, trial->arena};
    whole.limit = CANONICAL_ALL;
    if (trial->signature->limit == CANONICAL_ALL ||
        !does_match(&without_limit, whole.body_form, trial->body))
        return NULL;
    return "of the whole body, without the l= that the signature gives";
}

static const char *try_empty(const struct trial *trial)
{
    return does_match(trial, trial->signature->body_form, STR(""))
               ? "of an empty body: all of this one was added"
               : NULL;
}

/* Blanks at the ends of lines were lost or added: relaxed does not see them, so that simple alone is tried. */
static const char *try_trimmed_lines(const struct trial *trial)
{
    char *text = arena_alloc(trial->arena, trial->body.length + 1);
    size_t used = 0;
    if (trial->signature->body_form == CANONICAL_RELAXED)
        return NULL;
    for (size_t i = 0; i < trial->body.length; i++) {
        if (trial->body.at[i] == '\r')
            while (used && (text[used - 1] == ' ' || text[used - 1] == '\t'))
                used--;
        text[used++] = trial->body.at[i];
    }
    return does_match(trial, CANONICAL_SIMPLE, (struct str){text, used})
               ? "without the blanks at the ends of its lines"
               : NULL;
}

/* The length of `body` without its last line. */
static size_t without_last_line(struct str body)
{
    size_t end = body.length;
    if (end)
        end--; /* of its own line end */
    while (end && body.at[end - 1] != '\n')
        end--;
    return end;
}

static const char *try_without_footer(const struct trial *trial)
{
    struct str body = trial->body;
    for (unsigned dropped = 1; dropped <= DROPPED_LINES_MAX && body.length; dropped++) {
        body.length = without_last_line(body);
        if (body.length && does_match(trial, trial->signature->body_form, body))
            return arena_printf(trial->arena,
                                "without its last %u lines: a footer was added", dropped);
    }
    return NULL;
}

static struct str find_hint(const struct trial *trial)
{
    static const char *(*const trials[])(const struct trial *) = {
        try_whole, try_other_form, try_empty, try_trimmed_lines, try_without_footer,
    };
    const char *hint = NULL;
    for (size_t i = 0; i < sizeof trials / sizeof *trials && !hint; i++)
        hint = trials[i](trial);
    return str_of(hint);
}

/* --- the explanation --- */

static struct str base64_text(const void *bytes, size_t length, struct arena *arena)
{
    char *text = arena_alloc(arena, length / 3 * 4 + 5);
    int used = EVP_EncodeBlock((unsigned char *)text, bytes, (int)length);
    return (struct str){text, (size_t)used};
}

static const char *form_name(enum canonical_form form)
{
    return form == CANONICAL_RELAXED ? "relaxed" : "simple";
}

static const struct header_field *field_at(const struct header *header, size_t index)
{
    const struct header_field *field = NULL;
    for (size_t position = 0, i = 0; i <= index; i++) {
        field = header_next(header, STR("DKIM-Signature"), &position);
        if (!field)
            return NULL;
    }
    return field;
}

static int explain(const struct trial *trial, struct auth_dkim_body *explanation)
{
    const struct auth_dkim_signature *signature = trial->signature;
    struct canonical_hash hash = {.form = signature->body_form, .limit = signature->limit};
    int result = canonical_hash_body(trial->body, &hash, 1);
    if (result < 0)
        return result;
    *explanation = (struct auth_dkim_body){
        .canonicalization =
            str_of(arena_printf(trial->arena, "%s/%s", form_name(signature->header_form),
                                form_name(signature->body_form))),
        .signed_hash =
            base64_text(signature->body_hash.at, CANONICAL_HASH_BYTES, trial->arena),
        .found_hash = base64_text(hash.hash, sizeof hash.hash, trial->arena),
        .signed_bytes =
            signature->limit < hash.body_bytes ? signature->limit : hash.body_bytes,
        .body_bytes = hash.body_bytes,
        .does_match = is_signed_hash(trial, &hash),
    };
    if (!explanation->does_match && trial->body.length <= TRIAL_BODY_BYTES_MAX)
        explanation->hint = find_hint(trial);
    return 0;
}

int auth_dkim_explain_body(const struct message *message, size_t index, struct arena *arena,
                           struct auth_dkim_body *explanation)
{
    struct auth_dkim_signature *signature = arena_new_of(arena, struct auth_dkim_signature);
    struct str reason;
    const struct header_field *field = field_at(&message->header, index);
    if (!field)
        return -ENOENT;
    auth_dkim_signature_read(field, message->received_at, arena, signature, &reason);
    if (signature->body_hash.length != CANONICAL_HASH_BYTES)
        return -EINVAL;
    struct str body = str_from(blob_view(message->raw), message->header.body_offset);
    struct trial trial = {signature, body, arena};
    return explain(&trial, explanation);
}

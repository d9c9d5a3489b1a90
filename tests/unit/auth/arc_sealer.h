/* Seals messages for tests, well or badly. */
#pragma once

#include "dkim_signer.h"

#define SEALER_SETS_MAX 60

/* A message and the sets it has got, as they were when they were added. */
struct sealed {
    struct arena *arena;
    const struct signer *signer;
    char *raw;
    size_t count;
    const char *results[SEALER_SETS_MAX], *message_signatures[SEALER_SETS_MAX],
        *seals[SEALER_SETS_MAX]; /* whole fields with CRLF */
};

/* How the next set is made; NULL or 0: as it should be. */
struct sealing {
    const char *domain;   /* "hop1.test" … */
    const char *selector; /* "ed" */
    const char *status;   /* cv= */
    const char *payload;  /* of ARC-Authentication-Results */
    const char *names;    /* h= */
    const char *forms;    /* c=, both of them; relaxed */
    const char *extra;    /* tags of the message signature */
    const char *extra_seal;
};

/* The first line of `raw`. */
static inline const char *sealer_first_field(struct arena *arena, const char *raw)
{
    return arena_printf(arena, "%.*s", (int)(strchr(raw, '\n') + 1 - raw), raw);
}

static inline void sealer_add_results(struct sealed *sealed, size_t instance,
                                      const struct sealing *sealing)
{
    const char *payload =
        sealing->payload ? sealing->payload : "mx.test; dmarc=pass header.from=author.test";
    char *field = arena_printf(sealed->arena, "ARC-Authentication-Results: i=%zu; %s\r\n",
                               instance, payload);
    sealed->results[instance - 1] = field;
    sealed->raw = arena_printf(sealed->arena, "%s%s", field, sealed->raw);
}

static inline void sealer_add_signature(struct sealed *sealed, size_t instance,
                                        const char *signer, const struct sealing *sealing)
{
    bool is_simple = sealing->forms && strcmp(sealing->forms, "simple/simple") == 0;
    enum canonical_form form = is_simple ? CANONICAL_SIMPLE : CANONICAL_RELAXED;
    const char *names = sealing->names ? sealing->names : "from:to:subject";
    struct signing signing = {
        .signer = sealed->signer,
        .field_name = "ARC-Message-Signature",
        .tags = arena_printf(sealed->arena, "i=%zu; a=ed25519-sha256; %s; h=%s; c=%s%s",
                             instance, signer, names,
                             sealing->forms ? sealing->forms : "relaxed/relaxed",
                             sealing->extra ? sealing->extra : ""),
        .names = names,
        .header_form = form,
        .body_form = form,
    };
    sealed->raw = signer_add(&signing, sealed->raw, sealed->arena);
    sealed->message_signatures[instance - 1] =
        sealer_first_field(sealed->arena, sealed->raw);
}

static inline void sealer_add_seal(struct sealed *sealed, size_t instance,
                                   const char *signer, const struct sealing *sealing)
{
    const char *status = sealing->status ? sealing->status
                         : instance == 1 ? "none"
                                         : "pass";
    char *field = arena_printf(
        sealed->arena, "ARC-Seal: i=%zu; a=ed25519-sha256; %s; cv=%s%s; b=", instance,
        signer, status, sealing->extra_seal ? sealing->extra_seal : "");
    struct buf text;
    buf_init(&text, (size_t)1 << 20);
    for (size_t i = 0; i < instance; i++) {
        canonical_field(CANONICAL_RELAXED, str_of(sealed->results[i]), &text);
        canonical_field(CANONICAL_RELAXED, str_of(sealed->message_signatures[i]), &text);
        if (i + 1 < instance)
            canonical_field(CANONICAL_RELAXED, str_of(sealed->seals[i]), &text);
    }
    canonical_signature(CANONICAL_RELAXED, str_of(field),
                        str_from(str_of(field), strlen(field)), &text);
    char *b = signer_sign(sealed->signer, buf_view(&text), sealed->arena);
    buf_free(&text);
    sealed->seals[instance - 1] = arena_printf(sealed->arena, "%s%s\r\n", field, b);
    sealed->raw =
        arena_printf(sealed->arena, "%s%s", sealed->seals[instance - 1], sealed->raw);
}

/* Puts the next set on top. */
static inline void sealer_add(struct sealed *sealed, const struct sealing *sealing)
{
    size_t instance = ++sealed->count;
    assert_true(instance <= SEALER_SETS_MAX);
    const char *domain = sealing->domain
                             ? sealing->domain
                             : arena_printf(sealed->arena, "hop%zu.test", instance);
    const char *signer = arena_printf(sealed->arena, "d=%s; s=%s", domain,
                                      sealing->selector ? sealing->selector : "ed");
    sealer_add_results(sealed, instance, sealing);
    sealer_add_signature(sealed, instance, signer, sealing);
    sealer_add_seal(sealed, instance, signer, sealing);
}

/* Replaces the first `old` in the message. */
static inline void sealer_edit(struct sealed *sealed, const char *old, const char *new)
{
    const char *at = strstr(sealed->raw, old);
    assert_non_null(at);
    sealed->raw = arena_printf(sealed->arena, "%.*s%s%s", (int)(at - sealed->raw),
                               sealed->raw, new, at + strlen(old));
}

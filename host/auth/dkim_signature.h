/* A DKIM-Signature field (RFC 6376 section 3.5), or one of ARC's that are made like it, read and checked as
 * far as it goes without its key. */
#pragma once

#include <stdint.h>

#include "auth/dkim_key.h"
#include "base/arena.h"
#include "mail/canonical.h"
#include "mail/header.h"
#include "mail/tag_list.h"

struct auth_dkim_signature {
    const struct header_field *field;
    struct tag_list tags;
    enum auth_dkim_algorithm algorithm;
    enum canonical_form header_form, body_form;
    struct str domain;          /* normal form */
    struct str selector;        /* normal form */
    struct str identity;        /* i= as written, or empty */
    struct str identity_domain; /* normal form; `domain` without i= */
    struct str names;           /* h= */
    uint64_t limit;             /* l=, or CANONICAL_ALL */
    struct str body_hash;       /* bh=, CANONICAL_HASH_BYTES of it */
    struct str bytes;           /* b= */
};

/* Reads one of a message received at `received_ms` (Unix time). Returns AUTH_NONE: go on with the key; or
 * AUTH_PERMERROR with the reason. What could be read before it is in `signature` in either case. */
enum auth_result auth_dkim_signature_read(const struct header_field *field,
                                          uint64_t received_ms, struct arena *arena,
                                          struct auth_dkim_signature *signature,
                                          struct str *reason);

/* The same for a field of ARC, where i= is the instance, which is the caller's to read. A seal has neither
 * names nor a body, and its canonicalization is relaxed. */
enum auth_signature_kind { AUTH_ARC_MESSAGE_SIGNATURE, AUTH_ARC_SEAL };
enum auth_result auth_dkim_signature_read_arc(enum auth_signature_kind kind,
                                              const struct header_field *field,
                                              uint64_t received_ms, struct arena *arena,
                                              struct auth_dkim_signature *signature,
                                              struct str *reason);

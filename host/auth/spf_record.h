/* An SPF record's text (RFC 7208 sections 4.5, 4.6 and 12): checked whole before any term is evaluated, then
 * read term by term. Nothing is allocated: views are into the text. */
#pragma once

#include <stdbool.h>

#include "auth/verdict.h"
#include "base/err.h"
#include "base/str.h"
#include "net/address.h"

enum spf_mechanism {
    SPF_ALL,
    SPF_INCLUDE,
    SPF_A,
    SPF_MX,
    SPF_PTR,
    SPF_IP4,
    SPF_IP6,
    SPF_EXISTS,
};

struct spf_directive {
    enum spf_mechanism mechanism;
    enum auth_result qualifier;    /* the result when it matches */
    struct str text;               /* as it stands in the record, VCHARs */
    struct str domain_spec;        /* well-formed; empty: the domain whose record it is */
    struct net_block network;      /* of ip4 and ip6 */
    unsigned prefix_v4, prefix_v6; /* of a and mx */
};

struct spf_record {
    struct str terms;
    struct str redirect; /* its domain-spec; empty if there is none */
};

/* True if a TXT record is meant to be one ("v=spf1" and then a space or the end). */
bool spf_record_is(struct str text);
/* Returns 0, or -EINVAL with what is wrong in words of ASCII. */
int spf_record_parse(struct str text, struct spf_record *record, struct err *err);
/* Reads the next directive; *rest starts as the terms of a parsed record. False at the end. */
bool spf_record_next(struct str *rest, struct spf_directive *directive);

/* One SPF check under way: its limits, its questions, its end by an error. Within spf*.c, a function's
 * negative result ends the whole check: SPF_TEMPERROR and SPF_PERMERROR with a reason given, -ECANCELED or
 * -ETIMEDOUT of the task. */
#pragma once

#include <errno.h>

#include "auth/spf.h"
#include "auth/spf_macro.h"

#define SPF_TEMPERROR (-EAGAIN)
#define SPF_PERMERROR (-EPROTO)

struct spf_check {
    struct dns *dns;
    struct arena *arena; /* of this check: answers, expanded names, the reason */
    struct net_address client;
    unsigned query_max;
    unsigned term_count, void_count, query_count;
    struct spf_macro_values
        values;           /* but domain and validated: of the record under evaluation */
    struct str mechanism; /* that matched last */
    const char *reason;
};

__attribute__((format(printf, 2, 3))) int spf_permerror(struct spf_check *check,
                                                        const char *format, ...);

/* Counts a term that asks DNS. */
int spf_count_term(struct spf_check *check);

/* Asks within the limit of questions; `name` may be any bytes. */
int spf_ask(struct spf_check *check, struct str name, enum dns_type type,
            struct dns_answer *answer);
/* The question that a term is about: a failure is a temperror, and that there is nothing counts as void (the
 * questions that follow from its answer do not: RFC 7208 section 4.6.4 counts terms). */
int spf_ask_for_term(struct spf_check *check, struct str name, enum dns_type type,
                     struct dns_answer *answer);
/* A failed answer as a temperror. */
int spf_failed(struct spf_check *check, struct str name, const struct dns_answer *answer);

/* A or AAAA, as the client has one. */
enum dns_type spf_address_type(const struct spf_check *check);
/* True if the first bits of an address in the answer are the client's. */
bool spf_answer_has_client(const struct spf_check *check, const struct dns_answer *answer,
                           unsigned prefix_bits);

/* True if the domain-spec would have the local part in it, which is not ASCII: its term matches nothing
 * (RFC 8616 section 4). */
bool spf_has_unfit_local(const struct spf_check *check, struct str spec);
/* *name: what the domain-spec (empty: `domain`, whose record it stands in) stands for, in lower case. Returns
 * 1, or 0 if nobody can have such a name. */
int spf_expand(struct spf_check *check, struct str spec, struct str domain,
               struct str *name);

/* *name: of the client's first 10 reverse names one that leads back to it, `domain` itself rather than one
 * below it, and that rather than another; empty if there is none or DNS fails. */
int spf_reverse_name(struct spf_check *check, struct str domain, struct str *name);

/* Text from outside for a reason: short, and printable. */
const char *spf_shown(struct spf_check *check, struct str text);

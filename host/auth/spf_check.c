#include "spf_check.h"

#include <stdarg.h>

#include "mail/domain.h"

#define LABEL_BYTES_MAX   63
#define REVERSE_NAMES_MAX 10 /* RFC 7208 section 4.6.4 */
#define SHOWN_BYTES       100

/* --- ends --- */

const char *spf_shown(struct spf_check *check, struct str text)
{
    bool is_long = text.length > SHOWN_BYTES;
    struct str start = str_part(text, 0, is_long ? SHOWN_BYTES : text.length);
    char *shown = arena_alloc(check->arena, start.length + sizeof "...");
    for (size_t i = 0; i < start.length; i++)
        shown[i] = start.at[i] > ' ' && start.at[i] <= '~' ? start.at[i] : '?';
    if (is_long)
        memcpy(shown + start.length, "...", sizeof "...");
    return shown;
}

int spf_permerror(struct spf_check *check, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    check->reason = arena_vprintf(check->arena, format, args);
    va_end(args);
    return SPF_PERMERROR;
}

int spf_failed(struct spf_check *check, struct str name, const struct dns_answer *answer)
{
    check->reason = arena_printf(check->arena, "DNS has no answer for %s: %s",
                                 spf_shown(check, name), answer->why);
    return SPF_TEMPERROR;
}

/* --- questions --- */

int spf_count_term(struct spf_check *check)
{
    if (check->term_count == AUTH_SPF_TERMS_MAX)
        return spf_permerror(check, "more than %d terms that ask DNS", AUTH_SPF_TERMS_MAX);
    check->term_count++;
    return 0;
}

int spf_ask(struct spf_check *check, struct str name, enum dns_type type,
            struct dns_answer *answer)
{
    *answer = (struct dns_answer){.status = DNS_FAILED};
    if (check->query_count == check->query_max)
        return spf_permerror(check, "more than %u DNS questions", check->query_max);
    check->query_count++;
    return dns_ask(check->dns, name, type, check->arena, answer);
}

int spf_ask_for_term(struct spf_check *check, struct str name, enum dns_type type,
                     struct dns_answer *answer)
{
    int result = spf_ask(check, name, type, answer);
    if (result < 0)
        return result;
    if (answer->status == DNS_FAILED)
        return spf_failed(check, name, answer);
    if (answer->status == DNS_OK)
        return 0;
    if (check->void_count == AUTH_SPF_VOIDS_MAX)
        return spf_permerror(check, "more than %d DNS questions without an answer",
                             AUTH_SPF_VOIDS_MAX);
    check->void_count++;
    return 0;
}

enum dns_type spf_address_type(const struct spf_check *check)
{
    return check->values.is_v6 ? DNS_AAAA : DNS_A;
}

bool spf_answer_has_client(const struct spf_check *check, const struct dns_answer *answer,
                           unsigned prefix_bits)
{
    for (size_t i = 0; i < answer->count; i++) {
        struct net_block block = {answer->records[i].address, prefix_bits};
        if (net_block_contains(&block, &check->client))
            return true;
    }
    return false;
}

/* --- reverse names --- */

/* What a client's reverse names lack is not the doing of the domain that is checked: nothing is void here. */

/* True if the name's addresses have the client. Failures of DNS are passed over (RFC 7208 section 5.5). */
static int leads_back(struct spf_check *check, struct str name)
{
    struct dns_answer answer;
    int result = spf_ask(check, name, spf_address_type(check), &answer);
    unsigned prefix_bits = check->values.is_v6 ? 128 : 32;
    return result < 0 ? result : spf_answer_has_client(check, &answer, prefix_bits);
}

/* How well the name stands for the domain; higher is better, 0 is not at all. */
static unsigned nearness(struct str name, struct str domain)
{
    if (name.length == 0)
        return 0;
    return str_equal(name, domain) ? 3 : domain_is_within(name, domain) ? 2 : 1;
}

int spf_reverse_name(struct spf_check *check, struct str domain, struct str *name)
{
    struct dns_answer answer;
    *name = STR("");
    int result =
        spf_ask(check, dns_reverse_name(&check->client, check->arena), DNS_PTR, &answer);
    if (result < 0)
        return result;
    for (size_t i = 0; i < answer.count && i < REVERSE_NAMES_MAX; i++) {
        struct str candidate = answer.records[i].name;
        if (nearness(candidate, domain) <= nearness(*name, domain))
            continue;
        result = leads_back(check, candidate);
        if (result < 0)
            return result;
        if (result)
            *name = candidate;
    }
    return 0;
}

/* --- names --- */

static bool is_possible_name(struct str name)
{
    size_t label = 0;
    if (name.length == 0 || name.length > DOMAIN_BYTES_MAX)
        return false;
    for (size_t i = 0; i <= name.length; i++) {
        if (i < name.length && name.at[i] != '.')
            continue;
        if (i == label || i - label > LABEL_BYTES_MAX)
            return false;
        label = i + 1;
    }
    return true;
}

bool spf_has_unfit_local(const struct spf_check *check, struct str spec)
{
    return str_has_8bit(check->values.local) &&
           (spf_macro_uses(spec, 's') || spf_macro_uses(spec, 'l'));
}

int spf_expand(struct spf_check *check, struct str spec, struct str domain,
               struct str *name)
{
    struct spf_macro_values values = check->values;
    *name = domain;
    if (spec.length == 0)
        return 1;
    if (spf_has_unfit_local(check, spec))
        return 0;
    values.domain = domain;
    if (spf_macro_uses(spec, 'p')) {
        int result = spf_reverse_name(check, domain, &values.validated);
        if (result < 0)
            return result;
        if (values.validated.length == 0)
            values.validated = STR("unknown");
    }
    *name = spf_macro_expand(spec, &values, check->arena);
    return is_possible_name(*name);
}

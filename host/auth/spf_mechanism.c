#include "spf_mechanism.h"

#include "mail/domain.h"

#define MX_NAMES_MAX 10 /* RFC 7208 section 4.6.4 */

static unsigned prefix_of(const struct spf_check *check,
                          const struct spf_directive *directive)
{
    return check->values.is_v6 ? directive->prefix_v6 : directive->prefix_v4;
}

static int match_a(struct spf_check *check, const struct spf_directive *directive,
                   struct str name)
{
    struct dns_answer answer;
    int result = spf_ask_for_term(check, name, spf_address_type(check), &answer);
    if (result < 0)
        return result;
    return spf_answer_has_client(check, &answer, prefix_of(check, directive));
}

static int match_mx_host(struct spf_check *check, const struct spf_directive *directive,
                         struct str host)
{
    struct dns_answer answer;
    if (host.length == 0) /* a null MX (RFC 7505) */
        return 0;
    int result = spf_ask(check, host, spf_address_type(check), &answer);
    if (result < 0)
        return result;
    if (answer.status == DNS_FAILED)
        return spf_failed(check, host, &answer);
    return spf_answer_has_client(check, &answer, prefix_of(check, directive));
}

static int match_mx(struct spf_check *check, const struct spf_directive *directive,
                    struct str name)
{
    struct dns_answer answer;
    int result = spf_ask_for_term(check, name, DNS_MX, &answer);
    if (result < 0)
        return result;
    if (answer.count > MX_NAMES_MAX)
        return spf_permerror(check, "%s has more than %d MX records",
                             spf_shown(check, name), MX_NAMES_MAX);
    for (size_t i = 0; i < answer.count && result == 0; i++)
        result = match_mx_host(check, directive, answer.records[i].name);
    return result;
}

static int match_ptr(struct spf_check *check, struct str name)
{
    struct str reverse;
    int result = spf_reverse_name(check, name, &reverse);
    return result < 0 ? result : domain_is_within(reverse, name);
}

static int match_exists(struct spf_check *check, struct str name)
{
    struct dns_answer answer;
    int result = spf_ask_for_term(check, name, DNS_A, &answer);
    return result < 0 ? result : answer.status == DNS_OK;
}

static int match_by_dns(struct spf_check *check, const struct spf_directive *directive,
                        struct str domain)
{
    struct str name = STR("");
    int result = spf_count_term(check);
    if (result == 0)
        result = spf_expand(check, directive->domain_spec, domain, &name);
    if (result <= 0)
        return result;
    switch (directive->mechanism) {
    case SPF_A:
        return match_a(check, directive, name);
    case SPF_MX:
        return match_mx(check, directive, name);
    case SPF_PTR:
        return match_ptr(check, name);
    default:
        return match_exists(check, name);
    }
}

int spf_mechanism_match(struct spf_check *check, const struct spf_directive *directive,
                        struct str domain)
{
    switch (directive->mechanism) {
    case SPF_ALL:
        return 1;
    case SPF_IP4:
    case SPF_IP6:
        return net_block_contains(&directive->network, &check->client);
    default:
        return match_by_dns(check, directive, domain);
    }
}

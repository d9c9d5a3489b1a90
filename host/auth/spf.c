/* check_host() of RFC 7208 section 4: find the domain's record, go through its terms, follow `include` and
 * `redirect`. Ten terms at most ask DNS, so includes nest no deeper than that. */
#include "spf.h"

#include <string.h>

#include "auth/spf_check.h"
#include "auth/spf_mechanism.h"
#include "auth/spf_record.h"
#include "base/task.h"
#include "mail/domain.h"

#define DURATION_MS     20000
/* The first record; a term asks once, then for 10 names, and as much for a %{p} in it. */
#define QUERIES_MAX     (1 + AUTH_SPF_TERMS_MAX * 2 * (1 + 10))
#define MECHANISM_BYTES 200

/* --- check_host --- */

/* *text: the one SPF record among the answer's texts, empty if there is none. */
static int select_record(struct spf_check *check, struct str domain,
                         const struct dns_answer *answer, struct str *text)
{
    *text = STR("");
    for (size_t i = 0; i < answer->count; i++) {
        if (!spf_record_is(answer->records[i].text))
            continue;
        if (text->length)
            return spf_permerror(check, "%s has several SPF records",
                                 spf_shown(check, domain));
        *text = answer->records[i].text;
    }
    return 0;
}

/* Returns 1 with the record, 0 if the domain has none, or how the check ends. */
static int find_record(struct spf_check *check, struct str domain,
                       struct spf_record *record)
{
    struct dns_answer answer;
    struct str text;
    struct err err;
    int result = spf_ask(check, domain, DNS_TXT, &answer);
    if (result < 0)
        return result;
    if (answer.status == DNS_FAILED)
        return spf_failed(check, domain, &answer);
    result = select_record(check, domain, &answer, &text);
    if (result < 0 || text.length == 0)
        return result;
    if (spf_record_parse(text, record, &err) < 0)
        return spf_permerror(check, "the record of %s: %s", spf_shown(check, domain),
                             err.text);
    return 1;
}

static int check_host(struct spf_check *check, struct str domain, enum auth_result *result);

/* The check of another domain that a term of `domain`'s record asks for; that there is no record to find is an
 * error then. Returns 0 with its result, or how the check ends. */
static int check_other(struct spf_check *check, struct str spec, struct str domain,
                       enum auth_result *found)
{
    struct str other = STR("");
    int result = spf_count_term(check);
    if (result == 0)
        result = spf_expand(check, spec, domain, &other);
    if (result < 0)
        return result;
    if (result > 0)
        result = check_host(check, other, found);
    if (result < 0)
        return result;
    if (*found == AUTH_NONE)
        return spf_permerror(check, "the record of %s refers to %s, which has none",
                             spf_shown(check, domain), spf_shown(check, other));
    return 0;
}

static int match(struct spf_check *check, const struct spf_directive *directive,
                 struct str domain)
{
    enum auth_result included = AUTH_NONE;
    if (directive->mechanism != SPF_INCLUDE)
        return spf_mechanism_match(check, directive, domain);
    if (spf_has_unfit_local(check, directive->domain_spec))
        return 0;
    int result = check_other(check, directive->domain_spec, domain, &included);
    return result < 0 ? result : included == AUTH_PASS;
}

/* Section 4.6.2: the first directive that matches decides. */
static int evaluate(struct spf_check *check, const struct spf_record *record,
                    struct str domain, enum auth_result *result)
{
    struct str rest = record->terms;
    struct spf_directive directive;
    while (spf_record_next(&rest, &directive)) {
        int matches = match(check, &directive, domain);
        if (matches < 0)
            return matches;
        if (matches) {
            check->mechanism = directive.text;
            *result = directive.qualifier;
            return 0;
        }
    }
    check->mechanism = STR("");
    *result = AUTH_NEUTRAL;
    if (record->redirect.length == 0)
        return 0;
    *result = AUTH_NONE;
    return check_other(check, record->redirect, domain, result);
}

static int check_host(struct spf_check *check, struct str domain, enum auth_result *result)
{
    struct spf_record record = {.terms = STR("")};
    *result = AUTH_NONE;
    if (str_index(domain, '.') < 0)
        return 0;
    int found = find_record(check, domain, &record);
    return found <= 0 ? found : evaluate(check, &record, domain, result);
}

/* --- who is asked about --- */

/* The client's address as macros have it: "192.0.2.1", or the nibbles of IPv6 with dots between. */
static struct str address_value(const struct net_address *client, struct arena *arena)
{
    char text[NET_ADDRESS_TEXT_BYTES];
    struct str bytes = net_address_bytes(client);
    if (!net_address_is_v6(client))
        return str_of(arena_printf(arena, "%s", net_address_ip_text(client, text)));
    char *nibbles = arena_alloc(arena, 4 * bytes.length);
    for (size_t i = 0; i < bytes.length; i++) {
        unsigned byte = (unsigned char)bytes.at[i];
        nibbles[4 * i] = "0123456789abcdef"[byte >> 4U];
        nibbles[4 * i + 1] = '.';
        nibbles[4 * i + 2] = "0123456789abcdef"[byte & 0xFU];
        nibbles[4 * i + 3] = '.';
    }
    return (struct str){nibbles, 4 * bytes.length - 1};
}

static void set_values(struct spf_check *check, const struct auth_spf_question *question,
                       struct str local, struct str domain)
{
    struct spf_macro_values *values = &check->values;
    values->local = local.length ? local : STR("postmaster");
    values->sender_domain = domain;
    values->sender = str_of(
        arena_printf(check->arena, "%.*s@%.*s", STR_ARG(values->local), STR_ARG(domain)));
    values->address = address_value(&check->client, check->arena);
    values->helo = question->helo;
    values->is_v6 = net_address_is_v6(&check->client);
}

/* What a name is that no record can be asked for (section 4.3). */
static bool is_checkable(struct str domain, struct arena *arena, struct str *normal)
{
    return domain_normalize(domain, arena, normal) == 0 && str_index(*normal, '.') >= 0;
}

static int check_identity(struct spf_check *check, const struct auth_spf_question *question,
                          struct auth_spf *spf)
{
    spf->is_of_helo = !question->sender || question->sender->is_null;
    struct str local = spf->is_of_helo ? STR("") : question->sender->local;
    struct str domain = spf->is_of_helo ? question->helo : question->sender->domain;
    if (net_address_bytes(&check->client).length == 0) {
        check->reason = "the client has no IP address";
        return 0;
    }
    if (!is_checkable(domain, check->arena, &domain)) {
        check->reason = "there can be no such domain";
        return 0;
    }
    spf->domain = domain;
    set_values(check, question, local, domain);
    return check_host(check, domain, &spf->result);
}

/* --- the answer --- */

/* How a check that `ended` stands in its answer. */
static int conclude(int ended, struct spf_check *check, struct auth_spf *spf)
{
    switch (ended) {
    case SPF_TEMPERROR:
        spf->result = AUTH_TEMPERROR;
        return 0;
    case SPF_PERMERROR:
        spf->result = AUTH_PERMERROR;
        return 0;
    case -ETIMEDOUT:
        check->reason = "DNS took too long";
        spf->result = AUTH_TEMPERROR;
        return 0;
    default:
        return ended;
    }
}

static void fill(const struct spf_check *check, struct arena *arena, struct auth_spf *spf)
{
    bool is_error = spf->result == AUTH_TEMPERROR || spf->result == AUTH_PERMERROR;
    struct str mechanism = is_error ? STR("") : check->mechanism;
    if (mechanism.length > MECHANISM_BYTES)
        mechanism.length = MECHANISM_BYTES;
    spf->domain = arena_str(arena, spf->domain);
    spf->mechanism = arena_str(arena, mechanism);
    spf->reason = arena_str(arena, str_of(check->reason));
    spf->term_count = check->term_count;
    spf->void_count = check->void_count;
    spf->query_count = check->query_count;
}

int auth_spf_check(struct dns *dns, const struct auth_spf_question *question,
                   struct arena *arena, struct auth_spf *spf)
{
    uint64_t own_deadline =
        question->deadline_ms ? question->deadline_ms : task_in_ms(DURATION_MS);
    uint64_t deadline = task_deadline_set(own_deadline);
    if (deadline < own_deadline)
        task_deadline_set(deadline);
    struct spf_check check = {
        .dns = dns,
        .arena = arena_new(),
        .query_max = question->query_max ? question->query_max : QUERIES_MAX,
        .mechanism = STR(""),
        .reason = "",
    };
    net_address_from_socket(&question->client.socket.any, &check.client);
    *spf = (struct auth_spf){.result = AUTH_NONE, .domain = STR("")};
    int result = conclude(check_identity(&check, question, spf), &check, spf);
    task_deadline_set(deadline);
    fill(&check, arena, spf);
    arena_free(check.arena);
    return result;
}

/* The steps of RFC 9989 section 5.3: the Author Domain, its policy record, which of the authenticated
 * identifiers are aligned with it, the result, and the policy that applies.
 *
 * The Organizational Domain of an identifier is the identifier or above it, so one that is not within the
 * Author Domain's Organizational Domain is not aligned, and is not walked for: a message's signatures
 * cannot make us ask about domains of others. */
#include "dmarc.h"

#include <errno.h>

#include "auth/dmarc_from.h"
#include "auth/dmarc_walk.h"
#include "base/task.h"
#include "mail/domain.h"

#define IDENTIFIERS_MAX (AUTH_DKIM_MAX + 1)

enum alignment { UNALIGNED, ALIGNED, ALIGNMENT_UNKNOWN };

/* A domain that SPF or DKIM has authenticated, or might have if the DNS had answered. */
struct identifier {
    struct str domain;
    bool is_spf;
    bool is_temporary; /* its check ended with temperror */
    enum alignment alignment;
};

struct evaluation {
    struct dmarc_walk author; /* from the Author Domain */
    struct dmarc_walk_end end;
    bool is_author_walked; /* the whole of it: `end` is set */
    const struct dmarc_level *policy;
    struct identifier identifiers[IDENTIFIERS_MAX];
    size_t identifier_count;
    struct auth_dmarc *dmarc;
};

/* --- authenticated identifiers --- */

static void add_identifier(struct evaluation *evaluation, enum auth_result result,
                           struct str domain, bool is_spf)
{
    struct identifier *identifier = &evaluation->identifiers[evaluation->identifier_count];
    if ((result != AUTH_PASS && result != AUTH_TEMPERROR) ||
        evaluation->identifier_count == IDENTIFIERS_MAX ||
        domain_normalize(domain, evaluation->author.arena, &identifier->domain) < 0)
        return;
    identifier->is_spf = is_spf;
    identifier->is_temporary = result == AUTH_TEMPERROR;
    evaluation->identifier_count++;
}

static void collect_identifiers(struct evaluation *evaluation,
                                const struct auth_dmarc_input *input)
{
    add_identifier(evaluation, input->spf->result, input->spf->domain, true);
    for (size_t i = 0; i < input->dkim_count; i++)
        add_identifier(evaluation, input->dkim[i].result, input->dkim[i].domain, false);
}

/* --- the record that applies --- */

static int walk_author(struct evaluation *evaluation)
{
    if (evaluation->is_author_walked)
        return 0;
    int result = dmarc_walk_ask_all(&evaluation->author);
    evaluation->end = dmarc_walk_finish(&evaluation->author);
    evaluation->is_author_walked = true;
    return result;
}

/* RFC 9989 section 4.10.1. Leaves evaluation->policy NULL, and the result said, if there is none. */
static int discover_policy(struct evaluation *evaluation)
{
    const struct dmarc_level *own = &evaluation->author.levels[0];
    struct auth_dmarc *dmarc = evaluation->dmarc;
    int result = dmarc_walk_ask_first(&evaluation->author);
    if (result == 0 && !own->is_failed && !own->has_record)
        result = walk_author(evaluation);
    const struct dmarc_level *found = own->has_record ? own : evaluation->end.inherited;
    if (own->is_failed || evaluation->end.is_failed) {
        dmarc->result = AUTH_TEMPERROR;
        dmarc->reason = STR("the DNS did not tell whether there is a DMARC record");
    } else if (found && !dmarc_record_is_usable(&found->record)) {
        dmarc->reason = STR("the record has no valid policy and no address for reports");
    } else {
        evaluation->policy = found;
    }
    return result;
}

/* --- alignment --- */

/* Relaxed: both have the same Organizational Domain (RFC 9989 section 4.10.2). */
static int align_relaxed(struct evaluation *evaluation, struct identifier *identifier)
{
    int result = walk_author(evaluation);
    const struct dmarc_walk_end *author = &evaluation->end;
    identifier->alignment = author->is_failed ? ALIGNMENT_UNKNOWN : UNALIGNED;
    if (result < 0 || author->is_failed ||
        !domain_is_within(identifier->domain, author->organizational_domain))
        return result;
    struct dmarc_walk walk;
    dmarc_walk_init(&walk, evaluation->author.dns, evaluation->author.arena,
                    identifier->domain);
    dmarc_walk_share(&walk, &evaluation->author);
    result = dmarc_walk_ask_all(&walk);
    evaluation->dmarc->query_count += walk.query_count;
    struct dmarc_walk_end end = dmarc_walk_finish(&walk);
    if (end.is_failed)
        identifier->alignment = ALIGNMENT_UNKNOWN;
    else if (str_equal(end.organizational_domain, author->organizational_domain))
        identifier->alignment = ALIGNED;
    return result;
}

/* What an equal identifier before it has told, so that ten signatures of one domain are walked for once. */
static bool align_as_before(const struct evaluation *evaluation,
                            struct identifier *identifier)
{
    for (const struct identifier *before = evaluation->identifiers; before < identifier;
         before++)
        if (str_equal(before->domain, identifier->domain) &&
            before->is_spf == identifier->is_spf) {
            identifier->alignment = before->alignment;
            return true;
        }
    return false;
}

static int align(struct evaluation *evaluation, struct identifier *identifier)
{
    const struct dmarc_record *record = &evaluation->policy->record;
    bool is_strict = identifier->is_spf ? record->is_spf_strict : record->is_dkim_strict;
    if (str_equal(identifier->domain, evaluation->dmarc->from_domain)) {
        identifier->alignment = ALIGNED;
        return 0;
    }
    struct str top = evaluation->author.levels[evaluation->author.count - 1].domain;
    if (is_strict || !domain_is_within(identifier->domain, top) ||
        align_as_before(evaluation, identifier))
        return 0;
    return align_relaxed(evaluation, identifier);
}

static int align_all(struct evaluation *evaluation)
{
    int result = 0;
    for (size_t i = 0; i < evaluation->identifier_count && result == 0; i++)
        result = align(evaluation, &evaluation->identifiers[i]);
    return result;
}

/* RFC 9989 sections 5.3.5 and 5.3.6: one aligned identifier is enough, and what the DNS withheld of one that
 * is or may be aligned leaves it open. */
static void conclude(struct evaluation *evaluation)
{
    struct auth_dmarc *dmarc = evaluation->dmarc;
    bool is_open = false;
    for (size_t i = 0; i < evaluation->identifier_count; i++) {
        const struct identifier *identifier = &evaluation->identifiers[i];
        if (identifier->alignment == ALIGNED && !identifier->is_temporary) {
            dmarc->is_spf_aligned |= identifier->is_spf;
            dmarc->is_dkim_aligned |= !identifier->is_spf;
        }
        is_open |= identifier->alignment == ALIGNMENT_UNKNOWN ||
                   (identifier->alignment == ALIGNED && identifier->is_temporary);
    }
    dmarc->result = AUTH_FAIL;
    if (dmarc->is_spf_aligned || dmarc->is_dkim_aligned) {
        dmarc->result = AUTH_PASS;
    } else if (is_open) {
        dmarc->result = AUTH_TEMPERROR;
        dmarc->reason = STR("the DNS did not tell all that SPF, DKIM or alignment needs");
    } else {
        dmarc->reason =
            evaluation->identifier_count
                ? STR("what SPF and DKIM authenticated is not aligned with From")
                : STR("neither SPF nor DKIM authenticated a domain");
    }
}

/* --- the policy --- */

/* RFC 8020: NXDOMAIN for the domain itself, whatever the type. */
static int ask_existence(struct evaluation *evaluation, enum dns_status *status)
{
    struct dns_answer answer = {.status = DNS_FAILED};
    int result = dns_ask(evaluation->author.dns, evaluation->dmarc->from_domain, DNS_A,
                         evaluation->author.arena, &answer);
    evaluation->dmarc->query_count++;
    *status = answer.status;
    if (result < 0)
        *status = DNS_FAILED;
    return result == -ECANCELED ? result : 0;
}

/* p for the domain of the record, else np for a domain that does not exist, sp for one that does, or p. */
static int choose_request(struct evaluation *evaluation, enum dmarc_request *request)
{
    const struct dmarc_record *record = &evaluation->policy->record;
    struct auth_dmarc *dmarc = evaluation->dmarc;
    *request = record->policy;
    if (str_equal(dmarc->policy_domain, dmarc->from_domain))
        return 0;
    if (record->subdomain_policy != DMARC_REQUEST_ABSENT)
        *request = record->subdomain_policy;
    if (record->nonexistent_policy == DMARC_REQUEST_ABSENT ||
        record->nonexistent_policy == *request)
        return 0;
    enum dns_status status;
    int result = ask_existence(evaluation, &status);
    if (status == DNS_NO_NAME)
        *request = record->nonexistent_policy;
    if (status == DNS_FAILED && dmarc->result == AUTH_FAIL) {
        dmarc->result = AUTH_TEMPERROR;
        dmarc->reason = STR("the DNS did not tell whether the domain in From exists");
    }
    return result;
}

/* t=y asks for the next weaker one (RFC 9989 section 4.7). */
static enum auth_dmarc_policy policy_of(enum dmarc_request request, bool is_test)
{
    switch (request) {
    case DMARC_REQUEST_REJECT:
        return is_test ? DMARC_POLICY_QUARANTINE : DMARC_POLICY_REJECT;
    case DMARC_REQUEST_QUARANTINE:
        return is_test ? DMARC_POLICY_NONE : DMARC_POLICY_QUARANTINE;
    default:
        return DMARC_POLICY_NONE;
    }
}

/* --- all of it --- */

static int apply_record(struct evaluation *evaluation)
{
    struct auth_dmarc *dmarc = evaluation->dmarc;
    const struct dmarc_record *record = &evaluation->policy->record;
    enum dmarc_request request = DMARC_REQUEST_NONE;
    dmarc->policy_domain = evaluation->policy->domain;
    dmarc->is_test = record->is_test;
    dmarc->report_aggregate = record->report_aggregate;
    dmarc->report_failure = record->report_failure;
    int result = align_all(evaluation);
    if (result == 0) {
        conclude(evaluation);
        result = choose_request(evaluation, &request);
    }
    dmarc->policy = policy_of(request, record->is_test);
    return result;
}

static int evaluate(struct dns *dns, const struct auth_dmarc_input *input,
                    struct arena *arena, struct auth_dmarc *dmarc)
{
    struct evaluation evaluation = {.dmarc = dmarc};
    dmarc_walk_init(&evaluation.author, dns, arena, dmarc->from_domain);
    collect_identifiers(&evaluation, input);
    int result = discover_policy(&evaluation);
    if (result == 0 && evaluation.policy)
        result = apply_record(&evaluation);
    dmarc->query_count += evaluation.author.query_count;
    dmarc_walk_tell(&evaluation.author, dmarc);
    dmarc->organizational_domain = evaluation.is_author_walked
                                       ? evaluation.end.organizational_domain
                                   : evaluation.policy ? dmarc->from_domain
                                                       : (struct str){0};
    return result;
}

int auth_dmarc_evaluate(struct dns *dns, const struct auth_dmarc_input *input,
                        uint64_t deadline_ms, struct arena *arena, struct auth_dmarc *dmarc)
{
    *dmarc = (struct auth_dmarc){0};
    if (dmarc_from_domain(&input->message->header, arena, &dmarc->from_domain,
                          &dmarc->reason) < 0) {
        dmarc->result = AUTH_PERMERROR;
        return 0;
    }
    uint64_t before = task_deadline_set(TASK_FOREVER);
    task_deadline_set(before < deadline_ms ? before : deadline_ms);
    int result = evaluate(dns, input, arena, dmarc);
    task_deadline_set(before);
    return result;
}

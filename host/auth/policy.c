/* Each check gives its own answer, as if it were to be enforced; its mode then says what may come of it, and
 * the gravest answer stands, the first in the order below among equals: a refusal that is certain goes
 * before one that waits for the DNS. */
#include "auth/policy.h"

#include "auth/dmarc_from.h"
#include "mail/address_list.h"
#include "mail/domain.h"

#define ZONES_TOLD_MAX    4
#define DOMAIN_BYTES_TOLD 80 /* so that a reply stays within a line */

struct question {
    const struct auth_options *options;
    const struct message *message;
    const struct auth_verdict *verdict;
    struct arena *arena;
    const char *client_ip;
};

static struct auth_decision accept_it(void)
{
    return (struct auth_decision){.enhanced = "", .text = STR(""), .check = ""};
}

static struct auth_decision refuse(unsigned code, const char *enhanced, const char *text)
{
    return (struct auth_decision){
        .action = AUTH_REJECT, .code = code, .enhanced = enhanced, .text = str_of(text)};
}

static struct auth_decision defer(const char *enhanced, const char *text)
{
    return (struct auth_decision){
        .action = AUTH_DEFER, .code = 451, .enhanced = enhanced, .text = str_of(text)};
}

static struct auth_decision quarantine(void)
{
    struct auth_decision decision = accept_it();
    decision.is_quarantined = true;
    return decision;
}

/* --- block lists --- */

static struct str shown(struct str domain)
{
    return str_part(domain, 0,
                    domain.length < DOMAIN_BYTES_TOLD ? domain.length : DOMAIN_BYTES_TOLD);
}

struct auth_decision auth_policy_decide_client(const struct net_address *address,
                                               const struct auth_client *client,
                                               struct arena *arena)
{
    const char *zones = "";
    size_t count = 0;
    for (size_t i = 0; i < client->hit_count; i++) {
        struct str zone = shown(client->hits[i].zone);
        if (client->hits[i].rejects && count++ < ZONES_TOLD_MAX)
            zones =
                arena_printf(arena, "%s%s%.*s", zones, *zones ? ", " : "", STR_ARG(zone));
    }
    if (count == 0)
        return accept_it();
    char ip[NET_ADDRESS_TEXT_BYTES];
    struct auth_decision decision =
        refuse(554, "5.7.1",
               arena_printf(arena, "%s found on one or more RBLs (%s)",
                            net_address_ip_text(address, ip), zones));
    decision.check = "block list";
    return decision;
}

/* --- what was found --- */

static bool has_dkim(const struct auth_verdict *verdict, enum auth_result result)
{
    for (size_t i = 0; i < verdict->dkim_count; i++)
        if (verdict->dkim[i].result == result)
            return true;
    return false;
}

static struct str spf_domain(const struct question *question)
{
    struct str domain = question->verdict->spf.domain;
    return domain.length ? shown(domain) : STR("the sender");
}

static bool is_trusted_sealer(const struct auth_options *options, struct str sealer)
{
    for (size_t i = 0; i < options->trusted_sealer_count; i++)
        if (str_equal_nocase(options->trusted_sealers[i], sealer))
            return true;
    return false;
}

/* RFC 8617 section 7.2.1: from the newest sealer downwards, each must be trusted to believe what it says it
 * received; one of them has seen DMARC pass. Whether the chain itself holds is asked elsewhere. */
static bool is_vouched_for(const struct question *question)
{
    const struct auth_arc *arc = &question->verdict->arc;
    for (size_t i = arc->count; i-- > 0;) {
        if (!is_trusted_sealer(question->options, arc->sets[i].sealer))
            return false;
        if (arc->sets[i].results_dmarc == AUTH_PASS)
            return true;
    }
    return false;
}

/* --- who is exempt --- */

static bool is_exempt_client(const struct auth_options *options,
                             const struct net_address *client)
{
    for (size_t i = 0; i < options->exempt_client_count; i++)
        if (net_block_contains(&options->exempt_clients[i], client))
            return true;
    return false;
}

/* The address in From, where there is exactly one; else an empty view. */
static struct str from_address(const struct message *message)
{
    struct mailbox mailbox;
    struct str value = header_value(&message->header, STR("From"), message->arena);
    if (header_count(&message->header, STR("From")) != 1 ||
        address_list_parse(value, message->arena, &mailbox, 1) != 1)
        return STR("");
    return mailbox_ascii_text(&mailbox, message->arena);
}

static bool is_exempt_from(const struct question *question)
{
    const struct auth_options *options = question->options;
    struct str domain, reason;
    if (options->exempt_from_count == 0 ||
        dmarc_from_domain(&question->message->header, question->arena, &domain, &reason) <
            0)
        return false;
    struct str address = from_address(question->message);
    for (size_t i = 0; i < options->exempt_from_count; i++) {
        struct str exempt = options->exempt_from[i];
        if (str_index(exempt, '@') < 0 ? domain_is_within(domain, exempt)
                                       : str_equal_nocase(exempt, address))
            return true;
    }
    return false;
}

/* --- the checks --- */

/* DMARC has looked at it, unless it is off. */
static struct auth_decision check_from(const struct question *question)
{
    struct str domain, reason;
    bool is_sound = question->options->dmarc != AUTH_OFF &&
                    question->verdict->dmarc.result != AUTH_PERMERROR;
    if (is_sound || dmarc_from_domain(&question->message->header, question->arena, &domain,
                                      &reason) == 0)
        return accept_it();
    return refuse(550, "5.7.1",
                  "a message needs exactly one From field, with addresses of one domain "
                  "(RFC 9989); correct it and send again");
}

static struct auth_decision refuse_for_dmarc(const struct question *question)
{
    const struct auth_verdict *verdict = question->verdict;
    struct str from = shown(verdict->dmarc.from_domain);
    const char *spf = auth_result_name(verdict->spf.result);
    const char *dkim = has_dkim(verdict, AUTH_PASS) ? "pass, of another domain"
                       : verdict->dkim_count        ? "not valid"
                                                    : "none";
    return refuse(
        550, "5.7.1",
        arena_printf(
            question->arena,
            "DMARC of %.*s asks to refuse this message (p=reject): SPF %s of %.*s, "
            "DKIM %s; sign it with DKIM as d=%.*s, or send it from a host in that "
            "domain's SPF record",
            STR_ARG(from), spf, STR_ARG(spf_domain(question)), dkim, STR_ARG(from)));
}

static struct auth_decision defer_for_dmarc(const struct question *question)
{
    struct str from = shown(question->verdict->dmarc.from_domain);
    return defer("4.7.1",
                 arena_printf(question->arena,
                              "DNS does not tell what DMARC of %.*s depends on; try again "
                              "later",
                              STR_ARG(from)));
}

/* Nobody vouches for it. */
static struct auth_decision fail_dmarc(const struct question *question)
{
    switch (question->verdict->dmarc.policy) {
    case DMARC_POLICY_REJECT:
        return refuse_for_dmarc(question);
    case DMARC_POLICY_QUARANTINE:
        return quarantine();
    case DMARC_POLICY_NONE:
        break;
    }
    return accept_it();
}

/* What would be refused waits for the DNS instead; what would be quarantined is. */
static struct auth_decision wait_for_dmarc(const struct question *question)
{
    const struct auth_dmarc *dmarc = &question->verdict->dmarc;
    if (dmarc->policy_domain.length == 0 || dmarc->policy == DMARC_POLICY_REJECT)
        return defer_for_dmarc(question);
    return fail_dmarc(question);
}

static struct auth_decision check_dmarc(const struct question *question)
{
    enum auth_result result = question->verdict->dmarc.result;
    enum auth_result arc = question->verdict->arc.result;
    if (result != AUTH_FAIL && result != AUTH_TEMPERROR)
        return accept_it();
    bool is_vouched = is_vouched_for(question);
    if (is_vouched && arc == AUTH_PASS) {
        struct auth_decision decision = accept_it();
        decision.is_arc_overridden = result == AUTH_FAIL;
        return decision;
    }
    if (result == AUTH_TEMPERROR || (is_vouched && arc == AUTH_TEMPERROR))
        return wait_for_dmarc(question);
    return fail_dmarc(question);
}

static struct auth_decision check_spf(const struct question *question)
{
    struct str domain = spf_domain(question);
    switch (question->verdict->spf.result) {
    case AUTH_FAIL:
        return refuse(550, "5.7.23",
                      arena_printf(question->arena,
                                   "SPF: %s may not send mail for %.*s; add it to the SPF "
                                   "record of that domain",
                                   question->client_ip, STR_ARG(domain)));
    case AUTH_TEMPERROR:
        return defer(
            "4.7.24",
            arena_printf(question->arena,
                         "DNS does not tell the SPF record of %.*s; try again later",
                         STR_ARG(domain)));
    default:
        return accept_it();
    }
}

static struct auth_decision check_dkim(const struct question *question)
{
    if (has_dkim(question->verdict, AUTH_PASS))
        return accept_it();
    if (has_dkim(question->verdict, AUTH_TEMPERROR))
        return defer("4.7.20", "DNS does not tell the key of the DKIM signature; try again "
                               "later");
    return refuse(550, "5.7.20",
                  question->verdict->dkim_count
                      ? "DKIM: no signature of this message is valid; check the key in the "
                        "DNS, and that nothing changes the message after it is signed"
                      : "DKIM: this message has no signature; sign it");
}

static struct auth_decision check_arc(const struct question *question)
{
    switch (question->verdict->arc.result) {
    case AUTH_FAIL:
        return refuse(550, "5.7.29",
                      "ARC: the chain of seals is broken; remove it, or do not change the "
                      "message after it is sealed");
    case AUTH_TEMPERROR:
        return defer("4.7.29", "DNS does not tell the key of an ARC seal; try again later");
    default:
        return accept_it();
    }
}

static struct auth_decision check_authentication(const struct question *question)
{
    const struct auth_options *options = question->options;
    const struct auth_verdict *verdict = question->verdict;
    enum auth_result spf = verdict->spf.result;
    enum auth_result arc = verdict->arc.result;
    bool is_unasked = options->spf == AUTH_OFF && options->dkim == AUTH_OFF;
    bool is_vouched = is_vouched_for(question);
    if (is_unasked || spf == AUTH_PASS || has_dkim(verdict, AUTH_PASS) ||
        (is_vouched && arc == AUTH_PASS))
        return accept_it();
    if (spf == AUTH_TEMPERROR || has_dkim(verdict, AUTH_TEMPERROR) ||
        (is_vouched && arc == AUTH_TEMPERROR))
        return defer("4.7.26",
                     "DNS does not tell whether SPF or DKIM of this message pass; "
                     "try again later");
    return refuse(
        550, "5.7.26",
        arena_printf(
            question->arena,
            "this message is not authenticated: SPF %s of %.*s, DKIM %s; publish an "
            "SPF record that names %s, or sign with DKIM",
            auth_result_name(spf), STR_ARG(spf_domain(question)),
            verdict->dkim_count ? "not valid" : "none", question->client_ip));
}

static struct auth_decision check_rspamd(const struct question *question)
{
    const struct auth_rspamd *rspamd = &question->verdict->rspamd;
    const char *text = rspamd->message.length ? arena_text(question->arena, rspamd->message)
                                              : "this message looks like spam";
    if (!rspamd->has_answered)
        return accept_it();
    switch (rspamd->action) {
    case RSPAMD_REJECT:
        return refuse(550, "5.7.1", text);
    case RSPAMD_DEFER:
        return defer("4.7.1", rspamd->message.length ? text : "try again later");
    case RSPAMD_MARK:
        return quarantine();
    case RSPAMD_ACCEPT:
        break;
    }
    return accept_it();
}

/* --- all of them --- */

/* What the mode leaves of a check's answer. */
static struct auth_decision apply_mode(struct auth_decision decision, enum auth_mode mode,
                                       bool mark_quarantines)
{
    if (mode == AUTH_ENFORCE || decision.action == AUTH_ACCEPT)
        return decision;
    return decision.action == AUTH_REJECT && mark_quarantines ? quarantine() : accept_it();
}

static int gravity(const struct auth_decision *decision)
{
    return (int)decision->action * 2 + decision->is_quarantined;
}

struct auth_decision auth_policy_decide(const struct auth_options *options,
                                        const struct message *message,
                                        const struct auth_verdict *verdict)
{
    char ip[NET_ADDRESS_TEXT_BYTES];
    const struct net_address *client = &message->client.address;
    struct question question = {.options = options,
                                .message = message,
                                .verdict = verdict,
                                .arena = message->arena,
                                .client_ip = net_address_ip_text(client, ip)};
    if (is_exempt_client(options, client) || is_exempt_from(&question))
        return accept_it();
    const struct {
        const char *name;
        enum auth_mode mode;
        bool mark_quarantines;
        struct auth_decision (*check)(const struct question *question);
    } checks[] = {
        {"from", options->from, true, check_from},
        {"dmarc", options->dmarc, true, check_dmarc},
        {"spf", options->spf, false, check_spf},
        {"dkim", options->dkim, false, check_dkim},
        {"arc", options->arc, false, check_arc},
        {"authentication", options->authentication, true, check_authentication},
        {"rspamd", options->rspamd, true, check_rspamd},
    };
    struct auth_decision gravest = accept_it();
    bool is_arc_overridden = false;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (checks[i].mode == AUTH_OFF)
            continue;
        struct auth_decision decision = apply_mode(
            checks[i].check(&question), checks[i].mode, checks[i].mark_quarantines);
        is_arc_overridden |= decision.is_arc_overridden;
        if (gravity(&decision) > gravity(&gravest)) {
            gravest = decision;
            gravest.check = checks[i].name;
        }
    }
    gravest.is_arc_overridden = is_arc_overridden;
    return gravest;
}

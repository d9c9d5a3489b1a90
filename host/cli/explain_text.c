/* An explanation in words, for the administrator who asks why. Most of it was written by strangers, who may not write to
 * a terminal: whatever they say stays on its line, and only its printable ASCII is shown as it is. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/explain_message.h"

#define TITLE_COLUMNS 8

static void print_safely(struct str line)
{
    for (size_t i = 0; i < line.length; i++) {
        unsigned char c = (unsigned char)line.at[i];
        if (c >= ' ' && c < 0x7f)
            putchar(c);
        else
            printf("\\x%02x", (unsigned)c);
    }
    putchar('\n');
}

/* One line; `title` is "" for what belongs to the one above. */
static void say(const struct cli_explanation *explanation, const char *title,
                const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say(const struct cli_explanation *explanation, const char *title,
                const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *line = arena_vprintf(explanation->message->arena, format, args);
    va_end(args);
    printf("%-*s ", TITLE_COLUMNS, title);
    print_safely(str_of(line));
}

static void say_text(const struct cli_explanation *explanation, const char *label,
                     struct str text)
{
    if (text.length)
        say(explanation, "", "  %s: %.*s", label, STR_ARG(text));
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* --- who brings it --- */

static void tell_envelope(const struct cli_explanation *explanation)
{
    const struct message *message = explanation->message;
    char ip[NET_ADDRESS_TEXT_BYTES];
    say(explanation, "Message", "%s, from %s, HELO %.*s, MAIL FROM <%.*s>",
        explanation->file, net_address_ip_text(&message->client.address, ip),
        STR_ARG(message->client.helo), STR_ARG(message->reverse_path.text));
}

static void tell_client(const struct cli_explanation *explanation)
{
    const struct auth_client *client = &explanation->verdict.client;
    static const char *const meanings[] = {
        [AUTH_NONE] = "its reverse name was not asked for",
        [AUTH_PASS] = "its reverse name leads back to it",
        [AUTH_FAIL] = "no reverse name leads back to it",
        [AUTH_TEMPERROR] = "the DNS does not tell its reverse name",
        [AUTH_PERMERROR] = "it has no reverse name"};
    say(explanation, "Client", "%s%s%.*s", meanings[client->iprev],
        client->hostname.length ? ": " : "", STR_ARG(client->hostname));
    for (size_t i = 0; i < client->hit_count; i++) {
        const struct auth_list_hit *hit = &client->hits[i];
        say(explanation, "", "  listed in %.*s (%.*s), which %s", STR_ARG(hit->zone),
            STR_ARG(hit->code),
            hit->is_allowed ? "allows it"
            : hit->rejects  ? "refuses it"
                            : "only marks it");
    }
    say_text(explanation, "lists", client->note);
}

/* --- the checks --- */

/* The result of a check; false, and that is all, when the check is off. */
static bool tell_result(const struct cli_explanation *explanation, const char *title,
                        enum auth_mode mode, enum auth_result result, struct str domain)
{
    if (mode == AUTH_OFF)
        say(explanation, title, "off: not asked");
    else
        say(explanation, title, "%s%s%.*s", auth_result_name(result),
            domain.length ? " for " : "", STR_ARG(domain));
    return mode != AUTH_OFF;
}

static void tell_spf(const struct cli_explanation *explanation)
{
    const struct auth_spf *spf = &explanation->verdict.spf;
    if (!tell_result(explanation, "SPF", explanation->config->auth.spf, spf->result,
                     spf->domain))
        return;
    say(explanation, "", "  identity: %s",
        spf->is_of_helo ? "HELO, since the sender is null" : "MAIL FROM");
    say(explanation, "", "  mechanism: %.*s",
        STR_ARG(spf->mechanism.length ? spf->mechanism : STR("none matched")));
    say(explanation, "",
        "  DNS: %u of 10 look-ups, %u of 2 void ones, %u question%s in all",
        spf->term_count, spf->void_count, spf->query_count, plural(spf->query_count));
    say_text(explanation, "reason", spf->reason);
}

static void tell_body(const struct cli_explanation *explanation,
                      const struct auth_dkim_body *body)
{
    if (body->does_match) {
        say(explanation, "", "  body: as it was signed");
        return;
    }
    say(explanation, "",
        "  body: changed since it was signed; %.*s, bh=%.*s, but it is %.*s",
        STR_ARG(body->canonicalization), STR_ARG(body->signed_hash),
        STR_ARG(body->found_hash));
    say(explanation, "", "  body: %" PRIu64 " of %" PRIu64 " bytes are signed",
        body->signed_bytes, body->body_bytes);
    say_text(explanation, "body: its hash would be right", body->hint);
}

static void tell_dkim(const struct cli_explanation *explanation)
{
    const struct auth_verdict *verdict = &explanation->verdict;
    if (explanation->config->auth.dkim == AUTH_OFF || verdict->dkim_count == 0) {
        tell_result(explanation, "DKIM", explanation->config->auth.dkim, AUTH_NONE,
                    STR(""));
        return;
    }
    for (size_t i = 0; i < verdict->dkim_count; i++) {
        const struct auth_dkim *dkim = &verdict->dkim[i];
        tell_result(explanation, "DKIM", AUTH_MARK, dkim->result, dkim->domain);
        say(explanation, "", "  selector: %.*s; %.*s; key of %u bits",
            STR_ARG(dkim->selector), STR_ARG(dkim->algorithm), dkim->key_bits);
        say_text(explanation, "identity", dkim->identity);
        say_text(explanation, "reason", dkim->reason);
        if (explanation->has_body[i])
            tell_body(explanation, &explanation->bodies[i]);
    }
    if (verdict->has_more_dkim)
        say(explanation, "", "  there are more signatures, which are not looked at");
}

static void tell_arc(const struct cli_explanation *explanation)
{
    const struct auth_arc *arc = &explanation->verdict.arc;
    if (!tell_result(explanation, "ARC", explanation->config->auth.arc, arc->result,
                     STR("")))
        return;
    for (size_t i = 0; i < arc->count; i++) {
        const struct auth_arc_set *set = &arc->sets[i];
        say(explanation, "", "  i=%u: sealed by %.*s (selector %.*s), which found dmarc=%s",
            set->instance, STR_ARG(set->sealer), STR_ARG(set->selector),
            auth_result_name(set->results_dmarc));
    }
    if (arc->oldest_pass)
        say(explanation, "", "  oldest signature that still holds: i=%u", arc->oldest_pass);
    say_text(explanation, "reason", arc->reason);
}

static void tell_walk(const struct cli_explanation *explanation)
{
    static const char *const meanings[] = {[DMARC_FOUND_NOTHING] = "no record",
                                           [DMARC_FOUND_RECORD] = "",
                                           [DMARC_FOUND_SEVERAL] =
                                               "several records, which discard each other",
                                           [DMARC_FOUND_FAILURE] = "no answer of the DNS"};
    const struct auth_dmarc *dmarc = &explanation->verdict.dmarc;
    for (size_t i = 0; i < dmarc->step_count; i++) {
        const struct auth_dmarc_step *step = &dmarc->steps[i];
        say(explanation, "", "  _dmarc.%.*s: %s%.*s", STR_ARG(step->domain),
            meanings[step->found], STR_ARG(step->record));
    }
}

static void tell_policy(const struct cli_explanation *explanation)
{
    const struct auth_dmarc *dmarc = &explanation->verdict.dmarc;
    say_text(explanation, "Organizational Domain", dmarc->organizational_domain);
    if (!dmarc->policy_domain.length)
        return;
    say(explanation, "", "  policy: %s, of %.*s%s", auth_dmarc_policy_name(dmarc->policy),
        STR_ARG(dmarc->policy_domain),
        dmarc->is_test ? ", one weaker since it is a test (t=y)" : "");
    say(explanation, "", "  alignment: SPF %s, DKIM %s",
        dmarc->is_spf_aligned ? "yes" : "no", dmarc->is_dkim_aligned ? "yes" : "no");
    say_text(explanation, "aggregate reports to", dmarc->report_aggregate);
    say_text(explanation, "failure reports to", dmarc->report_failure);
}

static void tell_dmarc(const struct cli_explanation *explanation)
{
    const struct auth_dmarc *dmarc = &explanation->verdict.dmarc;
    if (!tell_result(explanation, "DMARC", explanation->config->auth.dmarc, dmarc->result,
                     dmarc->from_domain))
        return;
    tell_walk(explanation);
    tell_policy(explanation);
    say(explanation, "", "  DNS: %u question%s", dmarc->query_count,
        plural(dmarc->query_count));
    say_text(explanation, "reason", dmarc->reason);
}

/* --- what follows --- */

static void tell_spam(const struct cli_explanation *explanation)
{
    if (!explanation->config->auth.scores_spam)
        return;
    say(explanation, "Spam", "%.1f of 5", explanation->verdict.spam_score);
    say_text(explanation, "reasons", explanation->verdict.spam_reasons);
}

static void tell_rspamd(const struct cli_explanation *explanation)
{
    const struct auth_rspamd *rspamd = &explanation->verdict.rspamd;
    if (explanation->config->auth.rspamd == AUTH_OFF)
        return;
    if (rspamd->has_answered)
        say(explanation, "Rspamd", "%.*s: %.1f of %.1f", STR_ARG(rspamd->action_name),
            rspamd->score, rspamd->required);
    else
        say(explanation, "Rspamd", "no answer");
    say_text(explanation, "symbols", rspamd->symbols);
    say_text(explanation, "message", rspamd->message);
    say_text(explanation, "reason", rspamd->reason);
}

static void tell_fields(const struct cli_explanation *explanation)
{
    struct str rest = explanation->fields;
    for (const char *title = "Header"; rest.length; title = "") {
        struct str line = str_cut(&rest, '\n');
        bool is_folded = line.length && (line.at[0] == ' ' || line.at[0] == '\t');
        say(explanation, title, "%s%.*s", is_folded ? "  " : "", STR_ARG(str_trim(line)));
    }
    if (explanation->forged_count)
        say(explanation, "", "left out: %zu field%s that only this host may write",
            explanation->forged_count, plural(explanation->forged_count));
}

static void tell_decision(const struct cli_explanation *explanation)
{
    const struct auth_decision *decision = &explanation->decision;
    if (decision->action != AUTH_ACCEPT)
        say(explanation, "=>", "%s by the %s check: %u %s %.*s",
            decision->action == AUTH_REJECT ? "refused" : "deferred", decision->check,
            decision->code, decision->enhanced, STR_ARG(decision->text));
    else if (explanation->is_unverified)
        say(explanation, "=>", "accepted whatever was found, since it is for postmaster");
    else if (decision->is_quarantined)
        say(explanation, "=>", "accepted, and quarantined for %s", decision->check);
    else
        say(explanation, "=>", "accepted%s",
            decision->is_arc_overridden ? ": a trusted sealer vouches that DMARC passed"
                                        : "");
}

void cli_explain_as_text(const struct cli_explanation *explanation)
{
    tell_envelope(explanation);
    tell_client(explanation);
    tell_spf(explanation);
    tell_dkim(explanation);
    tell_arc(explanation);
    tell_dmarc(explanation);
    tell_spam(explanation);
    tell_rspamd(explanation);
    tell_fields(explanation);
    tell_decision(explanation);
    if (explanation->has_match)
        cli_explain_match(explanation->found, &explanation->match);
}

/* Verification's part of the walk: what is asked about a client and a message, what follows from it for the sender,
 * and how rules and workers are told. */
#include "route.h"

#include "auth/block_list.h"
#include "auth/policy.h"
#include "auth/results_header.h"
#include "auth/verify.h"
#include "base/mem.h"
#include "base/task.h"
#include "mail/domain.h"
#include "smtp/replies.h"
#include "worker/wire.h"

/* Each text is cut, so that all of them fit whatever a message says. */
#define AUTH_VALUE_BYTES_MAX ((size_t)256 * 1024)
#define AUTH_TEXT_BYTES_MAX  ((size_t)1024)

static bool is_verifying(const struct passage *passage)
{
    const struct auth_options *options = &passage->config->auth;
    return (passage->router->dns || passage->is_verdict_given) &&
           (options->spf || options->dkim || options->arc || options->dmarc ||
            options->authentication || options->from || options->list_count ||
            options->rspamd);
}

static struct reply reply_to_decision(const struct auth_decision *decision)
{
    if (decision->action == AUTH_ACCEPT)
        return (struct reply){0};
    return reply_make((int)decision->code, decision->enhanced, "%.*s",
                      STR_ARG(decision->text));
}

/* --- the client, at its first recipient --- */

struct reply route_verify_client(struct passage *passage)
{
    struct message *message = passage->message;
    if (!is_verifying(passage))
        return (struct reply){0};
    if (!passage->verdict) {
        const struct auth_options *options = &passage->config->auth;
        passage->verdict = arena_new_of(message->arena, struct auth_verdict);
        task_stage("asking about the client");
        auth_client_check(passage->router->dns, options, &message->client.address,
                          task_in_ms(options->client_timeout_ms), message->arena,
                          &passage->verdict->client);
        message->client.hostname = passage->verdict->client.hostname;
    }
    struct auth_decision decision = auth_policy_decide_client(
        &message->client.address, &passage->verdict->client, message->arena);
    return reply_to_decision(&decision);
}

/* --- the message --- */

/* Best first: one good signature is what counts. */
static enum auth_result best_dkim(const struct auth_verdict *verdict)
{
    static const enum auth_result order[] = {AUTH_PASS,    AUTH_TEMPERROR, AUTH_POLICY,
                                             AUTH_NEUTRAL, AUTH_FAIL,      AUTH_PERMERROR};
    for (size_t rank = 0; rank < sizeof order / sizeof *order; rank++)
        for (size_t i = 0; i < verdict->dkim_count; i++)
            if (verdict->dkim[i].result == order[rank])
                return order[rank];
    return AUTH_NONE;
}

struct rule_auth route_rule_auth(const struct auth_verdict *verdict)
{
    return (struct rule_auth){
        .spf = str_of(auth_result_name(verdict->spf.result)),
        .dkim = str_of(auth_result_name(best_dkim(verdict))),
        .dmarc = str_of(auth_result_name(verdict->dmarc.result)),
        .arc = str_of(auth_result_name(verdict->arc.result)),
    };
}

/* Whether the reverse-path is no lie: SPF passed for it, or its domain, or one above it, signed the message. */
static bool is_sender_known(const struct mailbox *sender,
                            const struct auth_verdict *verdict)
{
    if (sender->is_null)
        return false;
    if (verdict->spf.result == AUTH_PASS && !verdict->spf.is_of_helo)
        return true;
    for (size_t i = 0; i < verdict->dkim_count; i++)
        if (verdict->dkim[i].result == AUTH_PASS &&
            domain_is_within(sender->domain, verdict->dkim[i].domain))
            return true;
    return false;
}

static void add_content(struct passage *passage, struct str piece)
{
    if (piece.length)
        passage->content[passage->content_count++] = piece;
}

/* Whether the header ends with a line that is no field, not with an empty one. What we put on top of a message that has
 * no header at all would else take its first line in. */
static bool lacks_empty_line(struct str raw, size_t body_offset)
{
    if (body_offset == raw.length || body_offset == 0)
        return body_offset < raw.length;
    struct str header = str_part(raw, 0, body_offset);
    bool is_crlf = header.length > 1 && header.at[header.length - 2] == '\r';
    size_t line = header.length - (is_crlf ? 2 : 1);
    return line > 0 && header.at[line - 1] != '\n';
}

/* Fields that only we may write, and did not, are left out of what goes on. */
static void take_content(struct passage *passage)
{
    struct message *message = passage->message;
    struct str raw = blob_view(message->raw), *forged;
    size_t body_offset = message->header.body_offset;
    size_t count = auth_results_forged(
        raw, &message->header, passage->config->auth.authserv_id, message->arena, &forged);
    passage->content = arena_array(message->arena, struct str, count + 3);
    size_t from = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)(forged[i].at - raw.at);
        add_content(passage, str_part(raw, from, at - from));
        from = at + forged[i].length;
    }
    add_content(passage, str_part(raw, from, body_offset - from));
    if (lacks_empty_line(raw, body_offset))
        add_content(passage, STR("\r\n"));
    add_content(passage, str_from(raw, body_offset));
}

static void record(struct passage *passage, const struct auth_decision *decision,
                   uint64_t started_ms)
{
    const struct auth_verdict *verdict = passage->verdict;
    EVENT(
        passage->trail, STATUS_MESSAGE_VERIFIED, FIELD("spf", passage->auth.spf),
        FIELD("dkim", passage->auth.dkim), FIELD("dmarc", passage->auth.dmarc),
        FIELD("arc", passage->auth.arc), FIELD("from_domain", verdict->dmarc.from_domain),
        FIELD("refused_by", str_of(decision->action == AUTH_ACCEPT ? "" : decision->check)),
        FIELD("rspamd", verdict->rspamd.has_answered ? verdict->rspamd.action_name
                                                     : verdict->rspamd.reason),
        FIELD_NUMBER("score_percent", verdict->spam_score * 20),
        FIELD_NUMBER("ms", task_now_ms() - started_ms));
}

struct reply route_verify_message(struct passage *passage)
{
    struct message *message = passage->message;
    const struct auth_options *options = &passage->config->auth;
    take_content(passage);
    if (!passage->verdict)
        return (struct reply){0};
    struct auth_verdict *verdict = passage->verdict;
    uint64_t started_ms = task_now_ms();
    if (!passage->is_verdict_given &&
        auth_verify(passage->router->dns, passage->router->http, options, message,
                    verdict) < 0)
        return reply_local_error();
    passage->auth = route_rule_auth(verdict);
    passage->is_sender_known = is_sender_known(&message->reverse_path, verdict);
    struct auth_decision decision = auth_policy_decide(options, message, verdict);
    verdict->is_arc_overridden = decision.is_arc_overridden;
    verdict->is_quarantined = decision.is_quarantined;
    struct str fields =
        auth_results_fields(options, message, verdict,
                            decision.is_quarantined ? decision.check : "", message->arena);
    message->trace = str_of(
        arena_printf(message->arena, "%.*s%.*s", STR_ARG(fields), STR_ARG(message->trace)));
    record(passage, &decision, started_ms);
    return reply_to_decision(&decision);
}

/* --- what a worker sees --- */

static void put_text(struct buf *out, const char *key, struct str text)
{
    if (text.length > AUTH_TEXT_BYTES_MAX)
        text.length = AUTH_TEXT_BYTES_MAX;
    if (text.length)
        value_put_string(out, key, text);
}

static void begin_check(struct buf *out, const char *key, enum auth_result result)
{
    value_put_table(out, key);
    value_put_string(out, "result", str_of(auth_result_name(result)));
}

static void put_dkim(struct buf *out, const struct auth_verdict *verdict)
{
    value_put_table(out, "dkim");
    for (size_t i = 0; i < verdict->dkim_count; i++) {
        const struct auth_dkim *signature = &verdict->dkim[i];
        value_write_number(out, (double)(i + 1));
        value_begin_table(out);
        value_put_string(out, "result", str_of(auth_result_name(signature->result)));
        put_text(out, "domain", signature->domain);
        put_text(out, "selector", signature->selector);
        put_text(out, "algorithm", signature->algorithm);
        put_text(out, "reason", signature->reason);
        value_end_table(out);
    }
    value_end_table(out);
}

static void put_arc(struct buf *out, const struct auth_arc *arc)
{
    begin_check(out, "arc", arc->result);
    put_text(out, "reason", arc->reason);
    value_put_table(out, "sealers");
    for (size_t i = 0; i < arc->count; i++) {
        value_write_number(out, (double)(i + 1));
        value_write_string(out, arc->sets[i].sealer);
    }
    value_end_table(out);
    value_end_table(out);
}

static void put_dmarc(struct buf *out, const struct auth_dmarc *dmarc)
{
    static const char *const policies[] = {"none", "quarantine", "reject"};
    begin_check(out, "dmarc", dmarc->result);
    put_text(out, "domain", dmarc->from_domain);
    put_text(out, "reason", dmarc->reason);
    value_put_string(out, "policy", str_of(policies[dmarc->policy]));
    value_end_table(out);
}

struct str route_auth_value(const struct passage *passage, struct arena *arena)
{
    const struct auth_verdict *verdict = passage->verdict;
    if (!verdict)
        return (struct str){0};
    struct buf out;
    buf_init(&out, AUTH_VALUE_BYTES_MAX);
    value_begin_table(&out);
    begin_check(&out, "spf", verdict->spf.result);
    put_text(&out, "domain", verdict->spf.domain);
    put_text(&out, "reason", verdict->spf.reason);
    value_end_table(&out);
    put_dkim(&out, verdict);
    put_dmarc(&out, &verdict->dmarc);
    put_arc(&out, &verdict->arc);
    invariant(value_end_table(&out) == 0, "route: a verdict larger than its bounds");
    struct str value = arena_str(arena, buf_view(&out));
    buf_free(&out);
    return value;
}

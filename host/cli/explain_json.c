/* An explanation as one JSON document, with the names that workers and host.yaml use too. */
#include <jansson.h>
#include <stdio.h>

#include "cli/explain_message.h"
#include "cli/json.h"

static void put(json_t *object, const char *key, struct str text)
{
    json_object_set_new(object, key, cli_json_bytes(text));
}

static void put_word(json_t *object, const char *key, const char *word)
{
    json_object_set_new(object, key, json_string(word));
}

static void put_number(json_t *object, const char *key, uint64_t number)
{
    json_object_set_new(object, key, json_integer((json_int_t)number));
}

static void put_bool(json_t *object, const char *key, bool value)
{
    json_object_set_new(object, key, json_boolean(value));
}

static json_t *new_check(enum auth_result result)
{
    json_t *check = json_object();
    put_word(check, "result", auth_result_name(result));
    return check;
}

static json_t *envelope_json(const struct cli_explanation *explanation)
{
    const struct message *message = explanation->message;
    json_t *envelope = json_object();
    char ip[NET_ADDRESS_TEXT_BYTES];
    put(envelope, "file", str_of(explanation->file));
    put_word(envelope, "ip", net_address_ip_text(&message->client.address, ip));
    put(envelope, "helo", message->client.helo);
    put(envelope, "from", message->reverse_path.text);
    if (!explanation->recipient.is_null)
        put(envelope, "to", explanation->recipient.text);
    return envelope;
}

static json_t *client_json(const struct auth_client *client)
{
    json_t *json = json_object(), *hits = json_array();
    put_word(json, "iprev", auth_result_name(client->iprev));
    put(json, "hostname", client->hostname);
    for (size_t i = 0; i < client->hit_count; i++) {
        json_t *hit = json_object();
        put(hit, "zone", client->hits[i].zone);
        put(hit, "code", client->hits[i].code);
        put_bool(hit, "isAllowed", client->hits[i].is_allowed);
        put_bool(hit, "rejects", client->hits[i].rejects);
        json_array_append_new(hits, hit);
    }
    json_object_set_new(json, "lists", hits);
    put(json, "note", client->note);
    return json;
}

static json_t *spf_json(const struct auth_spf *spf)
{
    json_t *json = new_check(spf->result);
    put_word(json, "identity", spf->is_of_helo ? "helo" : "mailfrom");
    put(json, "domain", spf->domain);
    put(json, "mechanism", spf->mechanism);
    put_number(json, "lookups", spf->term_count);
    put_number(json, "voidLookups", spf->void_count);
    put_number(json, "queries", spf->query_count);
    put(json, "reason", spf->reason);
    return json;
}

static json_t *body_json(const struct auth_dkim_body *body)
{
    json_t *json = json_object();
    put_bool(json, "matches", body->does_match);
    put(json, "canonicalization", body->canonicalization);
    put(json, "signedHash", body->signed_hash);
    put(json, "foundHash", body->found_hash);
    put_number(json, "signedBytes", body->signed_bytes);
    put_number(json, "bytes", body->body_bytes);
    put(json, "hint", body->hint);
    return json;
}

static json_t *dkim_json(const struct cli_explanation *explanation)
{
    json_t *signatures = json_array();
    for (size_t i = 0; i < explanation->verdict.dkim_count; i++) {
        const struct auth_dkim *dkim = &explanation->verdict.dkim[i];
        json_t *json = new_check(dkim->result);
        put(json, "domain", dkim->domain);
        put(json, "selector", dkim->selector);
        put(json, "identity", dkim->identity);
        put(json, "algorithm", dkim->algorithm);
        put_number(json, "keyBits", dkim->key_bits);
        put(json, "reason", dkim->reason);
        if (explanation->has_body[i])
            json_object_set_new(json, "body", body_json(&explanation->bodies[i]));
        json_array_append_new(signatures, json);
    }
    return signatures;
}

static json_t *arc_json(const struct auth_arc *arc)
{
    json_t *json = new_check(arc->result), *sets = json_array();
    for (size_t i = 0; i < arc->count; i++) {
        const struct auth_arc_set *set = &arc->sets[i];
        json_t *item = json_object();
        put_number(item, "instance", set->instance);
        put(item, "sealer", set->sealer);
        put(item, "selector", set->selector);
        put_word(item, "dmarc", auth_result_name(set->results_dmarc));
        json_array_append_new(sets, item);
    }
    json_object_set_new(json, "sets", sets);
    put_number(json, "oldestPass", arc->oldest_pass);
    put(json, "reason", arc->reason);
    return json;
}

static json_t *walk_json(const struct auth_dmarc *dmarc)
{
    json_t *walk = json_array();
    for (size_t i = 0; i < dmarc->step_count; i++) {
        json_t *step = json_object();
        put(step, "domain", dmarc->steps[i].domain);
        put_word(step, "found", cli_explain_found(dmarc->steps[i].found));
        put(step, "record", dmarc->steps[i].record);
        json_array_append_new(walk, step);
    }
    return walk;
}

static json_t *dmarc_json(const struct auth_dmarc *dmarc)
{
    json_t *json = new_check(dmarc->result);
    put(json, "domain", dmarc->from_domain);
    json_object_set_new(json, "walk", walk_json(dmarc));
    put(json, "policyDomain", dmarc->policy_domain);
    put(json, "organizationalDomain", dmarc->organizational_domain);
    put_word(json, "policy", auth_dmarc_policy_name(dmarc->policy));
    put_bool(json, "isTest", dmarc->is_test);
    put_bool(json, "isSpfAligned", dmarc->is_spf_aligned);
    put_bool(json, "isDkimAligned", dmarc->is_dkim_aligned);
    put(json, "aggregateReports", dmarc->report_aggregate);
    put(json, "failureReports", dmarc->report_failure);
    put_number(json, "queries", dmarc->query_count);
    put(json, "reason", dmarc->reason);
    return json;
}

static json_t *rspamd_json(const struct auth_rspamd *rspamd)
{
    json_t *json = json_object();
    put_bool(json, "hasAnswered", rspamd->has_answered);
    put(json, "action", rspamd->action_name);
    json_object_set_new(json, "score", json_real(rspamd->score));
    json_object_set_new(json, "required", json_real(rspamd->required));
    put(json, "symbols", rspamd->symbols);
    put(json, "message", rspamd->message);
    put(json, "reason", rspamd->reason);
    return json;
}

static json_t *decision_json(const struct auth_decision *decision)
{
    json_t *json = json_object();
    put_word(json, "action", cli_explain_action(decision));
    put_number(json, "code", decision->code);
    put_word(json, "enhanced", decision->enhanced);
    put(json, "text", decision->text);
    put_word(json, "check", decision->check);
    put_bool(json, "isQuarantined", decision->is_quarantined);
    put_bool(json, "isArcOverridden", decision->is_arc_overridden);
    return json;
}

/* null: no rule, and so no such recipient. */
static json_t *rule_json(const struct cli_explanation *explanation)
{
    if (explanation->found != RULE_FOUND)
        return json_null();
    const struct rule *rule = explanation->match.rule;
    json_t *json = json_object();
    put(json, "name", rule->name);
    put(json, "file", rule->file);
    put_number(json, "line", rule->line);
    return json;
}

static json_t *unasked_json(const struct auth_options *options)
{
    const struct {
        const char *name;
        enum auth_mode mode;
    } checks[] = {{"spf", options->spf},
                  {"dkim", options->dkim},
                  {"arc", options->arc},
                  {"dmarc", options->dmarc},
                  {"rspamd", options->rspamd}};
    json_t *names = json_array();
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (checks[i].mode == AUTH_OFF)
            json_array_append_new(names, json_string(checks[i].name));
    return names;
}

void cli_explain_as_json(const struct cli_explanation *explanation)
{
    const struct auth_verdict *verdict = &explanation->verdict;
    json_t *json = json_object();
    json_object_set_new(json, "message", envelope_json(explanation));
    json_object_set_new(json, "notAsked", unasked_json(&explanation->config->auth));
    json_object_set_new(json, "client", client_json(&verdict->client));
    json_object_set_new(json, "spf", spf_json(&verdict->spf));
    json_object_set_new(json, "dkim", dkim_json(explanation));
    put_bool(json, "hasMoreSignatures", verdict->has_more_dkim);
    json_object_set_new(json, "arc", arc_json(&verdict->arc));
    json_object_set_new(json, "dmarc", dmarc_json(&verdict->dmarc));
    json_object_set_new(json, "spamScore", json_real(verdict->spam_score));
    put(json, "spamReasons", verdict->spam_reasons);
    if (explanation->config->auth.rspamd != AUTH_OFF)
        json_object_set_new(json, "rspamd", rspamd_json(&verdict->rspamd));
    put(json, "headerFields", explanation->fields);
    put_number(json, "forgedFields", explanation->forged_count);
    put_bool(json, "isUnverified", explanation->is_unverified);
    json_object_set_new(json, "decision", decision_json(&explanation->decision));
    if (explanation->has_match)
        json_object_set_new(json, "rule", rule_json(explanation));
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    puts("");
    json_decref(json);
}

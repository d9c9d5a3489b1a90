/* `auth:` of host.yaml: how much each check may do, the DNS lists, the sealers that are trusted, and whose
 * mail is exempt. */
#include "config_internal.h"

#include "auth/rspamd.h"
#include "mail/domain.h"

#define ROW(member) offsetof(struct auth_options, member)
static const struct option_row rows[] = {
    {"client_timeout", OPTION_DURATION32, ROW(client_timeout_ms), "5s", 100, 60000,
     "for what DNS is asked about a client"},
    {"message_timeout", OPTION_DURATION32, ROW(message_timeout_ms), "20s", 100, 300000,
     "for what DNS is asked about a message"},
    {"spam_score", OPTION_BOOL, ROW(scores_spam), "true", 0, 0,
     "score each message, in X-Postern-Spam-Score and message.spamScore"},
};
const struct option_table config_auth_options = OPTION_TABLE(rows);

static const struct option_row rspamd_rows[] = {
    {"timeout", OPTION_DURATION32, ROW(rspamd_timeout_ms), "5s", 100, 60000,
     "how long a message waits for Rspamd's answer"},
};
#undef ROW
const struct option_table config_rspamd_options = OPTION_TABLE(rspamd_rows);

#define MODES "enforce, mark, off"
const struct node_key config_auth_keys[] = {
    {"spf", MODES, "mark", "enforce: an SPF fail is refused"},
    {"dkim", MODES, "mark", "enforce: mail without a valid signature is refused"},
    {"arc", MODES, "mark", "enforce: mail with a broken chain of seals is refused"},
    {"dmarc", MODES, "enforce", "enforce: p=reject of the author's domain is obeyed"},
    {"authentication", MODES, "enforce",
     "enforce: mail with neither an SPF pass nor a valid DKIM signature is refused"},
    {"from", MODES, "enforce", "enforce: mail without exactly one From is refused"},
    {"lists", "list", NULL, "DNS block and allow lists: a zone, or a map"},
    {"sealers", "list", NULL,
     "domains whose ARC chain is believed when DMARC fails: lists.partner.test"},
    {"exempt", "map", NULL, "whose mail is neither refused nor marked, whatever is found"},
    {"rspamd", "text or map", NULL, "an Rspamd to ask: its URL, or a map"},
    {0},
};
const struct node_key config_auth_list_keys[] = {
    {"zone", "domain", NULL, "of the list: zen.spamhaus.org"},
    {"action", "reject, mark, allow", "reject", "for a client who is listed"},
    {"codes", "list", NULL,
     "answers that count, such as 127.0.0.2 or 127.0.0.0/28; any when left out"},
    {0},
};
const struct node_key config_auth_exempt_keys[] = {
    {"from", "list", NULL, "domains, with all below them, and addresses in From"},
    {"clients", "list", NULL, "networks: 10.0.0.0/8"},
    {0},
};
const struct node_key config_rspamd_keys[] = {
    {"url", "text", NULL, "where it listens: http://127.0.0.1:11333"},
    {"action", "mark, enforce", "mark", "enforce: what it says is obeyed"},
    {0},
};

/* The first keys, in their order. */
static const struct {
    size_t offset;
    enum auth_mode preset;
} checks[] = {
    {offsetof(struct auth_options, spf), AUTH_MARK},
    {offsetof(struct auth_options, dkim), AUTH_MARK},
    {offsetof(struct auth_options, arc), AUTH_MARK},
    {offsetof(struct auth_options, dmarc), AUTH_ENFORCE},
    {offsetof(struct auth_options, authentication), AUTH_ENFORCE},
    {offsetof(struct auth_options, from), AUTH_ENFORCE},
};
#define CHECK_COUNT (sizeof checks / sizeof *checks)

static enum auth_mode *mode_of(struct auth_options *options, size_t check)
{
    return (void *)((char *)options + checks[check].offset);
}

static void read_modes(struct config *config, struct node *section,
                       struct problem_list *problems)
{
    static const struct option_choice choices[] = {
        {"off", AUTH_OFF}, {"mark", AUTH_MARK}, {"enforce", AUTH_ENFORCE}, {NULL, 0}};
    for (size_t i = 0; i < CHECK_COUNT; i++)
        *mode_of(&config->auth, i) =
            (enum auth_mode)options_choice(node_get(section, config_auth_keys[i].name),
                                           choices, (int)checks[i].preset, problems);
}

/* --- lists --- */

static void read_codes(struct config *config, struct node *node, struct auth_list *list,
                       struct problem_list *problems)
{
    size_t count = node_item_count(node);
    struct net_block *codes = arena_array(config->arena, struct net_block, count);
    for (size_t i = 0; i < count; i++) {
        const struct node *code = node_item(node, i);
        if (code->kind != NODE_TEXT || net_block_parse(code->text, &codes[i]) < 0)
            node_problem(code, problems,
                         "expected an answer such as 127.0.0.2 or 127.0.0.0/28");
    }
    list->codes = codes;
    list->code_count = count;
}

static void read_list(struct config *config, struct node *node, struct auth_list *list,
                      struct problem_list *problems)
{
    enum { REJECTS, MARKS, ALLOWS };
    static const struct option_choice actions[] = {
        {"reject", REJECTS}, {"mark", MARKS}, {"allow", ALLOWS}, {NULL, 0}};
    struct node *zone = node->kind == NODE_MAP ? node_get(node, "zone") : node;
    if (!zone || zone->kind != NODE_TEXT ||
        domain_normalize(zone->text, config->arena, &list->zone) < 0)
        node_problem(
            zone ? zone : node, problems,
            "expected a zone, or {zone: list.test, action: reject, codes: [127.0.0.2]}");
    int action = options_choice(node_get(node, "action"), actions, REJECTS, problems);
    list->rejects = action == REJECTS;
    list->is_allowed = action == ALLOWS;
    read_codes(config, node_get(node, "codes"), list, problems);
    if (node->kind == NODE_MAP)
        node_report_unused(node, config_auth_list_keys, problems);
}

static void read_lists(struct config *config, struct node *node,
                       struct problem_list *problems)
{
    size_t count = node_item_count(node);
    if (count > AUTH_LISTS_MAX) {
        node_problem(node, problems, "more than %d lists", AUTH_LISTS_MAX);
        return;
    }
    struct auth_list *lists = arena_array(config->arena, struct auth_list, count);
    for (size_t i = 0; i < count; i++)
        read_list(config, node_item(node, i), &lists[i], problems);
    config->auth.lists = lists;
    config->auth.list_count = count;
}

/* --- sealers and exemptions --- */

static void read_sealers(struct config *config, struct node *node,
                         struct problem_list *problems)
{
    size_t count = node_item_count(node);
    struct str *sealers = arena_array(config->arena, struct str, count);
    for (size_t i = 0; i < count; i++) {
        const struct node *sealer = node_item(node, i);
        if (sealer->kind != NODE_TEXT ||
            domain_normalize(sealer->text, config->arena, &sealers[i]) < 0)
            node_problem(sealer, problems, "expected the domain of an ARC sealer");
    }
    config->auth.trusted_sealers = sealers;
    config->auth.trusted_sealer_count = count;
}

static bool normalize_sender(struct config *config, struct str text, struct str *normal)
{
    struct mailbox mailbox;
    if (str_index(text, '@') < 0)
        return domain_normalize(text, config->arena, normal) == 0;
    if (mailbox_parse(text, config->arena, &mailbox) < 0)
        return false;
    *normal = mailbox_ascii_text(&mailbox, config->arena);
    return true;
}

static void read_exempt_senders(struct config *config, struct node *node,
                                struct problem_list *problems)
{
    size_t count = node_item_count(node);
    struct str *senders = arena_array(config->arena, struct str, count);
    for (size_t i = 0; i < count; i++) {
        const struct node *sender = node_item(node, i);
        if (sender->kind != NODE_TEXT ||
            !normalize_sender(config, sender->text, &senders[i]))
            node_problem(sender, problems, "expected a domain or an address");
    }
    config->auth.exempt_from = senders;
    config->auth.exempt_from_count = count;
}

static void read_exempt_clients(struct config *config, struct node *node,
                                struct problem_list *problems)
{
    size_t count = node_item_count(node);
    struct net_block *clients = arena_array(config->arena, struct net_block, count);
    for (size_t i = 0; i < count; i++) {
        const struct node *client = node_item(node, i);
        if (client->kind != NODE_TEXT || net_block_parse(client->text, &clients[i]) < 0)
            node_problem(client, problems, "expected a network such as 192.0.2.0/24");
    }
    config->auth.exempt_clients = clients;
    config->auth.exempt_client_count = count;
}

static void read_exempt(struct config *config, struct node *node,
                        struct problem_list *problems)
{
    if (!node)
        return;
    read_exempt_senders(config, node_get(node, "from"), problems);
    read_exempt_clients(config, node_get(node, "clients"), problems);
    if (node->kind == NODE_MAP)
        node_report_unused(node, config_auth_exempt_keys, problems);
    else
        node_problem(node, problems,
                     "expected {from: [domain.test], clients: [192.0.2.0/24]}");
}

static void read_rspamd(struct config *config, struct node *node,
                        struct problem_list *problems)
{
    static const struct option_choice actions[] = {
        {"mark", AUTH_MARK}, {"enforce", AUTH_ENFORCE}, {NULL, 0}};
    struct auth_options *auth = &config->auth;
    bool is_map = node && node->kind == NODE_MAP;
    options_read(&config_rspamd_options, is_map ? node : NULL, config_rspamd_keys, auth,
                 config->arena, problems);
    if (!node)
        return;
    auth->rspamd = (enum auth_mode)options_choice(node_get(node, "action"), actions,
                                                  AUTH_MARK, problems);
    const struct node *url = is_map ? node_get(node, "url") : node;
    if (!url || url->kind != NODE_TEXT || auth_rspamd_url(url->text, &auth->rspamd_url) < 0)
        node_problem(url ? url : node, problems,
                     "expected where an Rspamd listens, such as http://127.0.0.1:11333");
    else
        auth->rspamd_url = arena_str(config->arena, auth->rspamd_url);
}

/* `auth: off`, and `postern dev`, which has no DNS to ask. */
static void switch_off(struct auth_options *options)
{
    for (size_t i = 0; i < CHECK_COUNT; i++)
        *mode_of(options, i) = AUTH_OFF;
    options->list_count = 0;
    options->rspamd = AUTH_OFF;
    options->scores_spam = false;
}

void config_read_auth(struct config *config, struct node *section,
                      struct problem_list *problems)
{
    bool is_off =
        section && section->kind == NODE_TEXT && str_equal(section->text, STR("off"));
    config->auth.authserv_id = str_of(config->host_name);
    if (!is_off) {
        options_read(&config_auth_options, section, config_auth_keys, &config->auth,
                     config->arena, problems);
        read_modes(config, section, problems);
        read_lists(config, node_get(section, "lists"), problems);
        read_sealers(config, node_get(section, "sealers"), problems);
        read_exempt(config, node_get(section, "exempt"), problems);
        read_rspamd(config, node_get(section, "rspamd"), problems);
    }
    if (is_off || config->mode == CONFIG_DEV)
        switch_off(&config->auth);
}

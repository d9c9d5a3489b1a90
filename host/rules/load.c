/* A file of a domain: its options, its `rules:` (or the `result:` of an API response), its `catch_all:`.
 * Loading goes on after a problem, so that one run tells them all. */
#include "rules/load.h"

#include "mail/domain.h"
#include "rules/api_form.h"
#include "rules/draft.h"
#include "rules/place.h"
#include "rules/reference.h"

#define RECIPIENTS_MAX 1000

const struct node_key rule_file_keys[] = {
    {"domain", "text", NULL, "whose rules these are: example.com"},
    {"subaddressing", "true, false", "false",
     "mail to user+tag@ for which there is no rule goes where mail to user@ goes"},
    {"subaddress_separators", "text", "+", "what parts user and tag: one or more of +-_=#"},
    {"local_part_case_sensitive", "true, false", "false",
     "whether Anna@ and anna@ are two addresses"},
    {"recipients_per_transaction", "number 1 to 1000", "1",
     "routed recipients in one transaction: with more than one, they have one answer "
     "unless the sender speaks PRDR"},
    {"postmaster", "address", NULL,
     "where mail to postmaster@ of this domain goes; that of host.yaml when left out"},
    {"rules", "list", NULL, "the rules, each a map"},
    {"catch_all", "map", NULL,
     "what becomes of mail that no rule takes: a rule without `to`"},
    {0},
};
/* Around the rules in a response of the API. */
static const char *const response_keys[] = {"success", "errors", "messages", "result_info"};

/* --- the domain --- */

/* What stands after the '@' of the first address of an API response. */
static struct str domain_of_first_address(struct node *root)
{
    const struct node *address = api_form_first_address(node_get(root, "result"));
    if (!address)
        address = api_form_first_address(node_get(root, "rules"));
    ptrdiff_t at = address ? str_last_index(address->text, '@') : -1;
    return at < 0 ? (struct str){0} : str_from(address->text, (size_t)at + 1);
}

static bool read_domain_name(struct loader *loader, struct node *root, struct str *normal)
{
    const struct node *node = node_get(root, "domain");
    struct str name = domain_of_first_address(root);
    if (node && !node_to_text(node, loader->problems, &name))
        return false;
    if (name.length == 0) {
        node_problem(root, loader->problems,
                     "'domain' is missing: the file's domain, such as example.com");
        return false;
    }
    if (domain_normalize(name, loader->set->arena, normal) == 0)
        return true;
    node_problem(node ? node : root, loader->problems, "'%.*s' is no domain",
                 STR_ARG(name));
    return false;
}

static struct domain *new_domain(struct rule_set *set, struct str name, struct str file)
{
    struct domain *domain = arena_new_of(set->arena, struct domain);
    domain->rules.domain = name;
    domain->rules.subaddress_separators = STR("+");
    domain->rules.recipients_per_transaction = 1;
    domain->file = arena_str(set->arena, file);
    if (set->last_domain)
        set->last_domain->next = domain;
    else
        set->first_domain = domain;
    set->last_domain = domain;
    table_set(set->domains, name, domain);
    return domain;
}

static bool open_domain(struct loader *loader, struct node *root)
{
    struct str name;
    if (!read_domain_name(loader, root, &name))
        return false;
    const struct domain *other = table_get(loader->set->domains, name);
    if (other) {
        node_problem(root, loader->problems, "%.*s is the domain of %.*s already",
                     STR_ARG(name), STR_ARG(other->file));
        return false;
    }
    loader->domain = new_domain(loader->set, name, root->file);
    return true;
}

/* --- its options --- */

static void read_separators(struct loader *loader, const struct node *node,
                            struct domain_rules *rules)
{
    static const char allowed[] = "+-_=#";
    struct str text;
    if (!node_to_text(node, loader->problems, &text))
        return;
    rules->subaddress_separators = arena_str(loader->set->arena, text);
    for (size_t i = 0; i < text.length; i++)
        if (str_index(str_of(allowed), text.at[i]) < 0)
            text.length = 0;
    if (text.length == 0)
        node_problem(node, loader->problems, "separators are one or more of %s", allowed);
}

static void read_options(struct loader *loader, struct node *root)
{
    struct domain_rules *rules = &loader->domain->rules;
    const struct node *node;
    unsigned long long number = rules->recipients_per_transaction;
    if ((node = node_get(root, "subaddressing")))
        node_to_bool(node, loader->problems, &rules->subaddressing);
    if ((node = node_get(root, "subaddress_separators")))
        read_separators(loader, node, rules);
    if ((node = node_get(root, "local_part_case_sensitive")))
        node_to_bool(node, loader->problems, &rules->is_local_part_case_sensitive);
    if ((node = node_get(root, "recipients_per_transaction")))
        node_to_number(node, 1, RECIPIENTS_MAX, loader->problems, &number);
    rules->recipients_per_transaction = (unsigned)number;
}

/* --- its rules --- */

struct draft_list {
    struct draft *drafts;
    size_t count;
};

typedef void draft_fn(struct loader *loader, struct node *map, struct draft *draft);

static size_t rules_in(const struct node *node)
{
    if (!node || node->kind == NODE_NULL)
        return 0;
    return node->kind == NODE_LIST ? node->count : 1;
}

/* A list of rules, or a single one. */
static void read_rules(struct loader *loader, struct draft_list *list, struct node *node,
                       draft_fn *read)
{
    for (size_t i = 0; i < rules_in(node); i++) {
        struct draft *draft = &list->drafts[list->count];
        draft->position = list->count++;
        read(loader, node->kind == NODE_LIST ? node->items[i] : node, draft);
    }
}

static void read_all_rules(struct loader *loader, struct node *root)
{
    struct node *rules = node_get(root, "rules");
    struct node *result = node_get(root, "result");
    struct node *catch_all = node_get(root, "catch_all");
    size_t most = rules_in(rules) + rules_in(result) + rules_in(catch_all);
    struct draft_list list = {.drafts =
                                  arena_array(loader->scratch, struct draft, most + 1)};
    read_rules(loader, &list, rules, draft_read_rule);
    read_rules(loader, &list, result, draft_read_rule);
    read_rules(loader, &list, catch_all, draft_read_catch_all);
    loader->pattern_entries = table_new();
    place_drafts(loader, list.drafts, list.count);
    table_free(loader->pattern_entries);
}

static void mark_response_keys(struct node *root)
{
    if (!node_get(root, "result"))
        return;
    for (size_t i = 0; i < sizeof response_keys / sizeof *response_keys; i++)
        node_get(root, response_keys[i]);
}

void load_domain_file(struct rule_set *set, const struct rule_vocabulary *vocabulary,
                      struct node *root, struct arena *scratch,
                      struct problem_list *problems)
{
    struct loader loader = {
        .set = set, .vocabulary = vocabulary, .problems = problems, .scratch = scratch};
    if (root->kind != NODE_MAP) {
        node_problem(root, problems, "a file of rules is a map that starts with `domain:`");
        return;
    }
    if (!open_domain(&loader, root))
        return;
    read_options(&loader, root);
    read_all_rules(&loader, root);
    place_postmaster(&loader, node_get(root, "postmaster"));
    mark_response_keys(root);
    node_report_unused(root, rule_file_keys, problems);
}

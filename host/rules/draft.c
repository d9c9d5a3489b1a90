/* Postern's own form: {to, when, forward | worker | drop | reject, name, enabled, on_soft_failure}. */
#include "rules/draft.h"

#include "rules/action.h"
#include "rules/api_form.h"
#include "rules/reference.h"
#include "rules/target.h"

#define NAME_BYTES_MAX ((size_t)200)

const struct node_key rule_keys[] = {
    {"to", "text or list", NULL,
     "whom the rule is for: support@example.com, support@, /^order-(?<id>\\d+)@/, or a "
     "list "
     "of these"},
    {"when", "map or list", NULL,
     "conditions that must all hold; of a list of such maps, one"},
    {"forward", "address or list", NULL, "sends it on to 1 to 100 addresses"},
    {"worker", "name", NULL, "hands it to this worker's script"},
    {"drop", "true", NULL, "accepts it and throws it away"},
    {"reject", "text", NULL, "refuses it: the sender gets 550 with this line"},
    {"name", "text", NULL, "in log and `postern explain`; `to` when left out"},
    {"enabled", "true, false", "true", "whether the rule counts"},
    {"on_soft_failure", "queue, defer", "queue",
     "when a next hop cannot take it for now: Postern keeps it, or its sender does"},
    {0},
};
/* `catch_all:` is a rule without `to`. */
static const struct node_key *const catch_all_keys = rule_keys + 1;

static void read_name(struct loader *loader, const struct node *node, struct rule *rule)
{
    struct str name;
    if (!node_to_text(node, loader->problems, &name))
        return;
    if (name.length > NAME_BYTES_MAX)
        node_problem(node, loader->problems, "a name has at most %zu bytes",
                     NAME_BYTES_MAX);
    rule->name = arena_str(loader->set->arena, str_trim(name));
}

void draft_read_common(struct loader *loader, struct node *map, struct draft *draft)
{
    struct rule *rule = arena_new_of(loader->set->arena, struct rule);
    rule->file = loader->domain->file;
    rule->line = map->line;
    draft->rule = rule;
    draft->is_enabled = true;
    const struct node *name = node_get(map, "name");
    const struct node *enabled = node_get(map, "enabled");
    if (name)
        read_name(loader, name, rule);
    if (enabled)
        node_to_bool(enabled, loader->problems, &draft->is_enabled);
}

/* A rule without a name goes by what it is for. */
static void name_by_target(struct loader *loader, struct draft *draft)
{
    struct rule *rule = draft->rule;
    if (rule->name.length > 0)
        return;
    if (draft->target_count > 0 && draft->targets[0].kind != TARGET_ALL)
        rule->name = arena_str(loader->set->arena, draft->targets[0].text);
    else
        rule->name = STR("catch-all");
}

static void read_soft_failure(struct loader *loader, const struct node *node,
                              struct rule *rule)
{
    struct str word;
    if (!node_to_text(node, loader->problems, &word))
        return;
    if (str_equal(word, STR("defer")))
        rule->on_soft_failure = RULE_SOFT_DEFER;
    else if (!str_equal(word, STR("queue")))
        node_problem(node, loader->problems,
                     "expected queue (Postern keeps the message and tries again) or defer "
                     "(its sender does)");
}

static void read_when_and_action(struct loader *loader, struct node *map,
                                 struct draft *draft)
{
    struct node *when = node_get(map, "when");
    if (when)
        draft->when = condition_parse(when, loader->set->arena, loader->set->patterns,
                                      loader->problems);
    const struct node *on_soft_failure = node_get(map, "on_soft_failure");
    if (on_soft_failure)
        read_soft_failure(loader, on_soft_failure, draft->rule);
    action_read(loader, map, draft->rule);
}

static void read_own_form(struct loader *loader, struct node *map, struct draft *draft)
{
    draft_read_common(loader, map, draft);
    const struct node *to = node_get(map, "to");
    if (to)
        target_read(loader, to, draft);
    else
        node_problem(map, loader->problems, "'to' is missing: whom is this rule for?");
    read_when_and_action(loader, map, draft);
    node_report_unused(map, rule_keys, loader->problems);
}

void draft_read_rule(struct loader *loader, struct node *map, struct draft *draft)
{
    if (map->kind != NODE_MAP) {
        char words[NODE_WORDS_BYTES];
        node_problem(map, loader->problems, "a rule is a map of keys, found %s",
                     node_words(map, words));
        return;
    }
    if (api_form_is_meant(map))
        api_form_read(loader, map, draft);
    else
        read_own_form(loader, map, draft);
    if (draft->rule)
        name_by_target(loader, draft);
}

void draft_read_catch_all(struct loader *loader, struct node *map, struct draft *draft)
{
    if (map->kind != NODE_MAP) {
        node_problem(map, loader->problems,
                     "catch_all is a map with an action: {forward: me@mail.test}");
        return;
    }
    draft_read_common(loader, map, draft);
    target_add_all(loader, map, draft);
    read_when_and_action(loader, map, draft);
    node_report_unused(map, catch_all_keys, loader->problems);
    name_by_target(loader, draft);
}

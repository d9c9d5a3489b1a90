/* Keys that the API adds for its own book-keeping (id, tag, …) are accepted and mean nothing here. */
#include "rules/api_form.h"

#include "rules/action.h"
#include "rules/draft.h"
#include "rules/reference.h"
#include "rules/target.h"

#define PRIORITY_MAX 2147483647ULL

const struct node_key rule_api_keys[] = {
    {"name", "text", NULL, "as in Postern's own form"},
    {"enabled", "true, false", "true", "as in Postern's own form"},
    {"priority", "number", "0", "lower ones first; equal ones in the order of the file"},
    {"matchers", "list of one map", NULL, "whom the rule is for"},
    {"actions", "list of one map", NULL, "what becomes of the message"},
    {0},
};
const struct node_key rule_api_matcher_keys[] = {
    {"type", "literal, all", NULL, "one address, or all other mail (catch-all)"},
    {"field", "to", NULL, "of a literal matcher"},
    {"value", "address", NULL, "of a literal matcher"},
    {0},
};
const struct node_key rule_api_action_keys[] = {
    {"type", "forward, worker, drop", NULL, "what is done"},
    {"value", "list", NULL, "the addresses, or the worker's name"},
    {0},
};
static const char *const book_keeping[] = {"id", "tag", "source", "created", "modified"};

bool api_form_is_meant(struct node *map)
{
    return node_get(map, "matchers") || node_get(map, "actions");
}

static bool has_text(const struct node *node, struct str text)
{
    return node && node->kind == NODE_TEXT && str_equal(node->text, text);
}

const struct node *api_form_first_address(struct node *rules)
{
    for (size_t i = 0; rules && rules->kind == NODE_LIST && i < rules->count; i++) {
        const struct node *matchers = node_get(rules->items[i], "matchers");
        if (!matchers || matchers->kind != NODE_LIST || matchers->count == 0)
            continue;
        const struct node *value = node_get(matchers->items[0], "value");
        if (value && value->kind == NODE_TEXT)
            return value;
    }
    return NULL;
}

/* The only map of a list under `key`, or NULL with a problem reported. */
static struct node *only_map(struct loader *loader, struct node *rule, const char *key)
{
    const struct node *list = node_get(rule, key);
    if (list && list->kind == NODE_LIST && list->count == 1 &&
        list->items[0]->kind == NODE_MAP)
        return list->items[0];
    node_problem(list ? list : rule, loader->problems, "'%s' is a list of exactly one map",
                 key);
    return NULL;
}

static void read_literal(struct loader *loader, struct node *matcher, struct draft *draft)
{
    const struct node *field = node_get(matcher, "field");
    const struct node *value = node_get(matcher, "value");
    if (!has_text(field, STR("to")))
        node_problem(field ? field : matcher, loader->problems,
                     "'field' of a literal matcher is \"to\"");
    if (value)
        target_read_address(loader, value, draft);
    else
        node_problem(matcher, loader->problems,
                     "'value' of the matcher is missing: the address");
}

static void read_matcher(struct loader *loader, struct node *rule, struct draft *draft)
{
    struct node *matcher = only_map(loader, rule, "matchers");
    if (!matcher)
        return;
    const struct node *type = node_get(matcher, "type");
    if (has_text(type, STR("literal")))
        read_literal(loader, matcher, draft);
    else if (has_text(type, STR("all")))
        target_add_all(loader, matcher, draft);
    else
        node_problem(type ? type : matcher, loader->problems,
                     "'type' of a matcher is \"literal\" or \"all\"");
    node_report_unused(matcher, rule_api_matcher_keys, loader->problems);
}

/* The API writes the worker's name as a list of one. */
static struct node *only_item(struct node *value)
{
    return value->kind == NODE_LIST && value->count == 1 ? value->items[0] : value;
}

static void read_action(struct loader *loader, struct node *rule, struct draft *draft)
{
    struct node *action = only_map(loader, rule, "actions");
    if (!action)
        return;
    const struct node *type = node_get(action, "type");
    struct node *value = node_get(action, "value");
    if (has_text(type, STR("drop")))
        draft->rule->action = RULE_DROP;
    else if (value && has_text(type, STR("forward")))
        action_forward(loader, value, draft->rule);
    else if (value && has_text(type, STR("worker")))
        action_worker(loader, only_item(value), draft->rule);
    else
        node_problem(type ? type : action, loader->problems,
                     "an action is of 'type' \"forward\" or \"worker\", with a 'value', or "
                     "\"drop\"");
    node_report_unused(action, rule_api_action_keys, loader->problems);
}

void api_form_read(struct loader *loader, struct node *map, struct draft *draft)
{
    draft_read_common(loader, map, draft);
    const struct node *priority = node_get(map, "priority");
    if (priority)
        node_to_number(priority, 0, PRIORITY_MAX, loader->problems, &draft->priority);
    read_matcher(loader, map, draft);
    read_action(loader, map, draft);
    for (size_t i = 0; i < sizeof book_keeping / sizeof *book_keeping; i++)
        node_get(map, book_keeping[i]);
    node_report_unused(map, rule_api_keys, loader->problems);
}

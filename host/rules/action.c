/* Destinations, worker names and reject texts become part of what Postern says to others: they are checked
 * to be sayable when the rules are loaded, not when mail arrives. */
#include "rules/action.h"

bool action_destination(struct loader *loader, const struct node *node,
                        struct mailbox *destination)
{
    const struct rule_vocabulary *known = loader->vocabulary;
    struct str text;
    if (!node_to_text(node, loader->problems, &text))
        return false;
    if (mailbox_parse(text, loader->set->arena, destination) < 0) {
        node_problem(node, loader->problems, "'%.*s' is no mail address", STR_ARG(text));
        return false;
    }
    if (known->is_verified && !known->is_verified(known->arg, destination)) {
        node_problem(node, loader->problems,
                     "%.*s is no verified destination: add it to `destinations:` in "
                     "host.yaml",
                     STR_ARG(text));
        return false;
    }
    return true;
}

static void add_destination(struct loader *loader, const struct node *node,
                            struct rule *rule)
{
    struct mailbox *destination = &rule->destinations[rule->destination_count];
    if (!action_destination(loader, node, destination))
        return;
    for (size_t i = 0; i < rule->destination_count; i++)
        if (mailbox_same(&rule->destinations[i], destination))
            node_problem(node, loader->problems, "%.*s stands here twice",
                         STR_ARG(node->text));
    rule->destination_count++;
}

void action_forward(struct loader *loader, struct node *value, struct rule *rule)
{
    bool is_list = value->kind == NODE_LIST;
    size_t count = is_list ? value->count : 1;
    rule->action = RULE_FORWARD;
    if (count == 0 || count > RULE_DESTINATIONS_MAX) {
        node_problem(value, loader->problems, "a rule forwards to 1 to %zu addresses",
                     RULE_DESTINATIONS_MAX);
        return;
    }
    rule->destinations = arena_array(loader->set->arena, struct mailbox, count);
    for (size_t i = 0; i < count; i++)
        add_destination(loader, is_list ? value->items[i] : value, rule);
}

static bool is_worker_name(struct str name)
{
    for (size_t i = 0; i < name.length; i++)
        if (!ascii_alnum(name.at[i]) && name.at[i] != '_' && name.at[i] != '-')
            return false;
    return name.length > 0 && name.length <= RULE_WORKER_BYTES_MAX;
}

void action_worker(struct loader *loader, struct node *value, struct rule *rule)
{
    const struct rule_vocabulary *known = loader->vocabulary;
    struct str name;
    rule->action = RULE_WORKER;
    if (!node_to_text(value, loader->problems, &name))
        return;
    rule->worker = arena_str(loader->set->arena, name);
    if (!is_worker_name(name))
        node_problem(value, loader->problems,
                     "'%.*s' is no worker's name: 1 to 64 letters, digits, '_' and '-'",
                     STR_ARG(name));
    else if (known->has_worker && !known->has_worker(known->arg, name))
        node_problem(
            value, loader->problems,
            "there is no worker '%.*s': put %.*s.lua into the scripts folder (`scripts:` "
            "in host.yaml)",
            STR_ARG(name), STR_ARG(name));
}

static void read_drop(struct loader *loader, struct node *value, struct rule *rule)
{
    bool is_true = true;
    rule->action = RULE_DROP;
    if (node_to_bool(value, loader->problems, &is_true) && !is_true)
        node_problem(value, loader->problems,
                     "write `drop: true`, or `enabled: false` to switch the rule off");
}

/* RFC 5321 section 4.2: the text of a reply is printable ASCII. */
bool rule_is_reject_text(struct str text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.at[i] < ' ' || text.at[i] > '~')
            return false;
    return text.length > 0 && text.length <= RULE_REJECT_BYTES_MAX;
}

static void read_reject(struct loader *loader, struct node *value, struct rule *rule)
{
    struct str text;
    rule->action = RULE_REJECT;
    if (!node_to_text(value, loader->problems, &text))
        return;
    text = str_trim(text);
    rule->reject_text = arena_str(loader->set->arena, text);
    if (!rule_is_reject_text(text))
        node_problem(
            value, loader->problems,
            "a reject text is one line of 1 to %zu printable ASCII characters: it is "
            "said in an SMTP reply",
            RULE_REJECT_BYTES_MAX);
}

static const struct action {
    const char *key;
    void (*read)(struct loader *loader, struct node *value, struct rule *rule);
} actions[] = {
    {"forward", action_forward},
    {"worker", action_worker},
    {"drop", read_drop},
    {"reject", read_reject},
};

void action_read(struct loader *loader, struct node *map, struct rule *rule)
{
    const char *first = NULL;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        struct node *value = node_get(map, actions[i].key);
        if (value && first)
            node_problem(value, loader->problems,
                         "'%s' and '%s' in one rule: a rule does one thing", first,
                         actions[i].key);
        else if (value)
            actions[i].read(loader, value, rule);
        first = value && !first ? actions[i].key : first;
    }
    if (!first)
        node_problem(map, loader->problems,
                     "this does nothing: add one of forward, worker, drop and reject");
}

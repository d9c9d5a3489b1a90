/* An address is kept as its key only (rules/address_key.h). */
#include "rules/target.h"

#include "rules/address_key.h"

static struct target *add(struct draft *draft, enum target_kind kind,
                          const struct node *node)
{
    struct target *target = &draft->targets[draft->target_count++];
    target->kind = kind;
    target->node = node;
    return target;
}

static void make_room(struct loader *loader, struct draft *draft, size_t count)
{
    draft->targets = arena_array(loader->scratch, struct target, count + 1);
}

static bool has_star(const struct mailbox *address)
{
    return str_index(address->local, '*') >= 0;
}

static void add_address(struct loader *loader, const struct node *node,
                        const struct mailbox *address, struct draft *draft)
{
    const struct domain_rules *domain = &loader->domain->rules;
    char memory[ADDRESS_KEY_BYTES];
    if (!str_equal(address->domain, domain->domain))
        node_problem(node, loader->problems,
                     "%.*s belongs to another domain: this file is for %.*s",
                     STR_ARG(node->text), STR_ARG(domain->domain));
    else if (has_star(address))
        node_problem(node, loader->problems,
                     "'*' is no wildcard: write a pattern such as /^sales-.*@/, or use "
                     "catch_all");
    else
        add(draft, TARGET_ADDRESS, node)->text =
            arena_str(loader->scratch, address_key(domain, address->local, memory));
}

static void read_address(struct loader *loader, const struct node *node,
                         struct draft *draft)
{
    struct mailbox address;
    if (mailbox_parse(node->text, loader->scratch, &address) == 0)
        add_address(loader, node, &address, draft);
    else
        node_problem(
            node, loader->problems,
            "'%.*s' is no mail address: write support@%.*s, support@ or a /pattern/",
            STR_ARG(node->text), STR_ARG(loader->domain->rules.domain));
}

/* "sales@": the domain is the file's. */
static void read_local_part(struct loader *loader, const struct node *node,
                            struct draft *draft)
{
    struct mailbox address;
    const char *whole = arena_printf(loader->scratch, "%.*s%.*s", STR_ARG(node->text),
                                     STR_ARG(loader->domain->rules.domain));
    if (mailbox_parse(str_of(whole), loader->scratch, &address) == 0)
        add_address(loader, node, &address, draft);
    else
        node_problem(node, loader->problems, "'%.*s' is no local part of an address",
                     STR_ARG(node->text));
}

static void read_pattern(struct loader *loader, const struct node *node,
                         struct draft *draft)
{
    struct err err = {0};
    bool is_caseless = !loader->domain->rules.is_local_part_case_sensitive;
    struct pattern *pattern =
        pattern_compile(loader->set->patterns, node->text, is_caseless, &err);
    if (!pattern) {
        node_problem(node, loader->problems, "%s", err.text);
        return;
    }
    struct target *target = add(draft, TARGET_PATTERN, node);
    target->text = node->text;
    target->pattern = pattern;
}

static void read_item(struct loader *loader, const struct node *node, struct draft *draft)
{
    struct str text;
    if (!node_to_text(node, loader->problems, &text))
        return;
    if (pattern_is_meant(text))
        read_pattern(loader, node, draft);
    else if (text.length && str_index(text, '@') == (ptrdiff_t)text.length - 1)
        read_local_part(loader, node, draft);
    else
        read_address(loader, node, draft);
}

void target_read(struct loader *loader, const struct node *to, struct draft *draft)
{
    bool is_list = to->kind == NODE_LIST;
    size_t count = is_list ? to->count : 1;
    make_room(loader, draft, count);
    if (count == 0)
        node_problem(to, loader->problems, "an empty list: the rule is for nobody");
    for (size_t i = 0; i < count; i++)
        read_item(loader, is_list ? to->items[i] : to, draft);
}

void target_read_address(struct loader *loader, const struct node *node,
                         struct draft *draft)
{
    struct str text;
    make_room(loader, draft, 1);
    if (node_to_text(node, loader->problems, &text))
        read_address(loader, node, draft);
}

void target_add_all(struct loader *loader, const struct node *node, struct draft *draft)
{
    make_room(loader, draft, 1);
    add(draft, TARGET_ALL, node);
}

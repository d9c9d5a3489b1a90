/* Addresses of all domains lie in one table; an address leads to a chain, as rules with conditions may share
 * it. Every check here is a look at the last entry of a chain, so that loading is linear in the rules. */
#include "rules/place.h"

#include <stdlib.h>

#include "rules/action.h"
#include "rules/address_key.h"

static int compare_drafts(const void *a_draft, const void *b_draft)
{
    const struct draft *a = a_draft, *b = b_draft;
    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    return a->position < b->position ? -1 : 1;
}

static struct entry *append(struct loader *loader, struct chain *chain,
                            const struct draft *draft, const struct target *target)
{
    struct entry *entry = arena_new_of(loader->set->arena, struct entry);
    entry->rule = draft->rule;
    entry->when = draft->when;
    entry->pattern = target->pattern;
    if (chain->last)
        chain->last->next = entry;
    else
        chain->first = entry;
    chain->last = entry;
    return entry;
}

/* Reports a target that `before` takes in every case, or that stands twice in the same rule. */
static bool is_shadowed(struct loader *loader, const struct entry *before,
                        const struct draft *draft, const struct target *target,
                        struct str what)
{
    if (!before || (before->when && before->rule != draft->rule))
        return false;
    if (before->rule == draft->rule)
        node_problem(target->node, loader->problems, "%.*s stands twice in this rule",
                     STR_ARG(what));
    else
        node_problem(target->node, loader->problems,
                     "never reached: the rule in %.*s:%u takes %.*s without conditions",
                     STR_ARG(before->rule->file), before->rule->line, STR_ARG(what));
    return true;
}

static void report_self_loop(struct loader *loader, const struct draft *draft,
                             const struct target *target)
{
    const struct domain_rules *domain = &loader->domain->rules;
    char memory[ADDRESS_KEY_BYTES];
    for (size_t i = 0; i < draft->rule->destination_count; i++) {
        const struct mailbox *destination = &draft->rule->destinations[i];
        if (str_equal(destination->domain, domain->domain) &&
            str_equal(address_key(domain, destination->local, memory), target->text))
            node_problem(target->node, loader->problems, "%.*s is forwarded to itself",
                         STR_ARG(target->text));
    }
}

static void place_address(struct loader *loader, const struct draft *draft,
                          const struct target *target)
{
    struct chain *chain = table_get(loader->set->addresses, target->text);
    if (!chain) {
        chain = arena_new_of(loader->set->arena, struct chain);
        table_set(loader->set->addresses, target->text, chain);
    }
    report_self_loop(loader, draft, target);
    if (!is_shadowed(loader, chain->last, draft, target, target->text))
        append(loader, chain, draft, target);
}

static void place_pattern(struct loader *loader, const struct draft *draft,
                          const struct target *target)
{
    const struct entry *before = table_get(loader->pattern_entries, target->text);
    if (!is_shadowed(loader, before, draft, target, target->text))
        table_set(loader->pattern_entries, target->text,
                  append(loader, &loader->domain->patterns, draft, target));
}

static void place_catch_all(struct loader *loader, const struct draft *draft,
                            const struct target *target)
{
    struct chain *chain = &loader->domain->catch_all;
    if (!is_shadowed(loader, chain->last, draft, target, STR("all other mail")))
        append(loader, chain, draft, target);
}

static void place_target(struct loader *loader, const struct draft *draft,
                         const struct target *target)
{
    switch (target->kind) {
    case TARGET_ADDRESS:
        place_address(loader, draft, target);
        break;
    case TARGET_PATTERN:
        place_pattern(loader, draft, target);
        break;
    case TARGET_ALL:
        place_catch_all(loader, draft, target);
        break;
    }
}

void place_drafts(struct loader *loader, struct draft *drafts, size_t count)
{
    qsort(drafts, count, sizeof *drafts, compare_drafts);
    for (size_t i = 0; i < count; i++) {
        const struct draft *draft = &drafts[i];
        if (!draft->rule || !draft->is_enabled)
            continue;
        loader->set->rule_count++;
        for (size_t j = 0; j < draft->target_count; j++)
            place_target(loader, draft, &draft->targets[j]);
    }
}

/* --- postmaster --- */

static const struct rule *postmaster_rule(struct loader *loader,
                                          const struct mailbox *address)
{
    struct rule *rule = arena_new_of(loader->set->arena, struct rule);
    rule->name = STR("postmaster");
    rule->action = RULE_FORWARD;
    rule->destinations = arena_new_of(loader->set->arena, struct mailbox);
    rule->destinations[0] = *address;
    rule->destination_count = 1;
    rule->file = loader->domain->file;
    rule->line = 1;
    return rule;
}

static bool is_postmaster_of(const struct domain *domain, const struct mailbox *address)
{
    return str_equal(address->domain, domain->rules.domain) &&
           address_is_postmaster(address->local);
}

static void read_own_postmaster(struct loader *loader, const struct node *own)
{
    struct mailbox address;
    if (!action_destination(loader, own, &address))
        return;
    if (is_postmaster_of(loader->domain, &address))
        node_problem(own, loader->problems, "postmaster is forwarded to itself");
    loader->domain->postmaster = postmaster_rule(loader, &address);
}

static void take_common_postmaster(struct loader *loader)
{
    struct mailbox address;
    struct str text = loader->vocabulary->postmaster;
    if (text.length && mailbox_parse(text, loader->set->arena, &address) == 0 &&
        !is_postmaster_of(loader->domain, &address))
        loader->domain->postmaster = postmaster_rule(loader, &address);
}

/* The rule of a chain that takes whatever the ones before it leave, or NULL. */
static const struct rule *last_resort(const struct chain *chain)
{
    return chain && chain->last && !chain->last->when ? chain->last->rule : NULL;
}

static bool accepts_always(const struct chain *chain)
{
    const struct rule *rule = last_resort(chain);
    return rule && rule->action != RULE_REJECT;
}

void place_postmaster(struct loader *loader, const struct node *own)
{
    const struct domain *domain = loader->domain;
    char memory[ADDRESS_KEY_BYTES];
    struct str key = address_key(&domain->rules, STR("postmaster"), memory);
    const struct chain *chain = table_get(loader->set->addresses, key);
    if (own)
        read_own_postmaster(loader, own);
    else
        take_common_postmaster(loader);
    const struct rule *rule = last_resort(chain);
    if (rule && rule->action == RULE_REJECT)
        problem_add(loader->problems, rule->file, rule->line, 1,
                    "mail to postmaster must be accepted (RFC 5321 section 4.5.1): do not "
                    "reject it");
    else if (!own && !domain->postmaster && !accepts_always(chain) &&
             !accepts_always(&domain->catch_all))
        problem_add(loader->problems, domain->file, 1, 1,
                    "no address for postmaster@%.*s: set `postmaster:` in host.yaml or in "
                    "this file",
                    STR_ARG(domain->rules.domain));
}

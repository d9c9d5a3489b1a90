/* The search for a recipient's rule: chains of entries, tried step by step (rule_set_match). What is tried
 * for an exact address allocates nothing. */
#include <stdio.h>

#include "rules/address_key.h"
#include "rules/internal.h"

struct search {
    const struct rule_set *set;
    const struct rule_question *question;
    struct rule_match *match;
    struct evidence evidence;
    const struct domain *domain;
    struct str detail;
    bool is_open; /* a rule that may match depends on the message */
};

enum progress { GOES_ON, FOUND, TOO_COSTLY };

/* --- explaining --- */

__attribute__((format(printf, 2, 3))) static void say(const struct search *search,
                                                      const char *format, ...)
{
    char sentence[400];
    if (!search->question->explain)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    search->question->explain(search->question->explain_arg, sentence);
}

static void say_verdict(const struct search *search, const struct entry *entry,
                        enum verdict verdict)
{
    static const char *const words[] = {
        [VERDICT_NO] = "its conditions do not hold",
        [VERDICT_TOO_COSTLY] = "a pattern in its conditions takes too long",
        [VERDICT_OPEN] = "its conditions depend on the message",
        [VERDICT_YES] = "its conditions hold",
    };
    const struct rule *rule = entry->rule;
    say(search, "rule '%.*s' (%.*s:%u) is for this address: %s", STR_ARG(rule->name),
        STR_ARG(rule->file), rule->line, entry->when ? words[verdict] : "it matches");
}

/* --- entries --- */

static enum progress try_entry(struct search *search, const struct entry *entry,
                               enum rule_step step)
{
    enum verdict verdict =
        entry->when ? condition_judge(entry->when, &search->evidence) : VERDICT_YES;
    say_verdict(search, entry, verdict);
    if (verdict == VERDICT_TOO_COSTLY)
        return TOO_COSTLY;
    if (verdict == VERDICT_OPEN)
        search->is_open = true;
    if (verdict != VERDICT_YES)
        return GOES_ON;
    search->match->rule = entry->rule;
    search->match->step = step;
    search->match->detail = search->detail;
    return FOUND;
}

static enum progress try_chain(struct search *search, const struct chain *chain,
                               enum rule_step step)
{
    enum progress progress = GOES_ON;
    const struct entry *entry = chain ? chain->first : NULL;
    for (; entry && progress == GOES_ON; entry = entry->next)
        progress = try_entry(search, entry, step);
    return progress;
}

static const struct chain *chain_of(const struct search *search, struct str local)
{
    char memory[ADDRESS_KEY_BYTES];
    struct str key = address_key(&search->domain->rules, local, memory);
    const struct chain *chain = table_get(search->set->addresses, key);
    if (!chain)
        say(search, "there is no rule for %.*s itself", STR_ARG(key));
    return chain;
}

/* --- steps --- */

static enum progress try_address(struct search *search)
{
    return try_chain(search, chain_of(search, search->question->recipient->local),
                     RULE_BY_ADDRESS);
}

static bool is_separator(const struct search *search, char c)
{
    return str_index(search->domain->rules.subaddress_separators, c) >= 0;
}

/* The longest base first: a+b+tag@ falls back to a+b@, then to a@. */
static enum progress try_subaddress(struct search *search)
{
    struct str local = search->question->recipient->local;
    enum progress progress = GOES_ON;
    if (!search->domain->rules.subaddressing || local.length == 0)
        return GOES_ON;
    for (size_t at = local.length - 1; at > 0 && progress == GOES_ON; at--) {
        if (!is_separator(search, local.at[at]))
            continue;
        search->detail = str_from(local, at + 1);
        progress =
            try_chain(search, chain_of(search, str_part(local, 0, at)), RULE_BY_SUBADDRESS);
    }
    search->detail = (struct str){0};
    return progress;
}

/* The address with the case it came in, so that captures keep it. */
static struct str address_as_given(const struct search *search)
{
    const struct mailbox *recipient = search->question->recipient;
    return str_of(arena_printf(search->evidence.arena, "%.*s@%.*s",
                               STR_ARG(recipient->local), STR_ARG(recipient->domain)));
}

/* The captures are taken at once: patterns in the conditions are searched next. */
static enum progress try_pattern(struct search *search, const struct entry *entry,
                                 struct str address)
{
    struct rule_match *match = search->match;
    switch (pattern_search(entry->pattern, address)) {
    case PATTERN_TOO_COSTLY:
        say(search, "pattern '%.*s' takes too long", STR_ARG(entry->rule->name));
        return TOO_COSTLY;
    case PATTERN_MISS:
        say(search, "pattern '%.*s' does not match", STR_ARG(entry->rule->name));
        return GOES_ON;
    case PATTERN_HIT:
        break;
    }
    match->capture_count =
        pattern_groups(entry->pattern, address, search->evidence.arena, &match->captures);
    enum progress progress = try_entry(search, entry, RULE_BY_PATTERN);
    if (progress != FOUND)
        match->capture_count = 0;
    return progress;
}

static enum progress try_patterns(struct search *search)
{
    const struct entry *entry = search->domain->patterns.first;
    enum progress progress = GOES_ON;
    if (!entry)
        return GOES_ON;
    struct str address = address_as_given(search);
    for (; entry && progress == GOES_ON; entry = entry->next)
        progress = try_pattern(search, entry, address);
    return progress;
}

static enum progress try_postmaster(struct search *search)
{
    const struct rule *rule = search->domain->postmaster;
    if (!rule || !address_is_postmaster(search->question->recipient->local))
        return GOES_ON;
    say(search, "mail to postmaster goes to the address set for it");
    search->match->rule = rule;
    search->match->step = RULE_BY_POSTMASTER;
    return FOUND;
}

static enum progress try_catch_all(struct search *search)
{
    if (!search->domain->catch_all.first)
        say(search, "%.*s has no catch-all", STR_ARG(search->domain->rules.domain));
    return try_chain(search, &search->domain->catch_all, RULE_BY_CATCH_ALL);
}

static enum progress try_all(struct search *search)
{
    static enum progress (*const steps[])(struct search *) = {
        try_address, try_subaddress, try_patterns, try_postmaster, try_catch_all};
    enum progress progress = GOES_ON;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && progress == GOES_ON; i++)
        progress = steps[i](search);
    return progress;
}

enum rule_found rule_set_match(const struct rule_set *set,
                               const struct rule_question *question, struct arena *arena,
                               struct rule_match *match)
{
    const struct domain *domain = table_get(set->domains, question->recipient->domain);
    struct search search = {.set = set, .question = question, .match = match};
    search.domain = domain;
    search.evidence.message = question->message;
    search.evidence.auth = question->auth;
    search.evidence.envelope = question->envelope ? question->envelope : question->message;
    search.evidence.arena = arena;
    *match = (struct rule_match){.domain = domain ? &domain->rules : NULL};
    if (!domain) {
        say(&search, "%.*s is not a domain of ours", STR_ARG(question->recipient->domain));
        return RULE_NO_DOMAIN;
    }
    enum progress progress = try_all(&search);
    if (progress == TOO_COSTLY)
        return RULE_TOO_COSTLY;
    if (search.is_open) {
        *match = (struct rule_match){.domain = &domain->rules};
        return RULE_MAYBE;
    }
    if (progress == FOUND)
        return RULE_FOUND;
    say(&search, "no rule matches: the recipient is unknown");
    return RULE_NO_RECIPIENT;
}

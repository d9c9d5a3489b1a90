/* A tree: inner nodes are "all of", "one of" and "not", leaves compare one thing with one text. The depth is
 * bounded by the document's. */
#include "rules/condition.h"

#include "mail/domain.h"
#include "rules/reference.h"

enum condition_kind {
    ALL_OF,
    ONE_OF,
    NOT,
    HEADER_EQUALS,
    HEADER_MATCHES,
    SIZE_OVER,
    SIZE_UNDER,
    SENDER_NULL,
    SENDER_EQUALS,
    SENDER_DOMAIN,
    SENDER_MATCHES,
    CLIENT_WITHIN,
    AUTH_IS
};

struct condition {
    enum condition_kind kind;
    struct condition **parts; /* ALL_OF, ONE_OF; NOT has one */
    size_t part_count;
    struct str header_name;
    struct str text;         /* HEADER_EQUALS, SENDER_DOMAIN */
    struct pattern *pattern; /* …_MATCHES */
    unsigned long long bytes;
    struct mailbox sender;
    struct net_block client;
    size_t auth_check; /* offset in struct rule_auth */
};

/* --- parsing --- */

struct parser {
    struct arena *arena;
    struct pattern_set *patterns;
    struct problem_list *problems;
    struct str header_name; /* of the header condition being read */
    size_t auth_check;      /* of the auth condition being read */
};

typedef struct condition *leaf_fn(struct parser *parser, struct node *node);

static struct condition *new_condition(const struct parser *parser,
                                       enum condition_kind kind)
{
    struct condition *condition = arena_new_of(parser->arena, struct condition);
    condition->kind = kind;
    condition->header_name = parser->header_name;
    return condition;
}

static struct condition *new_group(const struct parser *parser, enum condition_kind kind,
                                   size_t most)
{
    struct condition *group = new_condition(parser, kind);
    group->parts = arena_array(parser->arena, struct condition *, most + 1);
    return group;
}

/* Parts that were refused have been reported and are left out. */
static void add_part(struct condition *group, struct condition *part)
{
    if (part)
        group->parts[group->part_count++] = part;
}

/* One thing, or a list of which one must hold. */
static struct condition *parse_one_of(struct parser *parser, struct node *node,
                                      leaf_fn *leaf)
{
    if (node->kind != NODE_LIST)
        return leaf(parser, node);
    struct condition *group = new_group(parser, ONE_OF, node->count);
    if (node->count == 0)
        node_problem(node, parser->problems, "an empty list never holds: leave it out");
    for (size_t i = 0; i < node->count; i++)
        add_part(group, leaf(parser, node->items[i]));
    return group;
}

static struct condition *parse_pattern(struct parser *parser, const struct node *node,
                                       enum condition_kind kind, bool is_caseless)
{
    struct err err = {0};
    struct condition *condition = new_condition(parser, kind);
    condition->pattern = pattern_compile(parser->patterns, node->text, is_caseless, &err);
    if (condition->pattern)
        return condition;
    node_problem(node, parser->problems, "%s", err.text);
    return NULL;
}

static struct condition *parse_header_value(struct parser *parser, struct node *node)
{
    struct str text;
    if (!node_to_text(node, parser->problems, &text))
        return NULL;
    if (pattern_is_meant(text))
        return parse_pattern(parser, node, HEADER_MATCHES, false);
    struct condition *condition = new_condition(parser, HEADER_EQUALS);
    condition->text = arena_str(parser->arena, str_trim(text));
    return condition;
}

static struct condition *parse_header(struct parser *parser, struct node *node)
{
    if (node->kind != NODE_MAP || node->count == 0) {
        node_problem(node, parser->problems,
                     "a header condition names fields: {subject: /refund/i}");
        return NULL;
    }
    struct condition *group = new_group(parser, ALL_OF, node->count);
    for (size_t i = 0; i < node->count; i++) {
        if (!header_name_is_valid(node->keys[i]->text))
            node_problem(node->keys[i], parser->problems, "'%.*s' is no header field name",
                         STR_ARG(node->keys[i]->text));
        parser->header_name = arena_str(parser->arena, node->keys[i]->text);
        add_part(group, parse_one_of(parser, node->items[i], parse_header_value));
    }
    return group;
}

static struct condition *parse_size(struct parser *parser, struct node *node)
{
    struct str text = node->kind == NODE_TEXT ? node->text : STR("?");
    char sign = text.length ? text.at[0] : '?';
    struct condition *condition =
        new_condition(parser, sign == '>' ? SIZE_OVER : SIZE_UNDER);
    if ((sign == '>' || sign == '<') &&
        bytes_parse(str_trim(str_from(text, 1)), &condition->bytes))
        return condition;
    node_problem(node, parser->problems,
                 "a size condition is a text such as \">1MiB\" or \"<10KiB\"");
    return NULL;
}

static struct condition *parse_sender_domain(struct parser *parser, const struct node *node)
{
    struct condition *condition = new_condition(parser, SENDER_DOMAIN);
    if (domain_normalize(str_from(node->text, 1), parser->arena, &condition->text) == 0)
        return condition;
    node_problem(node, parser->problems, "'%.*s' is no domain",
                 STR_ARG(str_from(node->text, 1)));
    return NULL;
}

static struct condition *parse_sender(struct parser *parser, struct node *node)
{
    struct str text;
    if (!node_to_text(node, parser->problems, &text))
        return NULL;
    if (str_equal(text, STR("<>")))
        return new_condition(parser, SENDER_NULL);
    if (pattern_is_meant(text))
        return parse_pattern(parser, node, SENDER_MATCHES, true);
    if (str_starts(text, STR("@")))
        return parse_sender_domain(parser, node);
    struct condition *condition = new_condition(parser, SENDER_EQUALS);
    if (mailbox_parse(text, parser->arena, &condition->sender) == 0)
        return condition;
    node_problem(node, parser->problems,
                 "a sender is an address, a \"@domain\", a /pattern/ or \"<>\"");
    return NULL;
}

static struct condition *parse_client(struct parser *parser, struct node *node)
{
    struct condition *condition = new_condition(parser, CLIENT_WITHIN);
    if (node->kind == NODE_TEXT && net_block_parse(node->text, &condition->client) == 0)
        return condition;
    node_problem(node, parser->problems,
                 "a client is an IP address or a network: 192.0.2.0/24, 2001:db8::/32");
    return NULL;
}

#define AUTH_RESULT                                                                        \
    "none, pass, fail, softfail, neutral, policy, temperror, permerror; or a list of "     \
    "these"
const struct node_key rule_auth_keys[] = {
    {"spf", AUTH_RESULT, NULL, "what SPF says of the envelope's sender"},
    {"dkim", AUTH_RESULT, NULL, "the best signature's result"},
    {"dmarc", AUTH_RESULT, NULL, "what DMARC says of the author's domain"},
    {"arc", AUTH_RESULT, NULL, "whether the chain of those who passed it on is whole"},
    {0},
};
/* In their order. */
static const size_t auth_checks[] = {
    offsetof(struct rule_auth, spf), offsetof(struct rule_auth, dkim),
    offsetof(struct rule_auth, dmarc), offsetof(struct rule_auth, arc)};
#define AUTH_CHECK_COUNT (sizeof auth_checks / sizeof *auth_checks)
_Static_assert(sizeof rule_auth_keys / sizeof *rule_auth_keys == AUTH_CHECK_COUNT + 1,
               "each check has its key");

static struct condition *parse_auth_result(struct parser *parser, struct node *node)
{
    static const char *const words[] = {"none",    "pass",   "fail",      "softfail",
                                        "neutral", "policy", "temperror", "permerror"};
    struct condition *condition = new_condition(parser, AUTH_IS);
    condition->auth_check = parser->auth_check;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        condition->text = str_of(words[i]);
        if (node->kind == NODE_TEXT && str_equal(node->text, condition->text))
            return condition;
    }
    node_problem(
        node, parser->problems,
        "a result is one of none, pass, fail, softfail, neutral, policy, temperror and "
        "permerror");
    return NULL;
}

static struct condition *parse_auth(struct parser *parser, struct node *node)
{
    if (node->kind != NODE_MAP || node->count == 0) {
        node_problem(
            node, parser->problems,
            "an auth condition names checks: {dmarc: pass, spf: [fail, softfail]}");
        return NULL;
    }
    struct condition *group = new_group(parser, ALL_OF, AUTH_CHECK_COUNT);
    for (size_t i = 0; i < AUTH_CHECK_COUNT; i++) {
        struct node *value = node_get(node, rule_auth_keys[i].name);
        parser->auth_check = auth_checks[i];
        if (value)
            add_part(group, parse_one_of(parser, value, parse_auth_result));
    }
    node_report_unused(node, rule_auth_keys, parser->problems);
    return group;
}

static struct condition *parse_all_of(struct parser *parser, struct node *node);

static struct condition *parse_not(struct parser *parser, struct node *node)
{
    struct condition *condition = new_group(parser, NOT, 1);
    add_part(condition, parse_one_of(parser, node, parse_all_of));
    return condition;
}

/* A new term is a key here, the function in `terms` that reads it, and a case of condition_judge. */
const struct node_key rule_condition_keys[] = {
    {"header", "map", NULL,
     "fields and what they hold: a text (the whole value, in any case), a /pattern/ "
     "(searched for, in the case written; /i: in any), or a list of these"},
    {"size", "text", NULL, "of the message: \">1MiB\", \"<10KiB\""},
    {"sender", "text or list", NULL,
     "the envelope's: an address, \"@domain\", a /pattern/ (in any case), or \"<>\" for "
     "bounces"},
    {"client", "text or list", NULL,
     "who brought it: an IP address, or a network such as 192.0.2.0/24"},
    {"auth", "map or list", NULL,
     "what was verified: {dmarc: pass, spf: [fail, softfail]}"},
    {"not", "map or list", NULL, "conditions that must not hold"},
    {0},
};
/* In their order. */
static const struct term {
    leaf_fn *parse;
    bool takes_list; /* a list is read by the term itself */
} terms[] = {
    {parse_header, false}, {parse_size, false}, {parse_sender, false},
    {parse_client, false}, {parse_auth, false}, {parse_not, true},
};
#define TERM_COUNT (sizeof terms / sizeof *terms)
_Static_assert(sizeof rule_condition_keys / sizeof *rule_condition_keys == TERM_COUNT + 1,
               "each term has its key");

static struct condition *parse_all_of(struct parser *parser, struct node *node)
{
    if (node->kind != NODE_MAP || node->count == 0) {
        node_problem(node, parser->problems,
                     "conditions are a map of header, size, sender, client, auth and not");
        return NULL;
    }
    struct condition *group = new_group(parser, ALL_OF, TERM_COUNT);
    for (size_t i = 0; i < TERM_COUNT; i++) {
        struct node *value = node_get(node, rule_condition_keys[i].name);
        if (value && terms[i].takes_list)
            add_part(group, terms[i].parse(parser, value));
        else if (value)
            add_part(group, parse_one_of(parser, value, terms[i].parse));
    }
    node_report_unused(node, rule_condition_keys, parser->problems);
    return group;
}

struct condition *condition_parse(struct node *when, struct arena *arena,
                                  struct pattern_set *patterns,
                                  struct problem_list *problems)
{
    struct parser parser = {.arena = arena, .patterns = patterns, .problems = problems};
    return parse_one_of(&parser, when, parse_all_of);
}

/* --- judging --- */

static enum verdict verdict_of(bool holds)
{
    return holds ? VERDICT_YES : VERDICT_NO;
}

static enum verdict search(const struct condition *condition, struct str subject)
{
    switch (pattern_search(condition->pattern, subject)) {
    case PATTERN_HIT:
        return VERDICT_YES;
    case PATTERN_MISS:
        return VERDICT_NO;
    case PATTERN_TOO_COSTLY:
        break;
    }
    return VERDICT_TOO_COSTLY;
}

/* One field of the name is enough. */
static enum verdict judge_header(const struct condition *condition,
                                 const struct evidence *evidence)
{
    if (!evidence->message)
        return VERDICT_OPEN;
    enum verdict best = VERDICT_NO;
    size_t index = 0;
    const struct header_field *field;
    while (best != VERDICT_YES && (field = header_next(&evidence->message->header,
                                                       condition->header_name, &index))) {
        struct str value = header_unfold(field->value, evidence->arena);
        enum verdict verdict = condition->kind == HEADER_MATCHES
                                   ? search(condition, value)
                                   : verdict_of(str_equal_nocase(value, condition->text));
        best = verdict > best ? verdict : best;
    }
    return best;
}

static enum verdict judge_size(const struct condition *condition,
                               const struct evidence *evidence)
{
    if (!evidence->message)
        return VERDICT_OPEN;
    size_t size = blob_view(evidence->message->raw).length;
    return verdict_of(condition->kind == SIZE_OVER ? size > condition->bytes
                                                   : size < condition->bytes);
}

static enum verdict judge_sender_pattern(const struct condition *condition,
                                         const struct evidence *evidence,
                                         const struct mailbox *sender)
{
    if (sender->is_null)
        return search(condition, (struct str){0});
    const char *address = arena_printf(evidence->arena, "%.*s@%.*s", STR_ARG(sender->local),
                                       STR_ARG(sender->domain));
    return search(condition, str_of(address));
}

static enum verdict judge_sender(const struct condition *condition,
                                 const struct evidence *evidence)
{
    if (!evidence->envelope)
        return VERDICT_OPEN;
    const struct mailbox *sender = &evidence->envelope->reverse_path;
    switch (condition->kind) {
    case SENDER_NULL:
        return verdict_of(sender->is_null);
    case SENDER_EQUALS:
        return verdict_of(!sender->is_null && mailbox_same(sender, &condition->sender));
    case SENDER_DOMAIN:
        return verdict_of(!sender->is_null && str_equal(sender->domain, condition->text));
    default:
        return judge_sender_pattern(condition, evidence, sender);
    }
}

static enum verdict judge_client(const struct condition *condition,
                                 const struct evidence *evidence)
{
    if (!evidence->envelope)
        return VERDICT_OPEN;
    return verdict_of(
        net_block_contains(&condition->client, &evidence->envelope->client.address));
}

static enum verdict judge_auth(const struct condition *condition,
                               const struct evidence *evidence)
{
    if (!evidence->message)
        return VERDICT_OPEN;
    if (!evidence->auth)
        return verdict_of(str_equal(condition->text, STR("none")));
    const struct str *result =
        (const void *)((const char *)evidence->auth + condition->auth_check);
    return verdict_of(str_equal(condition->text, *result));
}

static enum verdict judge_all_of(const struct condition *group,
                                 const struct evidence *evidence)
{
    enum verdict least = VERDICT_YES;
    for (size_t i = 0; i < group->part_count && least != VERDICT_NO; i++) {
        enum verdict verdict = condition_judge(group->parts[i], evidence);
        least = verdict < least ? verdict : least;
    }
    return least;
}

static enum verdict judge_one_of(const struct condition *group,
                                 const struct evidence *evidence)
{
    enum verdict greatest = VERDICT_NO;
    for (size_t i = 0; i < group->part_count && greatest != VERDICT_YES; i++) {
        enum verdict verdict = condition_judge(group->parts[i], evidence);
        greatest = verdict > greatest ? verdict : greatest;
    }
    return greatest;
}

static enum verdict judge_not(const struct condition *condition,
                              const struct evidence *evidence)
{
    enum verdict verdict = condition_judge(condition->parts[0], evidence);
    if (verdict == VERDICT_YES)
        return VERDICT_NO;
    return verdict == VERDICT_NO ? VERDICT_YES : verdict;
}

enum verdict condition_judge(const struct condition *condition,
                             const struct evidence *evidence)
{
    switch (condition->kind) {
    case ALL_OF:
        return judge_all_of(condition, evidence);
    case ONE_OF:
        return judge_one_of(condition, evidence);
    case NOT:
        return judge_not(condition, evidence);
    case HEADER_EQUALS:
    case HEADER_MATCHES:
        return judge_header(condition, evidence);
    case SIZE_OVER:
    case SIZE_UNDER:
        return judge_size(condition, evidence);
    case SENDER_NULL:
    case SENDER_EQUALS:
    case SENDER_DOMAIN:
    case SENDER_MATCHES:
        return judge_sender(condition, evidence);
    case CLIENT_WITHIN:
        return judge_client(condition, evidence);
    case AUTH_IS:
        break;
    }
    return judge_auth(condition, evidence);
}

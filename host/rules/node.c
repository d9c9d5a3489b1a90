/* Access to the tree: keys asked for and not asked for, and the reading of scalars. */
#include "rules/node.h"

#include <stdint.h>
#include <stdio.h>

/* A longer key is no misspelling of a known one. */
#define KEY_BYTES_COMPARED ((size_t)40)

struct node *node_get(struct node *map, const char *key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    struct str name = str_of(key);
    for (size_t i = 0; i < map->count; i++) {
        if (str_equal(map->keys[i]->text, name)) {
            map->items[i]->is_used = true;
            return map->items[i];
        }
    }
    return NULL;
}

void node_problem(const struct node *node, struct problem_list *problems,
                  const char *format, ...)
{
    va_list args;
    va_start(args, format);
    problem_add_list(problems, node->file, node->line, node->column, format, args);
    va_end(args);
}

/* --- unknown keys --- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance of two short texts, ASCII letters without case; one row of the table at a time. */
static size_t edit_distance(struct str a, struct str b)
{
    size_t row[KEY_BYTES_COMPARED + 1];
    for (size_t j = 0; j <= b.length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.length; j++) {
            size_t above = row[j];
            size_t changed = ascii_lower(a.at[i - 1]) != ascii_lower(b.at[j - 1]);
            row[j] = least(diagonal + changed, least(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[b.length];
}

/* The known key that differs in no more than a third of its letters, or NULL. */
static const char *nearest(struct str key, const struct node_key known[])
{
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    if (key.length > KEY_BYTES_COMPARED)
        return NULL;
    for (; known->name; known++) {
        struct str candidate = str_of(known->name);
        if (candidate.length > KEY_BYTES_COMPARED)
            continue;
        size_t distance = edit_distance(key, candidate);
        if (distance < best_distance && distance <= 1 + candidate.length / 4) {
            best = known->name;
            best_distance = distance;
        }
    }
    return best;
}

static void report_unknown(const struct node *key, const struct node_key known[],
                           struct problem_list *problems)
{
    const char *near = nearest(key->text, known);
    if (near) {
        node_problem(key, problems, "unknown key '%.*s': did you mean '%s'?",
                     STR_ARG(key->text), near);
        return;
    }
    char list[300] = "";
    for (size_t at = 0; known->name && at < sizeof list; known++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", at ? ", " : "",
                               known->name);
    node_problem(key, problems, "unknown key '%.*s': known here are %s",
                 (int)least(key->text.length, KEY_BYTES_COMPARED), key->text.at, list);
}

void node_report_unused(const struct node *map, const struct node_key known[],
                        struct problem_list *problems)
{
    if (!map || map->kind != NODE_MAP)
        return;
    for (size_t i = 0; i < map->count; i++)
        if (!map->items[i]->is_used)
            report_unknown(map->keys[i], known, problems);
}

/* --- scalars --- */

const char *node_words(const struct node *node, char words[NODE_WORDS_BYTES])
{
    enum { SHOWN = NODE_WORDS_BYTES - 8 };
    switch (node->kind) {
    case NODE_NULL:
        return "nothing";
    case NODE_LIST:
        return "a list";
    case NODE_MAP:
        return "a map";
    case NODE_TEXT:
        break;
    }
    bool is_cut = node->text.length > SHOWN;
    size_t length = least(node->text.length, SHOWN);
    while (is_cut && length && ((unsigned char)node->text.at[length] & 0xc0) == 0x80)
        length--;
    snprintf(words, NODE_WORDS_BYTES, "\"%.*s%s\"", (int)length, node->text.at,
             is_cut ? "\u2026" : "");
    return words;
}

static bool expected(const struct node *node, struct problem_list *problems,
                     const char *what)
{
    char words[NODE_WORDS_BYTES];
    node_problem(node, problems, "expected %s, found %s", what, node_words(node, words));
    return false;
}

bool node_to_text(const struct node *node, struct problem_list *problems, struct str *text)
{
    if (node->kind != NODE_TEXT)
        return expected(node, problems, "a text");
    *text = node->text;
    return true;
}

bool node_to_bool(const struct node *node, struct problem_list *problems, bool *value)
{
    if (node->kind == NODE_TEXT && !node->is_quoted) {
        *value = str_equal(node->text, STR("true"));
        if (*value || str_equal(node->text, STR("false")))
            return true;
    }
    return expected(node, problems, "true or false (without quotes; not yes, no, on, off)");
}

static bool in_range(const struct node *node, unsigned long long value,
                     const unsigned long long range[2], struct problem_list *problems,
                     const char *unit)
{
    if (value >= range[0] && value <= range[1])
        return true;
    node_problem(node, problems, "%.*s is out of range: from %llu to %llu%s",
                 STR_ARG(node->text), range[0], range[1], unit);
    return false;
}

bool node_to_number(const struct node *node, unsigned long long least_value,
                    unsigned long long most, struct problem_list *problems,
                    unsigned long long *value)
{
    if (node->kind != NODE_TEXT || !str_to_number(node->text, value))
        return expected(node, problems, "a whole number");
    return in_range(node, *value, (unsigned long long[]){least_value, most}, problems, "");
}

bool node_to_percent(const struct node *node, unsigned long long least_percent,
                     unsigned long long most, struct problem_list *problems,
                     unsigned long long *percent)
{
    struct str number = node->text;
    bool has_sign = node->kind == NODE_TEXT && str_ends_nocase(number, STR("%"));
    if (has_sign)
        number.length--;
    if (!has_sign || !str_to_number(number, percent))
        return expected(node, problems, "a percentage, such as 10%");
    return in_range(node, *percent, (unsigned long long[]){least_percent, most}, problems,
                    " %");
}

struct unit {
    const char *name;
    unsigned long long factor;
};

static const struct unit byte_units[] = {
    {"", 1},
    {"B", 1},
    {"KB", 1000},
    {"MB", 1000 * 1000},
    {"GB", 1000 * 1000 * 1000},
    {"KiB", 1 << 10},
    {"MiB", 1 << 20},
    {"GiB", 1 << 30},
    {NULL, 0},
};

static const struct unit time_units[] = {
    {"ms", 1},
    {"s", 1000},
    {"m", 60 * 1000},
    {"h", 60 * 60 * 1000},
    {"d", 24 * 3600 * 1000},
    {NULL, 0},
};

/* digits [SP] unit; the letters of the unit without case. */
static bool parse_quantity(struct str text, const struct unit *unit,
                           unsigned long long *value)
{
    size_t digits = 0;
    while (digits < text.length && ascii_digit(text.at[digits]))
        digits++;
    struct str name = str_trim(str_from(text, digits));
    if (!str_to_number(str_part(text, 0, digits), value))
        return false;
    for (; unit->name; unit++)
        if (str_equal_nocase(name, str_of(unit->name)))
            return !__builtin_mul_overflow(*value, unit->factor, value);
    return false;
}

bool bytes_parse(struct str text, unsigned long long *bytes)
{
    return parse_quantity(text, byte_units, bytes);
}

bool node_to_bytes(const struct node *node, unsigned long long least_bytes,
                   unsigned long long most, struct problem_list *problems,
                   unsigned long long *bytes)
{
    if (node->kind != NODE_TEXT || !bytes_parse(node->text, bytes))
        return expected(node, problems, "a size such as 64KiB, 25MiB or 1000000");
    return in_range(node, *bytes, (unsigned long long[]){least_bytes, most}, problems,
                    " bytes");
}

bool node_to_duration_ms(const struct node *node, unsigned long long least_ms,
                         unsigned long long most_ms, struct problem_list *problems,
                         unsigned long long *ms)
{
    bool is_zero = node->kind == NODE_TEXT && str_equal(node->text, STR("0"));
    if (is_zero)
        *ms = 0;
    else if (node->kind != NODE_TEXT || !parse_quantity(node->text, time_units, ms))
        return expected(node, problems, "a duration such as 100ms, 30s, 5m or 1h");
    return in_range(node, *ms, (unsigned long long[]){least_ms, most_ms}, problems, " ms");
}

size_t node_item_count(const struct node *node)
{
    if (!node || node->kind == NODE_NULL)
        return 0;
    return node->kind == NODE_LIST ? node->count : 1;
}

struct node *node_item(struct node *node, size_t n)
{
    return node->kind == NODE_LIST ? node->items[n] : node;
}

#include "options.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define SECTION_KEYS_MAX 64

static bool read_number(const struct option_row *row, const struct node *node,
                        struct problem_list *problems, unsigned long long *number)
{
    switch (row->type) {
    case OPTION_BYTES32:
    case OPTION_BYTES64:
        return node_to_bytes(node, row->least, row->most, problems, number);
    case OPTION_DURATION32:
    case OPTION_DURATION64:
        return node_to_duration_ms(node, row->least, row->most, problems, number);
    case OPTION_PERCENT:
        return node_to_percent(node, row->least, row->most, problems, number);
    default:
        return node_to_number(node, row->least, row->most, problems, number);
    }
}

static void read_row(const struct option_row *row, const struct node *node, void *target,
                     struct arena *arena, struct problem_list *problems)
{
    char *field = (char *)target + row->offset;
    if (row->type == OPTION_TEXT) {
        if (node->kind != NODE_TEXT || memchr(node->text.at, '\0', node->text.length))
            node_problem(node, problems, "%s: expected a text", row->key);
        else
            *(const char **)(void *)field = arena_text(arena, node->text);
        return;
    }
    if (row->type == OPTION_BOOL) {
        node_to_bool(node, problems, (bool *)field);
        return;
    }
    unsigned long long number;
    if (!read_number(row, node, problems, &number))
        return;
    if (row->type == OPTION_BYTES64 || row->type == OPTION_DURATION64)
        *(uint64_t *)(void *)field = number;
    else
        *(uint32_t *)(void *)field = (uint32_t)number;
}

int options_choice(const struct node *node, const struct option_choice choices[],
                   int preset, struct problem_list *problems)
{
    if (!node)
        return preset;
    char words[128] = "";
    for (size_t i = 0, length = 0; choices[i].word; i++) {
        if (node->kind == NODE_TEXT && str_equal(node->text, str_of(choices[i].word)))
            return choices[i].value;
        length += (size_t)snprintf(words + length, sizeof words - length, "%s%s",
                                   i ? ", " : "", choices[i].word);
    }
    node_problem(node, problems, "expected one of: %s", words);
    return preset;
}

void options_preset(const struct option_table *table, void *target)
{
    struct problem_list problems;
    problem_list_open(&problems);
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        if (!row->preset)
            continue;
        if (row->type == OPTION_TEXT) {
            *(const char **)(void *)((char *)target + row->offset) = row->preset;
            continue;
        }
        struct node node = {.kind = NODE_TEXT, .text = str_of(row->preset)};
        read_row(row, &node, target, problems.arena, &problems);
    }
    invariant(problems.count == 0, "options: a preset is not valid");
    problem_list_close(&problems);
}

void options_read(const struct option_table *table, struct node *section,
                  const struct node_key other_keys[], void *target, struct arena *arena,
                  struct problem_list *problems)
{
    if (!section)
        return;
    if (section->kind != NODE_MAP) {
        if (section->kind != NODE_NULL)
            node_problem(section, problems, "expected `key: value` lines");
        return;
    }
    struct node_key known[SECTION_KEYS_MAX + 1];
    size_t known_count = 0;
    for (size_t i = 0; i < table->count; i++) {
        invariant(known_count < SECTION_KEYS_MAX, "options: too many rows in a section");
        known[known_count++] = (struct node_key){.name = table->rows[i].key};
        struct node *node = node_get(section, table->rows[i].key);
        if (node)
            read_row(&table->rows[i], node, target, arena, problems);
    }
    for (; other_keys && other_keys->name && known_count < SECTION_KEYS_MAX; other_keys++) {
        known[known_count++] = *other_keys;
        node_get(section, other_keys->name);
    }
    known[known_count] = (struct node_key){0};
    node_report_unused(section, known, problems);
}

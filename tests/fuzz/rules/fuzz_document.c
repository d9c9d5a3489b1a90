/* Any bytes as a YAML file: a tree or a problem. The tree is walked, every scalar read in all ways. */
#include <stdint.h>

#include "rules/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void read_scalar(const struct node *node, struct problem_list *problems)
{
    bool is_true;
    unsigned long long number;
    node_to_bool(node, problems, &is_true);
    node_to_number(node, 1, 100, problems, &number);
    node_to_bytes(node, 1, 1 << 20, problems, &number);
    node_to_duration_ms(node, 1, 1 << 20, problems, &number);
}

static void walk(const struct node *node, struct problem_list *problems)
{
    static const struct node_key known[] = {{.name = "forward"}, {.name = "worker"}, {0}};
    read_scalar(node, problems);
    for (size_t i = 0; i < node->count; i++)
        walk(node->items[i], problems);
    node_report_unused(node, known, problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena *arena = arena_new();
    struct problem_list problems;
    problem_list_open(&problems);
    struct str text = {(const char *)bytes, length};
    const struct node *root = document_parse(text, STR("fuzz.yaml"), arena, &problems);
    if (root)
        walk(root, &problems);
    else if (problems.count == 0)
        __builtin_trap();
    problem_list_close(&problems);
    arena_free(arena);
    return 0;
}

/* The tree of a YAML or JSON file: every node knows its file, line and column, and whether somebody asked
 * for it. Scalars stay text; whoever wants a number or a boolean says so. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "rules/problem.h"

enum node_kind { NODE_NULL, NODE_TEXT, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    bool is_quoted; /* NODE_TEXT: written in quotes or as a block */
    bool is_used;   /* set by node_get, so that unknown keys can be told */
    unsigned line, column;
    struct str file;
    struct str text;     /* NODE_TEXT */
    struct node **items; /* NODE_LIST: items; NODE_MAP: values */
    struct node **keys;  /* NODE_MAP: keys, all NODE_TEXT */
    size_t count;
};

/* The value of a key, marked as used; NULL if the map has none (or the node is no map, or NULL). */
struct node *node_get(struct node *map, const char *key);
/* A key that a map may have, and what it is for: one table gives the hints on unknown keys and the reference
 * (`postern options`). */
struct node_key {
    const char *name; /* NULL: the end of the table */
    const char *form; /* what stands there: "text", "list", "map", or the words there are */
    const char *preset; /* as written; NULL: none */
    const char *help;
};
/* Reports every key not asked for, with the nearest of the known ones as a hint. */
void node_report_unused(const struct node *map, const struct node_key known[],
                        struct problem_list *problems);
void node_problem(const struct node *node, struct problem_list *problems,
                  const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What stands there, in words for a problem: "a list", "nothing", "\"Text\"" (cut when long). */
#define NODE_WORDS_BYTES 64
const char *node_words(const struct node *node, char words[NODE_WORDS_BYTES]);

/* A list's items, or the one thing that stands for a list of one; nothing counts 0. */
size_t node_item_count(const struct node *node);
struct node *node_item(struct node *node, size_t n);

/* Scalars; false with a problem reported (what was expected, what stands there). */
bool node_to_text(const struct node *node, struct problem_list *problems, struct str *text);
bool node_to_bool(const struct node *node, struct problem_list *problems, bool *value);
bool node_to_number(const struct node *node, unsigned long long least,
                    unsigned long long most, struct problem_list *problems,
                    unsigned long long *value);
/* "10%" -> 10 */
bool node_to_percent(const struct node *node, unsigned long long least,
                     unsigned long long most, struct problem_list *problems,
                     unsigned long long *percent);
/* "25MiB", "64 KiB", "1000000" -> bytes; "30s", "5m", "100ms", "1h" -> milliseconds. */
bool node_to_bytes(const struct node *node, unsigned long long least,
                   unsigned long long most, struct problem_list *problems,
                   unsigned long long *bytes);
bool node_to_duration_ms(const struct node *node, unsigned long long least_ms,
                         unsigned long long most_ms, struct problem_list *problems,
                         unsigned long long *ms);
/* As node_to_bytes, for a size that is part of a text; false when it is none. */
bool bytes_parse(struct str text, unsigned long long *bytes);

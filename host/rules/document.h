/* A YAML (and so JSON) file as a tree whose every node knows its line and column; and the list of
 * problems that loading finds. Bounded: file 16 MiB, depth 32, nodes 2,000,000; aliases and merge keys are
 * refused (a "billion laughs" has no use in a rule file); duplicate keys are problems. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"

struct problem {
    struct str file;
    unsigned line, column; /* from 1; 0: the file as a whole */
    struct str text;       /* what is wrong and what to do: one line */
    struct problem *next;
};

struct problem_list {
    struct arena *arena;
    struct problem *first, *last;
    size_t count;
};

void problem_list_open(struct problem_list *problems);
void problem_list_close(struct problem_list *problems);

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

/* The tree in the arena, or NULL with a problem reported. */
struct node *document_load(const char *path, struct arena *arena,
                           struct problem_list *problems);
struct node *document_parse(struct str text, struct str file, struct arena *arena,
                            struct problem_list *problems);

/* The value of a key, marked as used; NULL if the map has none (or the node is no map). */
struct node *node_get(struct node *map, const char *key);
/* Reports every key not asked for, with the nearest of the `known` (NULL-terminated) as a hint. */
void node_report_unused(const struct node *map, const char *const known[],
                        struct problem_list *problems);
void node_problem(const struct node *node, struct problem_list *problems,
                  const char *format, ...) __attribute__((format(printf, 3, 4)));
void problem_add(struct problem_list *problems, struct str file, unsigned line,
                 unsigned column, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Scalars; false with a problem reported (what was expected, what stands there). */
bool node_to_bool(const struct node *node, struct problem_list *problems, bool *value);
bool node_to_number(const struct node *node, unsigned long long least,
                    unsigned long long most, struct problem_list *problems,
                    unsigned long long *value);
/* "25MiB", "64 KiB", "1000000" -> bytes; "30s", "5m", "100ms", "1h" -> milliseconds. */
bool node_to_bytes(const struct node *node, unsigned long long least,
                   unsigned long long most, struct problem_list *problems,
                   unsigned long long *bytes);
bool node_to_duration_ms(const struct node *node, unsigned long long least_ms,
                         unsigned long long most_ms, struct problem_list *problems,
                         unsigned long long *ms);

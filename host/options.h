/* One table of options feeds the parser of host.yaml, `postern check` and the reference (STYLE.md). */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "rules/document.h"

enum option_type {
    OPTION_TEXT,       /* const char * */
    OPTION_BOOL,       /* bool */
    OPTION_COUNT,      /* uint32_t */
    OPTION_PERCENT,    /* uint32_t, "10%" */
    OPTION_BYTES32,    /* uint32_t, "64KiB" */
    OPTION_BYTES64,    /* uint64_t, "25MiB" */
    OPTION_DURATION32, /* uint32_t, in ms, "30s" */
    OPTION_DURATION64, /* uint64_t, in ms */
};

struct option_row {
    const char *key; /* within its section */
    enum option_type type;
    size_t offset;      /* into the struct that the table describes */
    const char *preset; /* as written in host.yaml; NULL: none */
    unsigned long long least, most;
    const char *help;
};

struct option_table {
    const struct option_row *rows;
    size_t count;
};
/* Of an array of rows. */
#define OPTION_TABLE(array)                                                                \
    {                                                                                      \
        (array), sizeof(array) / sizeof *(array)                                           \
    }

/* A map of host.yaml for the reference: options with values, and keys that have functions of their own to read
 * them; either may be NULL. */
struct option_section {
    const char
        *path; /* "auth.rspamd", "listen[]", "workers.NAME"; "" for the file itself */
    const char *help; /* may be "" */
    const struct option_table *options;
    const struct node_key *keys;
};

/* A word that stands for a value. */
struct option_choice {
    const char *word; /* NULL: the end */
    int value;
};
/* The value of the word that the node holds; the preset where there is no node, or with a problem told where
 * it holds none of the words. */
int options_choice(const struct node *node, const struct option_choice choices[],
                   int preset, struct problem_list *problems);

/* Sets every row's preset. */
void options_preset(const struct option_table *table, void *target);
/* Sets the rows that the section gives (NULL: none), and reports what is wrong with them and every key
 * that is neither a row nor in `other_keys` (may be NULL), which others read. */
void options_read(const struct option_table *table, struct node *section,
                  const struct node_key other_keys[], void *target, struct arena *arena,
                  struct problem_list *problems);

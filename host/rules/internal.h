/* What the files of rules/ share: the inside of a rule set, and what is passed around while one is loaded. */
#pragma once

#include "base/table.h"
#include "rules/condition.h"
#include "rules/pattern.h"
#include "rules/rule_set.h"

/* A rule as one of its addresses or patterns leads to it. */
struct entry {
    const struct rule *rule;
    const struct condition *when;  /* NULL: always */
    const struct pattern *pattern; /* NULL for an address */
    struct entry *next;
};

/* Entries in the order in which they are tried. Of an address or a catch-all only the last is without
 * conditions: what came after it would never be reached, and is a problem. */
struct chain {
    struct entry *first, *last;
};

struct domain {
    struct domain_rules rules; /* the part all can see */
    struct str file;
    struct chain patterns;
    struct chain catch_all;
    const struct rule
        *postmaster; /* for postmaster@ without a rule of its own; may be NULL */
    struct domain *next;
};

struct rule_set {
    size_t references;
    struct arena *arena;
    struct pattern_set *patterns;
    struct table *addresses; /* rules/address_key.h -> struct chain, of all domains */
    struct table *domains;   /* normal form -> struct domain */
    struct domain *first_domain, *last_domain;
    size_t rule_count;
};

/* --- loading --- */

enum target_kind { TARGET_ADDRESS, TARGET_PATTERN, TARGET_ALL };

struct target {
    enum target_kind kind;
    struct str text;         /* the key of the address, or the pattern as written */
    struct pattern *pattern; /* TARGET_PATTERN */
    const struct node *node; /* where it stands */
};

/* A rule as it was read, before it is put in its place. */
struct draft {
    struct rule *rule;
    struct condition *when;
    struct target *targets;
    size_t target_count;
    bool is_enabled;
    unsigned long long priority; /* lower ones first; equal ones in the order of the file */
    size_t position;             /* in the file */
};

struct loader {
    struct rule_set *set;
    const struct rule_vocabulary *vocabulary;
    struct problem_list *problems;
    struct arena *scratch;         /* until the end of the file: its nodes and drafts */
    struct domain *domain;         /* of the file */
    struct table *pattern_entries; /* pattern as written -> its last entry in this domain */
};

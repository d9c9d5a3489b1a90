/* A PCRE2 pattern of a rule, as written between slashes: /^order-(?<id>\d+)@/i. What is matched comes from
 * outside, so that every search is bounded: a pattern that backtracks too long is told apart from one that
 * does not match. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define PATTERN_BYTES_MAX         ((size_t)1000)
#define PATTERN_GROUPS_MAX        32
/* A longer subject is searched up to here. */
#define PATTERN_SUBJECT_BYTES_MAX ((size_t)8000)

struct pattern;

/* The patterns of a rule set with the working memory of their searches, which do not overlap. */
struct pattern_set;
struct pattern_set *pattern_set_new(void);
/* Frees its patterns too; NULL is ignored. */
void pattern_set_free(struct pattern_set *set);

/* True of a text that starts with a slash: it is meant as a pattern. */
bool pattern_is_meant(struct str text);

/* Compiles /…/flags (the one flag is i); `is_caseless`: without regard to case even without it. The
 * pattern belongs to the set. NULL with -EINVAL and the reason in `err`. */
struct pattern *pattern_compile(struct pattern_set *set, struct str text, bool is_caseless,
                                struct err *err);

enum pattern_found { PATTERN_MISS, PATTERN_HIT, PATTERN_TOO_COSTLY };

/* Searches anywhere in the subject, unless the pattern has anchors. Bytes that are not UTF-8 match nothing. */
enum pattern_found pattern_search(const struct pattern *pattern, struct str subject);

/* The groups of the set's last search, a hit of this pattern in `subject`: numbered ones as "1", "2" …,
 * named ones by their name too; groups that took no part are left out. Copied into the arena. Returns how
 * many. */
struct rule_capture {
    struct str name;
    struct str value;
};
size_t pattern_groups(const struct pattern *pattern, struct str subject,
                      struct arena *arena, struct rule_capture **groups);

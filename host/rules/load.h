/* Reads the file of one domain into a rule set. */
#pragma once

#include "rules/internal.h"

void load_domain_file(struct rule_set *set, const struct rule_vocabulary *vocabulary,
                      struct node *root, struct arena *scratch,
                      struct problem_list *problems);

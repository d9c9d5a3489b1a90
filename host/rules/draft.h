/* Reads one rule, in either form, into a draft. What is wrong is reported; the draft is then only fit for
 * finding further problems. */
#pragma once

#include "rules/internal.h"

/* An item of `rules:`, in Postern's own form or the API's. */
void draft_read_rule(struct loader *loader, struct node *map, struct draft *draft);
/* `catch_all:`: a rule without `to`. */
void draft_read_catch_all(struct loader *loader, struct node *map, struct draft *draft);
/* `name` and `enabled`, which both forms have. */
void draft_read_common(struct loader *loader, struct node *map, struct draft *draft);

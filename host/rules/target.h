/* Whom a rule is for: an address of the file's domain, a local part with its '@', or a pattern. */
#pragma once

#include "rules/internal.h"

/* `to:` in Postern's own form, an item or a list of them, into the draft. */
void target_read(struct loader *loader, const struct node *to, struct draft *draft);
/* A full address. */
void target_read_address(struct loader *loader, const struct node *node,
                         struct draft *draft);
/* All recipients of the domain. */
void target_add_all(struct loader *loader, const struct node *node, struct draft *draft);

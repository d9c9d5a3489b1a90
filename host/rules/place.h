/* Puts the rules of a file where the search will find them, and tells those that never would be found. */
#pragma once

#include "rules/internal.h"

/* All drafts of a file, in the order of their priorities. Rules that are not enabled are left out. */
void place_drafts(struct loader *loader, struct draft *drafts, size_t count);
/* Sees to it that postmaster@ of the loader's domain is accepted (RFC 5321 section 4.5.1), once all its rules
 * are placed; `own` is the value of the file's `postmaster:`, or NULL. */
void place_postmaster(struct loader *loader, const struct node *own);

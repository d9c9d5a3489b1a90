/* A rule in the form of Cloudflare's API, as its clients show and store it:
 *
 *   {"name": "Support", "enabled": true, "priority": 0,
 *    "matchers": [{"type": "literal", "field": "to", "value": "support@example.com"}],
 *    "actions": [{"type": "forward", "value": ["anna@corp.test"]}]}
 *
 * A matcher is `literal` or `all`; an action forward, worker or drop. */
#pragma once

#include "rules/internal.h"

/* True of a map that has matchers or actions. */
bool api_form_is_meant(struct node *map);
void api_form_read(struct loader *loader, struct node *map, struct draft *draft);

/* The first address a literal matcher of these rules names, or NULL: it tells the domain of a file that
 * does not say it. */
const struct node *api_form_first_address(struct node *rules);

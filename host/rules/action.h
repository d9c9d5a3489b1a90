/* What a rule does: forward, worker, drop, reject. Values are checked here, whichever form the rule is
 * written in; what is wrong is reported. */
#pragma once

#include "rules/internal.h"

#define RULE_DESTINATIONS_MAX ((size_t)100)
#define RULE_WORKER_BYTES_MAX ((size_t)64)

/* The one action key of a map in Postern's own form. */
void action_read(struct loader *loader, struct node *map, struct rule *rule);

/* An address or a list of them. */
void action_forward(struct loader *loader, struct node *value, struct rule *rule);
/* One address that mail may be forwarded to, in the arena of the set. False with a problem reported. */
bool action_destination(struct loader *loader, const struct node *node,
                        struct mailbox *destination);
/* The name of a worker. */
void action_worker(struct loader *loader, struct node *value, struct rule *rule);

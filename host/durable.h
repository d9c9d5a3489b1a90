/* What a host keeps beyond its life, for router.h's use: store, queue, secrets, and a look at the disk they are on. */
#pragma once

#include "route.h"

/* Longer bodies of the queue are files beside its database. */
#define DURABLE_BODY_INLINE_BYTES ((uint64_t)256 * 1024)

/* Opens them in the configuration's state folder, which is there; queue and store work from then on. In a task;
 * blocks. Returns 0 or a negative errno value with the reason. */
int durable_open(struct router *router, struct err *err);
/* After router->config has changed. */
void durable_reconfigure(struct router *router);
/* Lets what the queue is delivering finish until `deadline_ms`. Also for what durable_open left half open. */
void durable_close(struct router *router, uint64_t deadline_ms);

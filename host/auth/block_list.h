/* What DNS says about a client's address: block and allow lists (RFC 5782), and its forward-confirmed
 * reverse name. Nothing here can hold mail up: what does not answer in time is no hit. */
#pragma once

#include "auth/options.h"
#include "auth/verdict.h"
#include "base/arena.h"
#include "net/dns.h"

/* Asks all of it in parallel and returns at the deadline (a point in time, as of task_now_ms) with what is
 * there. A hit of an allow list takes `rejects` from all others. Everything in the arena, hits in the order
 * of the options. */
void auth_client_check(struct dns *dns, const struct auth_options *options,
                       const struct net_address *client, uint64_t deadline_ms,
                       struct arena *arena, struct auth_client *result);

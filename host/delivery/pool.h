/* Connections to destinations: how many at once, and those kept open between messages. */
#pragma once

#include "delivery/client.h"

struct pool;

struct pool *pool_new(void);
/* Closes kept connections. No turn may be out. */
void pool_free(struct pool *pool);

/* The right to use one connection to a destination: a kept one, or (client NULL) to open one. */
struct pool_turn {
    struct pool *pool;
    struct pool_destination *destination;
    struct client *client;
};

/* Waits while `connections_max` turns are out for this key; first come, first served. Returns 0,
 * -ETIMEDOUT or -ECANCELED. */
int pool_take(struct pool *pool, struct str key, uint32_t connections_max,
              struct pool_turn *turn);
/* Puts a connection just opened into the turn. */
void pool_turn_set(struct pool_turn *turn, struct client *client);
/* Closes the turn's connection; the turn goes on without. */
void pool_turn_drop(struct pool_turn *turn);
/* Ends the turn; its connection, if usable, is kept for `idle_ms`, or closed when that is 0. */
void pool_give_back(struct pool_turn *turn, uint32_t idle_ms);

void pool_each(const struct pool *pool,
               void (*see)(struct str peer, bool is_idle, size_t messages, void *arg),
               void *arg);

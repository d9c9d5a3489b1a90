/* Adding a message with its legs: on its own, or in the transaction that ends a leg whose sender is to be told. */
#pragma once

#include "body.h"
#include "lane.h"
#include "store.h"

struct store_addition {
    struct store *store;
    const struct store_message *message;
    const struct store_leg *legs;
    size_t leg_count;
    struct store_content content;
};

/* Runs `run(arg)` in the writing lane once a long content of the addition is on stable storage; what was written of it
 * is removed when that fails. Without an addition (NULL) just `run(arg)`. */
int store_addition_run(struct store *store, struct store_addition *addition,
                       store_operation_fn *run, void *arg);
/* What `run` calls to insert the rows; its `arg` is the addition. */
int store_addition_insert(struct store_database *database, void *arg);

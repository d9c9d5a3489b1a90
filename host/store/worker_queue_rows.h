/* Shared by worker_queue.c, worker_queue_settle.c and worker_queue_admin.c: a message's row, and what is in each queue, summed
 * up beside the messages by whoever changes them. All are parts of a transaction. */
#pragma once

#include "query.h"
#include "worker_queue.h"

/* So much more (or, `is_less`, less) of messages, bytes and dead is in the queue. */
int store_worker_queue_count(struct store_database *database,
                             const struct store_worker_queue *change, bool is_less);
/* What is there; zeros for a queue that is not. */
int store_worker_queue_sum(struct store_database *database, struct str queue,
                           struct store_worker_queue *sum);
/* After a salvage: nobody holds anything, and the sums are those of what was taken over. */
int store_worker_queue_mend(struct store_database *database);

/* A query that selects this, and ", body" when the body is wanted. */
#define STORE_WORKER_MESSAGE_SELECT                                                        \
    "SELECT number, id, sent_ms, due_ms, expires_ms, attempts, origin, owner IS NOT NULL," \
    " bytes"
/* All but the body. */
void store_worker_message_take(struct store_query *query, struct arena *arena,
                               struct store_worker_message *message);

/* Shared by consumers.c (which batches are ready, and whose they are) and consumers_batch.c (one of them, from its claim to its
 * end). */
#pragma once

#include "batch.h"
#include "consumers.h"

#include "base/table.h"
#include "base/task.h"

/* Of one queue, over snapshots. */
struct consumption {
    unsigned failures;        /* one after the other */
    uint64_t paused_until_ms; /* Unix time */
};

struct consumers {
    struct router *router;
    char *owner;
    struct table *queues; /* name -> struct consumption */
    struct task *dispatcher, *keeper;
    bool is_stopping, is_woken, is_troubled;
    struct task_signal woken, ended, batch_ended;
    size_t batch_count;
    uint64_t expired_at_ms; /* of the loop: when it was looked for last; 0: never */
};

/* A spell of failures of the store is told once. Returns the result. */
int consumers_note(struct consumers *consumers, int result);

/* Messages that have just been claimed; the arena that they are in is the batch's from now on. */
struct consumers_claimed {
    struct config *config; /* the snapshot that the consumer is of */
    const struct config_consumer *consumer;
    struct store_worker_message *messages;
    size_t count;
    struct arena *arena;
};
/* Hands them to their worker, in a task of its own, and settles what comes of it. */
void consumers_start_batch(struct consumers *consumers,
                           const struct consumers_claimed *claimed);

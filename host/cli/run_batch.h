/* A batch of a queue in a trial, and what scripts send to queues there. */
#pragma once

#include "cli/run_trial.h"

struct batch_asked {
    struct str queue;
    const json_t *messages; /* [{ body, attempts?, id?, timestamp? }] */
};

/* Runs the worker's `queue` handler, as trial_run_event, whose report has besides
 *     messages: [{ id, result: "ack" or "retry", delaySeconds? }]
 * NULL, with the reason, when the messages are none. */
json_t *trial_run_batch(struct trial *trial, const struct batch_asked *asked,
                        struct worker_outcome *outcome, struct err *err);

/* A binding_sent_fn with an array, which then has { binding, queue, body, delaySeconds }. */
void trial_sent(void *queued, const struct binding *binding,
                const struct store_worker_send *sent);

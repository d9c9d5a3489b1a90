/* A batch of a queue's messages as its worker's handler has it, and what the handler says of each. What it says is here
 * as soon as it is said, so that it stands whatever becomes of the isolate afterwards.
 *
 * Of several words about one message the first counts, and one about a message counts more than one about the batch. When
 * the handler has returned, a message about which nothing was said is acked; when it has failed, retried. */
#pragma once

#include "store/worker_queue.h"
#include "worker/worker.h"

#define BATCH_DELAY_MS_MAX ((uint64_t)24 * 3600 * 1000)

struct batch_verdict {
    enum { BATCH_UNSAID, BATCH_ACK, BATCH_RETRY } word;
    bool is_said;   /* by the handler */
    bool has_delay; /* BATCH_RETRY: said how long … */
    uint64_t delay_ms;
};

struct batch;

/* Of messages that stay as long as it does; the arena is its own from now on. One reference. */
struct batch *batch_new(struct str queue, const struct store_worker_message *messages,
                        size_t count, struct arena *arena);
struct batch *batch_keep(struct batch *batch);
void batch_release(void *arg);

const struct store_worker_message *batch_message(const struct batch *batch, size_t index);
/* What happens to the worker (worker/wire.h, EVENT). */
struct worker_event batch_event(const struct batch *batch);
/* A call of the handler's, with a batch: { message = 1, delaySeconds = 5 }, without a message about all. */
void batch_call(void *arg, const struct worker_call *call, struct arena *arena,
                struct worker_answer *answer);
/* After the handler's end, nothing is heard any more. */
void batch_close(struct batch *batch, bool has_returned);
/* Of a batch that is closed. BATCH_UNSAID never. */
struct batch_verdict batch_verdict(const struct batch *batch, size_t index);

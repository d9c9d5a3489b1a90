/* The host's part in the queues between workers: batches that are ready go to the workers that consume them.
 *
 *     sent (binding_queue.c) --ready, claimed--> a batch in a task of its own: event_run() --settled--> gone, back or dead
 *
 * All hosts of the service do the same on the same store; a lease says whose a batch is, and when it ends, because the host
 * is gone, the batch is anybody's (store/worker_queue.h). */
#pragma once

#include "route.h"

struct consumers;

/* `router` is borrowed. Works from then on, with the router's configuration of each moment. */
struct consumers *consumers_open(struct router *router);
/* Something was sent, or the configuration is another one. NULL is ignored. */
void consumers_wake(struct consumers *consumers);
/* Begins no more batches. */
void consumers_stop(struct consumers *consumers);
/* Then waits, in a task, for those that are running, until the deadline. */
void consumers_finish(struct consumers *consumers, uint64_t deadline_ms);
/* When no worker runs any more: what has not ended by itself goes back. Waits in a task. NULL is ignored. */
void consumers_close(struct consumers *consumers);

/* One batch: its worker's handler runs, and what becomes of the messages is written at once. */
#include <stdlib.h>

#include "consumers_internal.h"
#include "event_run.h"

#include "base/mem.h"

#define SETTLE_AGAIN_MS 1000
#define FIRST_PAUSE_MS  1000
#define PAUSE_MS_MAX    60000

struct consumers_batch {
    struct consumers *consumers;
    struct config *config;
    const struct config_consumer *consumer;
    struct consumption *consumption;
    struct batch *batch;
    struct store_worker_message *messages;
    size_t count;
};

/* --- settling --- */

struct tally {
    size_t again, dead;
};

static void settle_message(const struct consumers_batch *run, size_t index, bool is_untried,
                           struct store_worker_settling *settling, struct tally *tally)
{
    const struct config_consumer *consumer = run->consumer;
    const struct store_worker_message *message = &run->messages[index];
    struct batch_verdict verdict = batch_verdict(run->batch, index);
    settling->number = message->number;
    settling->due_ms = unix_now_ms();
    if (verdict.word == BATCH_ACK) {
        settling->fate = STORE_WORKER_DONE;
    } else if (is_untried && !verdict.is_said) {
        settling->fate = STORE_WORKER_UNTRIED;
    } else if (message->attempts > consumer->retries_max) {
        settling->fate = STORE_WORKER_DEAD;
        tally->dead++;
    } else {
        settling->fate = STORE_WORKER_AGAIN;
        settling->due_ms += verdict.has_delay ? verdict.delay_ms : consumer->retry_delay_ms;
        tally->again++;
    }
}

static void tell(const struct consumers_batch *run, const struct tally *tally)
{
    const struct config_consumer *consumer = run->consumer;
    struct str queue = consumer->queue->name, worker = consumer->worker->options.name;
    if (tally->again)
        EVENT(NULL, STATUS_WORKER_QUEUE_RETRIED, FIELD("queue", queue),
              FIELD("worker", worker), FIELD_NUMBER("messages", tally->again));
    if (tally->dead && consumer->dead_letter_queue)
        EVENT(NULL, STATUS_WORKER_QUEUE_DEAD, FIELD("queue", queue),
              FIELD("worker", worker), FIELD("to", consumer->dead_letter_queue->name),
              FIELD_NUMBER("messages", tally->dead));
    else if (tally->dead)
        EVENT(NULL, STATUS_WORKER_QUEUE_DROPPED, FIELD("queue", queue),
              FIELD("worker", worker), FIELD_NUMBER("messages", tally->dead));
}

/* What cannot be written stays ours, so that nobody does it again, until it can be, or the host ends. */
static void settle(const struct consumers_batch *run, bool is_untried, struct arena *arena)
{
    struct consumers *consumers = run->consumers;
    const struct config_queue *dead_letter_queue = run->consumer->dead_letter_queue;
    uint64_t now_ms = unix_now_ms();
    struct tally tally = {0};
    struct store_worker_settle what = {
        .owner = str_of(consumers->owner),
        .settlings = arena_array(arena, struct store_worker_settling, run->count),
        .count = run->count,
        .now_ms = now_ms};
    if (dead_letter_queue) {
        what.dead_letter_queue = dead_letter_queue->name;
        what.dead_expires_ms = now_ms + dead_letter_queue->retention_ms;
    }
    for (size_t i = 0; i < run->count; i++)
        settle_message(run, i, is_untried, &what.settlings[i], &tally);
    task_stage("settling a batch of the queue %.*s", STR_ARG(run->consumer->queue->name));
    int result;
    while ((result = consumers_note(consumers, store_worker_queue_settle(
                                                   consumers->router->store, &what))) < 0 &&
           !consumers->is_stopping)
        task_sleep(SETTLE_AGAIN_MS);
    if (result == 0)
        tell(run, &tally);
}

/* --- a batch --- */

static void note_failure(struct consumption *consumption)
{
    uint64_t pause_ms = PAUSE_MS_MAX;
    if (consumption->failures < 6)
        pause_ms = (uint64_t)FIRST_PAUSE_MS << consumption->failures;
    consumption->failures++;
    consumption->paused_until_ms =
        unix_now_ms() + (pause_ms < PAUSE_MS_MAX ? pause_ms : PAUSE_MS_MAX);
}

/* Not the messages' fault: the host is stopping, or the script does not load. */
static bool is_untried(int result, const struct worker_outcome *outcome)
{
    return result < 0 || outcome->result == WORKER_BROKEN;
}

static void run_batch(struct consumers_batch *run)
{
    struct arena *arena = arena_new();
    struct worker_outcome outcome = {0};
    const struct event_run event = {.router = run->consumers->router,
                                    .config = run->config,
                                    .worker = run->consumer->worker,
                                    .event = batch_event(run->batch),
                                    .arg = batch_keep(run->batch),
                                    .call = batch_call,
                                    .ended = batch_release,
                                    .about = FIELD("queue", run->consumer->queue->name),
                                    .also = FIELD_NUMBER("messages", run->count)};
    int result = event_run(&event, arena, &outcome);
    batch_close(run->batch, result == 0 && outcome.result == WORKER_OK);
    if (result == 0 && worker_has_failed(&outcome))
        note_failure(run->consumption);
    else
        run->consumption->failures = 0;
    settle(run, is_untried(result, &outcome), arena);
    arena_free(arena);
}

static int batch_main(void *arg)
{
    struct consumers_batch *run = arg;
    struct consumers *consumers = run->consumers;
    run_batch(run);
    batch_release(run->batch);
    config_release(run->config);
    free(run);
    consumers_wake(consumers);
    consumers->batch_count--;
    task_signal_raise_all(&consumers->batch_ended); /* who closes may free it now */
    return 0;
}

void consumers_start_batch(struct consumers *consumers,
                           const struct consumers_claimed *claimed)
{
    struct str queue = claimed->consumer->queue->name;
    struct consumers_batch *run = mem_zero(1, sizeof *run);
    *run = (struct consumers_batch){
        .consumers = consumers,
        .config = config_keep(claimed->config),
        .consumer = claimed->consumer,
        .consumption = table_get(consumers->queues, queue),
        .batch = batch_new(queue, claimed->messages, claimed->count, claimed->arena),
        .messages = claimed->messages,
        .count = claimed->count};
    consumers->batch_count++;
    task_detach(task_start("queue batch", batch_main, run));
}

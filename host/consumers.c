/* One task looks which batches are ready, and claims them; one keeps the lease as long as batches are running; and each
 * batch is a task. A worker that keeps failing gets its next batch later and later. */
#include "consumers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "event_run.h"

#include "base/mem.h"
#include "base/table.h"
#include "base/task.h"

/* What other hosts send is seen after so long at most. */
#define POLL_MS         1000
#define EXPIRE_EVERY_MS 60000
#define SETTLE_AGAIN_MS 1000
#define FIRST_PAUSE_MS  1000
#define PAUSE_MS_MAX    60000
#define BATCHES_MAX     64 /* at once, in this host */
#define BATCH_BYTES_MAX ((uint64_t)1024 * 1024)

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

/* One batch under way. */
struct delivery_to_worker {
    struct consumers *consumers;
    struct config *config;
    const struct config_consumer *consumer;
    struct consumption *consumption;
    struct batch *batch;
    struct store_worker_message *messages;
    size_t count;
};

/* A spell of failures is told once. Returns the result. */
static int note(struct consumers *consumers, int result)
{
    if (result < 0 && !consumers->is_troubled)
        EVENT(NULL, STATUS_QUEUE_TROUBLED, FIELD("what", STR("the workers' queues fail")),
              FIELD("detail", str_of(strerror(-result))));
    consumers->is_troubled = result < 0;
    return result;
}

static struct consumption *consumption_of(struct consumers *consumers, struct str queue)
{
    struct consumption *consumption = table_get(consumers->queues, queue);
    if (!consumption) {
        consumption = mem_zero(1, sizeof *consumption);
        table_set(consumers->queues, queue, consumption);
    }
    return consumption;
}

/* --- settling --- */

struct tally {
    size_t again, dead;
};

static void settle_message(const struct delivery_to_worker *delivery, size_t index,
                           bool is_untried, struct store_worker_settling *settling,
                           struct tally *tally)
{
    const struct config_consumer *consumer = delivery->consumer;
    const struct store_worker_message *message = &delivery->messages[index];
    struct batch_verdict verdict = batch_verdict(delivery->batch, index);
    settling->number = message->number;
    settling->due_ms = unix_now_ms();
    if (verdict.word == BATCH_ACK) {
        settling->fate = STORE_WORKER_DONE;
    } else if (is_untried) {
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

static void tell(const struct delivery_to_worker *delivery, const struct tally *tally)
{
    const struct config_consumer *consumer = delivery->consumer;
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
static void settle(const struct delivery_to_worker *delivery, bool is_untried,
                   struct arena *arena)
{
    struct consumers *consumers = delivery->consumers;
    const struct config_queue *dead_letter_queue = delivery->consumer->dead_letter_queue;
    uint64_t now_ms = unix_now_ms();
    struct tally tally = {0};
    struct store_worker_settle what = {
        .owner = str_of(consumers->owner),
        .settlings = arena_array(arena, struct store_worker_settling, delivery->count),
        .count = delivery->count,
        .now_ms = now_ms};
    if (dead_letter_queue) {
        what.dead_letter_queue = dead_letter_queue->name;
        what.dead_expires_ms = now_ms + dead_letter_queue->retention_ms;
    }
    for (size_t i = 0; i < delivery->count; i++)
        settle_message(delivery, i, is_untried, &what.settlings[i], &tally);
    task_stage("settling a batch of the queue %.*s",
               STR_ARG(delivery->consumer->queue->name));
    int result;
    while ((result = note(consumers, store_worker_queue_settle(consumers->router->store,
                                                               &what))) < 0 &&
           !consumers->is_stopping)
        task_sleep(SETTLE_AGAIN_MS);
    if (result == 0)
        tell(delivery, &tally);
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

static void run_batch(struct delivery_to_worker *delivery)
{
    struct arena *arena = arena_new();
    struct worker_outcome outcome = {0};
    const struct event_run run = {.router = delivery->consumers->router,
                                  .config = delivery->config,
                                  .worker = delivery->consumer->worker,
                                  .event = batch_event(delivery->batch),
                                  .arg = batch_keep(delivery->batch),
                                  .call = batch_call,
                                  .ended = batch_release,
                                  .about = FIELD("queue", delivery->consumer->queue->name),
                                  .also = FIELD_NUMBER("messages", delivery->count)};
    int result = event_run(&run, arena, &outcome);
    batch_close(delivery->batch, result == 0 && outcome.result == WORKER_OK);
    if (result == 0 && worker_has_failed(&outcome))
        note_failure(delivery->consumption);
    else
        delivery->consumption->failures = 0;
    settle(delivery, is_untried(result, &outcome), arena);
    arena_free(arena);
}

static int batch_main(void *arg)
{
    struct delivery_to_worker *delivery = arg;
    struct consumers *consumers = delivery->consumers;
    run_batch(delivery);
    batch_release(delivery->batch);
    config_release(delivery->config);
    free(delivery);
    consumers_wake(consumers);
    consumers->batch_count--;
    task_signal_raise_all(&consumers->batch_ended); /* who closes may free it now */
    return 0;
}

/* --- claiming --- */

/* How many messages it has taken; their arena is the batch's. */
static size_t claim(struct consumers *consumers, struct config *config,
                    const struct config_consumer *consumer)
{
    struct arena *arena = arena_new();
    uint64_t now_ms = unix_now_ms();
    const struct store_worker_claim wanted = {
        .what = {.queue = consumer->queue->name,
                 .messages_max = consumer->messages_max,
                 .wait_ms = consumer->wait_ms},
        .owner = str_of(consumers->owner),
        .now_ms = now_ms,
        .until_ms = now_ms + config->queue.lease_ms,
        .bytes_max = BATCH_BYTES_MAX,
        .batches_max = consumer->batches_max};
    struct store_worker_message *messages;
    size_t count;
    note(consumers, store_worker_queue_claim(consumers->router->store, &wanted, arena,
                                             &messages, &count));
    if (count == 0) {
        arena_free(arena);
        return 0;
    }
    struct delivery_to_worker *delivery = mem_zero(1, sizeof *delivery);
    *delivery = (struct delivery_to_worker){
        .consumers = consumers,
        .config = config_keep(config),
        .consumer = consumer,
        .consumption = consumption_of(consumers, consumer->queue->name),
        .batch = batch_new(consumer->queue->name, messages, count, arena),
        .messages = messages,
        .count = count};
    consumers->batch_count++;
    task_detach(task_start("queue batch", batch_main, delivery));
    return count;
}

static bool may_claim(const struct consumers *consumers)
{
    return !consumers->is_stopping && consumers->batch_count < BATCHES_MAX;
}

/* When it is to be looked at again, at the latest. */
static uint64_t claim_ready(struct consumers *consumers, struct config *config,
                            const struct config_consumer *consumer,
                            const struct store_worker_look *look)
{
    const struct consumption *state = consumption_of(consumers, look->queue);
    uint64_t now_ms = unix_now_ms();
    if (state->paused_until_ms > now_ms)
        return state->paused_until_ms;
    if (look->ready_ms > now_ms)
        return look->ready_ms;
    while (may_claim(consumers) && state->paused_until_ms <= unix_now_ms() &&
           claim(consumers, config, consumer) > 0)
        ;
    return UINT64_MAX; /* the end of a batch wakes us; so does the time, for those of other hosts */
}

/* Those of the snapshot; their number. */
static size_t list_consumers(const struct config *config, struct arena *arena,
                             const struct config_consumer ***consumers,
                             struct store_worker_look **looks)
{
    size_t count = 0, most = table_count(config->queues);
    struct str name;
    void *value;
    *consumers = arena_array(arena, const struct config_consumer *, most);
    *looks = arena_array(arena, struct store_worker_look, most);
    for (size_t at = 0; table_next(config->queues, &at, &name, &value);) {
        const struct config_queue *queue = value;
        if (!queue->consumer)
            continue;
        (*consumers)[count] = queue->consumer;
        (*looks)[count++] =
            (struct store_worker_look){.queue = queue->name,
                                       .messages_max = queue->consumer->messages_max,
                                       .wait_ms = queue->consumer->wait_ms};
    }
    return count;
}

/* When to look again, at the latest. */
static uint64_t look(struct consumers *consumers, struct config *config,
                     struct arena *arena)
{
    const struct config_consumer **list;
    struct store_worker_look *looks;
    bool is_owner_dead = false;
    uint64_t now_ms = unix_now_ms(), next_ms = now_ms + EXPIRE_EVERY_MS;
    size_t count = list_consumers(config, arena, &list, &looks);
    if (count == 0)
        return next_ms;
    next_ms = now_ms + POLL_MS;
    task_stage("looking for messages in the queues between workers");
    if (note(consumers, store_worker_queue_look(consumers->router->store, looks, count,
                                                now_ms, &is_owner_dead)) < 0)
        return next_ms;
    for (size_t i = 0; i < count; i++) {
        if (is_owner_dead) /* a claim may find more than the look has */
            looks[i].ready_ms = now_ms;
        uint64_t again_ms = claim_ready(consumers, config, list[i], &looks[i]);
        next_ms = again_ms < next_ms ? again_ms : next_ms;
    }
    return next_ms;
}

/* --- upkeep --- */

static void drop_expired(struct consumers *consumers)
{
    uint64_t now_ms = task_now_ms();
    if (consumers->expired_at_ms && now_ms - consumers->expired_at_ms < EXPIRE_EVERY_MS)
        return;
    consumers->expired_at_ms = now_ms ? now_ms : 1;
    struct store_worker_queue *expired;
    size_t count;
    do {
        struct arena *arena = arena_new();
        note(consumers, store_worker_queue_expire(consumers->router->store, unix_now_ms(),
                                                  arena, &expired, &count));
        for (size_t i = 0; i < count; i++)
            EVENT(NULL, STATUS_WORKER_QUEUE_EXPIRED, FIELD("queue", expired[i].name),
                  FIELD_NUMBER("messages", expired[i].messages));
        arena_free(arena);
    } while (count && !consumers->is_stopping);
}

static int dispatch(void *arg)
{
    struct consumers *consumers = arg;
    while (!consumers->is_stopping) {
        struct arena *arena = arena_new();
        struct config *config = config_keep(consumers->router->config);
        consumers->is_woken = false;
        drop_expired(consumers);
        uint64_t next_ms = look(consumers, config, arena), now_ms = unix_now_ms();
        config_release(config);
        arena_free(arena);
        task_stage("waiting for messages in the queues between workers");
        if (!consumers->is_woken && next_ms > now_ms)
            task_signal_wait(&consumers->woken, task_in_ms(next_ms - now_ms));
    }
    return 0;
}

static int keep_lease(void *arg)
{
    struct consumers *consumers = arg;
    for (;;) {
        uint64_t lease_ms = consumers->router->config->queue.lease_ms;
        task_stage("waiting to renew the lease on batches");
        if (task_signal_wait(&consumers->ended, task_in_ms(lease_ms / 3)) == 0)
            return 0;
        if (consumers->batch_count)
            note(consumers, store_worker_queue_renew(consumers->router->store,
                                                     str_of(consumers->owner),
                                                     unix_now_ms() + lease_ms));
    }
}

/* --- life --- */

struct consumers *consumers_open(struct router *router)
{
    struct consumers *consumers = mem_zero(1, sizeof *consumers);
    struct arena *arena = arena_new();
    struct str owner = str_of(arena_printf(arena, "%s %.*s", router->config->host_name,
                                           STR_ARG(message_new_id(arena))));
    consumers->router = router;
    consumers->owner = mem_copy_text(owner.at, owner.length);
    consumers->queues = table_new();
    consumers->keeper = task_start("batch lease", keep_lease, consumers);
    consumers->dispatcher = task_start("consumers", dispatch, consumers);
    arena_free(arena);
    return consumers;
}

void consumers_wake(struct consumers *consumers)
{
    if (!consumers)
        return;
    consumers->is_woken = true;
    task_signal_raise(&consumers->woken);
}

void consumers_stop(struct consumers *consumers)
{
    if (!consumers)
        return;
    consumers->is_stopping = true;
    consumers_wake(consumers);
}

void consumers_finish(struct consumers *consumers, uint64_t deadline_ms)
{
    int result = 0;
    while (consumers && consumers->batch_count && result == 0)
        result = task_signal_wait(&consumers->batch_ended, deadline_ms);
}

void consumers_close(struct consumers *consumers)
{
    if (!consumers)
        return;
    consumers_stop(consumers);
    task_join(consumers->dispatcher);
    consumers_finish(consumers, TASK_FOREVER);
    task_signal_raise(&consumers->ended);
    task_join(consumers->keeper);
    note(consumers,
         store_worker_queue_release(consumers->router->store, str_of(consumers->owner)));
    struct str name;
    void *consumption;
    for (size_t at = 0; table_next(consumers->queues, &at, &name, &consumption);)
        free(consumption);
    table_free(consumers->queues);
    free(consumers->owner);
    free(consumers);
}

/* One task looks which batches are ready, and claims them; one keeps the lease as long as batches are running; and each
 * batch is a task. A worker that keeps failing gets its next batch later and later. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "consumers_internal.h"

#include "base/mem.h"

/* What other hosts send is seen after so long at most. */
#define POLL_MS         1000
#define EXPIRE_EVERY_MS 60000
#define BATCHES_MAX     64 /* at once, in this host */
#define BATCH_BYTES_MAX ((uint64_t)1024 * 1024)

int consumers_note(struct consumers *consumers, int result)
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
    consumers_note(consumers, store_worker_queue_claim(consumers->router->store, &wanted,
                                                       arena, &messages, &count));
    if (count == 0) {
        arena_free(arena);
        return 0;
    }
    consumers_start_batch(
        consumers, &(struct consumers_claimed){config, consumer, messages, count, arena});
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
    if (consumers_note(consumers, store_worker_queue_look(consumers->router->store, looks,
                                                          count, now_ms, &is_owner_dead)) <
        0)
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
        consumers_note(consumers,
                       store_worker_queue_expire(consumers->router->store, unix_now_ms(),
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
            consumers_note(consumers, store_worker_queue_renew(consumers->router->store,
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
    consumers_note(consumers, store_worker_queue_release(consumers->router->store,
                                                         str_of(consumers->owner)));
    struct str name;
    void *consumption;
    for (size_t at = 0; table_next(consumers->queues, &at, &name, &consumption);)
        free(consumption);
    table_free(consumers->queues);
    free(consumers->owner);
    free(consumers);
}

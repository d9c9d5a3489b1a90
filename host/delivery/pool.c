/* One destination per key (host, port, TLS mode), for as long as it has a turn, a kept connection or a
 * waiter.
 *
 *     pool_take --> a turn --pool_give_back--> kept --idle too long--> closed
 *         ^            `--------not usable------------------------------^
 *         `---------------------------------------'
 *
 * Invariants: turn_count counts the turns that are out, of which some hold no connection yet; the kept
 * list is in the order of giving back; the sweeper, a task that closes what was idle too long, lives
 * while something is kept. */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"
#include "base/task.h"
#include "delivery/internal.h"

struct pool_destination {
    struct list kept, busy; /* clients; the last kept one was used last */
    size_t turn_count, waiting_count;
    struct task_signal turn_is_free;
    struct str key; /* its bytes follow the struct */
};

struct pool {
    struct table *destinations;
    struct list kept;     /* of all destinations */
    struct task *sweeper; /* NULL while nothing is kept */
};

/* --- destinations --- */

static struct pool_destination *destination_get(struct pool *pool, struct str key)
{
    struct pool_destination *destination = table_get(pool->destinations, key);
    if (destination)
        return destination;
    destination = mem_zero(1, sizeof *destination + key.length);
    memcpy(destination + 1, key.at, key.length);
    destination->key = (struct str){(char *)(destination + 1), key.length};
    list_init(&destination->kept);
    list_init(&destination->busy);
    table_set(pool->destinations, key, destination);
    return destination;
}

static void destination_release(struct pool *pool, struct pool_destination *destination)
{
    if (destination->turn_count > 0 || destination->waiting_count > 0 ||
        !list_empty(&destination->kept))
        return;
    table_remove(pool->destinations, destination->key);
    free(destination);
}

/* --- kept connections --- */

static void unkeep(struct client *client)
{
    list_remove(&client->pool.node);
    list_remove(&client->pool.by_age);
}

static struct client *oldest_kept(const struct pool *pool)
{
    return list_empty(&pool->kept)
               ? NULL
               : list_entry(pool->kept.next, struct client, pool.by_age);
}

static void close_oldest_kept(struct pool *pool)
{
    struct client *client = oldest_kept(pool);
    unkeep(client);
    destination_release(pool, client->pool.destination);
    client_close(client);
}

static int sweep(void *arg)
{
    struct pool *pool = arg;
    const struct client *oldest;
    task_stage("waiting for kept connections to age");
    while ((oldest = oldest_kept(pool)) && !task_cancelled(task_current())) {
        uint64_t now_ms = task_now_ms();
        uint64_t until_ms = oldest->pool.idle_until_ms;
        if (until_ms <= now_ms)
            close_oldest_kept(pool);
        else
            task_sleep(until_ms - now_ms);
    }
    if (task_cancelled(task_current()))
        return 0; /* pool_free() joins */
    task_detach(pool->sweeper);
    pool->sweeper = NULL;
    return 0;
}

static void keep(struct pool *pool, struct client *client, uint32_t idle_ms)
{
    client->pool.idle_until_ms = task_in_ms(idle_ms);
    list_append(&client->pool.destination->kept, &client->pool.node);
    list_append(&pool->kept, &client->pool.by_age);
    if (!pool->sweeper)
        pool->sweeper = task_start("connections", sweep, pool);
}

/* The one used last is the most likely to be alive. */
static struct client *take_kept(struct pool_destination *destination)
{
    while (!list_empty(&destination->kept)) {
        struct client *client =
            list_entry(destination->kept.prev, struct client, pool.node);
        unkeep(client);
        if (client_is_usable(client))
            return client;
        client_close(client);
    }
    return NULL;
}

/* --- turns --- */

int pool_take(struct pool *pool, struct str key, uint32_t connections_max,
              struct pool_turn *turn)
{
    struct pool_destination *destination = destination_get(pool, key);
    bool must_wait =
        destination->waiting_count > 0 || destination->turn_count >= connections_max;
    int result = 0;
    destination->waiting_count++;
    while (must_wait && result == 0) {
        result = task_signal_wait(&destination->turn_is_free, TASK_FOREVER);
        must_wait = destination->turn_count >= connections_max;
    }
    destination->waiting_count--;
    if (result == 0)
        destination->turn_count++;
    if (destination->turn_count < connections_max)
        task_signal_raise(&destination->turn_is_free);
    if (result < 0) {
        destination_release(pool, destination);
        return result;
    }
    *turn = (struct pool_turn){pool, destination, NULL};
    struct client *client = take_kept(destination);
    if (client)
        pool_turn_set(turn, client);
    return 0;
}

void pool_turn_set(struct pool_turn *turn, struct client *client)
{
    turn->client = client;
    client->pool.destination = turn->destination;
    list_append(&turn->destination->busy, &client->pool.node);
}

void pool_turn_drop(struct pool_turn *turn)
{
    if (!turn->client)
        return;
    list_remove(&turn->client->pool.node);
    client_close(turn->client);
    turn->client = NULL;
}

void pool_give_back(struct pool_turn *turn, uint32_t idle_ms)
{
    struct pool_destination *destination = turn->destination;
    if (turn->client && idle_ms > 0 && client_is_usable(turn->client)) {
        list_remove(&turn->client->pool.node);
        keep(turn->pool, turn->client, idle_ms);
    } else {
        pool_turn_drop(turn);
    }
    destination->turn_count--;
    task_signal_raise(&destination->turn_is_free);
    destination_release(turn->pool, destination);
}

/* --- the pool --- */

struct pool *pool_new(void)
{
    struct pool *pool = mem_zero(1, sizeof *pool);
    pool->destinations = table_new();
    list_init(&pool->kept);
    return pool;
}

void pool_free(struct pool *pool)
{
    while (!list_empty(&pool->kept))
        close_oldest_kept(pool);
    invariant(table_count(pool->destinations) == 0, "delivery: closed while under way");
    if (pool->sweeper) {
        task_cancel(pool->sweeper);
        task_join(pool->sweeper);
    }
    table_free(pool->destinations);
    free(pool);
}

static void see_clients(const struct list *clients, bool are_idle,
                        void (*see)(struct str peer, bool is_idle, size_t messages,
                                    void *arg),
                        void *arg)
{
    list_foreach (node, clients) {
        const struct client *client = list_entry(node, struct client, pool.node);
        see(client_peer(client), are_idle, client_message_count(client), arg);
    }
}

void pool_each(const struct pool *pool,
               void (*see)(struct str peer, bool is_idle, size_t messages, void *arg),
               void *arg)
{
    struct str key;
    void *value;
    for (size_t position = 0; table_next(pool->destinations, &position, &key, &value);) {
        const struct pool_destination *destination = value;
        see_clients(&destination->busy, false, see, arg);
        see_clients(&destination->kept, true, see, arg);
    }
}

/* Sending, and the claims that make batches. */
#include "worker_queue.h"

#include <errno.h>

#include "internal.h"
#include "owner.h"
#include "worker_queue_rows.h"

/* --- sending --- */

static int insert(struct store_database *database, struct str queue,
                  const struct store_worker_message *message)
{
    struct store_query query = store_query_begin(
        database, "INSERT INTO message(queue, id, sent_ms, due_ms, expires_ms, attempts,"
                  " origin, bytes, body) VALUES(?, ?, ?, ?, ?, 0, x'', ?, ?)");
    store_query_blob(&query, queue);
    store_query_text(&query, message->id);
    store_query_number(&query, message->sent_ms);
    store_query_number(&query, message->due_ms);
    store_query_number(&query, message->expires_ms);
    store_query_number(&query, message->body.length);
    store_query_blob(&query, message->body);
    return store_query_run(&query);
}

static int send_all(struct store_database *database, void *arg)
{
    const struct store_worker_send *sent = arg;
    struct store_worker_queue there, more = {.name = sent->queue, .messages = sent->count};
    for (size_t i = 0; i < sent->count; i++)
        more.bytes += sent->messages[i].body.length;
    int result = store_worker_queue_sum(database, sent->queue, &there);
    if (result == 0 && (there.messages + more.messages > sent->messages_max ||
                        there.bytes + more.bytes > sent->bytes_max))
        return -EDQUOT;
    for (size_t i = 0; result == 0 && i < sent->count; i++)
        result = insert(database, sent->queue, &sent->messages[i]);
    return result < 0 ? result : store_worker_queue_count(database, &more, false);
}

int store_worker_queue_send(struct store *store, const struct store_worker_send *sent)
{
    return store_lane_run(&store->worker_queue_writer, send_all, (void *)(uintptr_t)sent);
}

/* --- looking --- */

/* The first messages' due times tell: the first is due, and waits so long; or the last of a full batch is due. */
static int look_at(struct store_database *database, struct store_worker_look *look)
{
    struct store_query query = store_query_begin(
        database, "SELECT due_ms FROM message INDEXED BY message_due"
                  " WHERE owner IS NULL AND queue = ? ORDER BY due_ms LIMIT ?");
    store_query_blob(&query, look->queue);
    store_query_number(&query, look->messages_max);
    size_t count = 0;
    int result;
    look->ready_ms = UINT64_MAX;
    while ((result = store_query_next(&query)) > 0) {
        uint64_t due_ms = store_query_take_number(&query);
        if (++count == 1)
            look->ready_ms = due_ms + look->wait_ms;
        if (count == look->messages_max && due_ms < look->ready_ms)
            look->ready_ms = due_ms;
    }
    return result;
}

struct looking {
    struct store_worker_look *looks;
    size_t count;
    uint64_t now_ms, dead_count;
};

static int look_at_all(struct store_database *database, void *arg)
{
    struct looking *looking = arg;
    struct store_query query =
        store_query_begin(database, "SELECT count(*) FROM owner WHERE until_ms <= ?");
    store_query_number(&query, looking->now_ms);
    int result = store_query_get_number(&query, &looking->dead_count, 0);
    for (size_t i = 0; result == 0 && i < looking->count; i++)
        result = look_at(database, &looking->looks[i]);
    return result;
}

int store_worker_queue_look(struct store *store, struct store_worker_look looks[],
                            size_t count, uint64_t now_ms, bool *is_owner_dead)
{
    struct looking looking = {.looks = looks, .count = count, .now_ms = now_ms};
    int result = store_lane_run(&store->worker_queue_reader, look_at_all, &looking);
    *is_owner_dead = looking.dead_count > 0;
    return result;
}

/* --- owners --- */

static int free_held(struct store_database *database, uint64_t owner)
{
    struct store_query query = store_query_begin(
        database, "UPDATE message SET owner = NULL, batch = NULL WHERE owner = ?");
    store_query_number(&query, owner);
    int result = store_query_run(&query);
    if (result < 0)
        return result;
    query = store_query_begin(database, "DELETE FROM owner WHERE number = ?");
    store_query_number(&query, owner);
    return store_query_run(&query);
}

static int reap(struct store_database *database, uint64_t now_ms)
{
    for (;;) {
        struct store_query query = store_query_begin(
            database, "SELECT number FROM owner WHERE until_ms <= ? LIMIT 1");
        store_query_number(&query, now_ms);
        uint64_t owner;
        int result = store_query_get_number(&query, &owner, UINT64_MAX);
        if (result < 0 || owner == UINT64_MAX)
            return result;
        result = free_held(database, owner);
        if (result < 0)
            return result;
    }
}

int store_worker_queue_renew(struct store *store, struct str owner, uint64_t until_ms)
{
    struct store_lease lease = {owner, until_ms};
    return store_lane_run(&store->worker_queue_writer, store_owner_renew, &lease);
}

static int release(struct store_database *database, void *arg)
{
    const struct store_lease *lease = arg;
    uint64_t owner;
    int result = store_owner_find(database, lease->owner, &owner);
    return result < 0 || owner == UINT64_MAX ? result : free_held(database, owner);
}

int store_worker_queue_release(struct store *store, struct str owner)
{
    struct store_lease lease = {.owner = owner};
    return store_lane_run(&store->worker_queue_writer, release, &lease);
}

/* --- claiming --- */

struct claiming {
    const struct store_worker_claim *claim;
    struct arena *arena;
    struct store_worker_message *messages;
    size_t count;
    uint64_t owner;
};

/* Whether there is a batch for this owner. */
static int is_claimable(struct store_database *database, struct claiming *claiming,
                        bool *is_ready)
{
    const struct store_worker_claim *claim = claiming->claim;
    struct store_worker_look look = claim->what;
    uint64_t batches;
    int result = look_at(database, &look);
    if (result < 0)
        return result;
    struct store_query query = store_query_begin(
        database, "SELECT count(DISTINCT batch) FROM message INDEXED BY message_held"
                  " WHERE owner IS NOT NULL AND queue = ?");
    store_query_blob(&query, look.queue);
    result = store_query_get_number(&query, &batches, 0);
    *is_ready = look.ready_ms <= claim->now_ms && batches < claim->batches_max;
    return result;
}

static int select_batch(struct store_database *database, struct claiming *claiming)
{
    const struct store_worker_claim *claim = claiming->claim;
    struct store_query query =
        store_query_begin(database, STORE_WORKER_MESSAGE_SELECT
                          ", body FROM message INDEXED BY message_due"
                          " WHERE owner IS NULL AND queue = ? AND due_ms <= ?"
                          " ORDER BY due_ms LIMIT ?");
    store_query_blob(&query, claim->what.queue);
    store_query_number(&query, claim->now_ms);
    store_query_number(&query, claim->what.messages_max);
    uint64_t bytes = 0;
    int result;
    while ((result = store_query_next(&query)) > 0) {
        struct store_worker_message *message = &claiming->messages[claiming->count];
        store_worker_message_take(&query, claiming->arena, message);
        message->body = store_query_take_str(&query, claiming->arena);
        bytes += message->bytes;
        if (claiming->count && bytes > claim->bytes_max) {
            store_query_end(&query);
            return 0;
        }
        message->attempts++;
        message->is_held = true;
        claiming->count++;
    }
    return result;
}

static int hold(struct store_database *database, const struct claiming *claiming)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < claiming->count; i++) {
        struct store_query query = store_query_begin(
            database, "UPDATE message SET owner = ?, batch = ?, attempts = attempts + 1"
                      " WHERE number = ?");
        store_query_number(&query, claiming->owner);
        store_query_number(&query, claiming->messages[0].number);
        store_query_number(&query, claiming->messages[i].number);
        result = store_query_run(&query);
    }
    return result;
}

static int claim_batch(struct store_database *database, void *arg)
{
    struct claiming *claiming = arg;
    const struct store_worker_claim *claim = claiming->claim;
    struct store_lease lease = {claim->owner, claim->until_ms};
    bool is_ready = false;
    claiming->count = 0;
    int result = reap(database, claim->now_ms);
    if (result == 0)
        result = is_claimable(database, claiming, &is_ready);
    if (result < 0 || !is_ready)
        return result;
    result = store_owner_renew(database, &lease);
    if (result == 0)
        result = store_owner_find(database, claim->owner, &claiming->owner);
    if (result == 0)
        result = select_batch(database, claiming);
    return result < 0 ? result : hold(database, claiming);
}

int store_worker_queue_claim(struct store *store, const struct store_worker_claim *claim,
                             struct arena *arena, struct store_worker_message **messages,
                             size_t *count)
{
    struct claiming claiming = {.claim = claim,
                                .arena = arena,
                                .messages = arena_array(arena, struct store_worker_message,
                                                        claim->what.messages_max)};
    int result = store_lane_run(&store->worker_queue_writer, claim_batch, &claiming);
    *messages = claiming.messages;
    *count = result == 0 ? claiming.count : 0;
    return result;
}

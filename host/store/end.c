/* What becomes of a claimed leg: given back to be tried again, or ended; with its notice, if there is one. */
#include <errno.h>

#include "add.h"
#include "internal.h"

struct ending {
    struct str owner;
    const struct store_leg *leg;   /* given back */
    uint64_t leg_id;               /* ended */
    struct store_addition *notice; /* NULL: none */
    struct arena *arena;
    struct str file; /* of the message that ended with its last leg; empty: none */
};

/* Whose the leg must be: the owner's, or free. What is free, though the owner once had it, has been given back since
 * its lease had ended, and what the owner says of it is still true. */
#define IS_OWNERS                                                                          \
    " AND (owner = (SELECT number FROM owner WHERE name = ?)"                              \
    " OR (ifnull(owner, 0) = 0 AND state = 0))"

static int give_back(struct store_database *database, void *arg)
{
    const struct ending *ending = arg;
    const struct store_leg *leg = ending->leg;
    struct store_query query = store_query_begin(
        database,
        "UPDATE leg SET next_ms = ?, attempts = ?, is_delay_told = ?, last_reply = ?,"
        " last_peer = ?, owner = NULL WHERE id = ?" IS_OWNERS);
    store_query_number(&query, leg->next_ms);
    store_query_number(&query, leg->attempts);
    store_query_number(&query, leg->is_delay_told);
    store_query_text(&query, leg->last_reply);
    store_query_text(&query, leg->last_peer);
    store_query_number(&query, leg->id);
    store_query_text(&query, ending->owner);
    int result = store_query_change(&query);
    if (result == 0)
        result = store_destination_wait_for_leg(database, leg->id);
    if (result == 0 && ending->notice)
        result = store_addition_insert(database, ending->notice);
    return result;
}

/* The message of a leg that the owner may end. */
static int find_ending(struct store_database *database, const struct ending *ending,
                       uint64_t *message)
{
    struct store_query query =
        store_query_begin(database, "SELECT message FROM leg WHERE id = ?" IS_OWNERS);
    store_query_number(&query, ending->leg_id);
    store_query_text(&query, ending->owner);
    int result = store_query_get_number(&query, message, UINT64_MAX);
    if (result < 0)
        return result;
    return *message == UINT64_MAX ? -ESTALE : 0;
}

static int end_leg(struct store_database *database, void *arg)
{
    struct ending *ending = arg;
    uint64_t message;
    ending->file = (struct str){NULL, 0};
    int result = find_ending(database, ending, &message);
    if (result == 0)
        result = store_leg_delete(database, ending->leg_id);
    if (result == 0)
        result = store_message_end(database, message, ending->arena, &ending->file);
    if (result == 0 && ending->notice)
        result = store_addition_insert(database, ending->notice);
    return result;
}

static int run_ending(struct store *store, store_operation_fn *run, struct ending *ending,
                      const struct store_message *notice,
                      const struct store_leg *notice_leg)
{
    struct store_addition addition = {store, notice, notice_leg, 1, {0}};
    if (notice)
        ending->notice = &addition;
    int result = store_addition_run(store, ending->notice, run, ending);
    if (result == 0 && ending->file.length)
        store_remove_file(store, ending->file);
    return result;
}

int store_queue_retry(struct store *store, struct str owner, const struct store_leg *leg,
                      const struct store_message *notice,
                      const struct store_leg *notice_leg)
{
    struct ending ending = {.owner = owner, .leg = leg};
    return run_ending(store, give_back, &ending, notice, notice_leg);
}

int store_queue_end(struct store *store, struct str owner, uint64_t leg_id,
                    const struct store_message *notice, const struct store_leg *notice_leg)
{
    struct ending ending = {.owner = owner, .leg_id = leg_id, .arena = arena_new()};
    int result = run_ending(store, end_leg, &ending, notice, notice_leg);
    arena_free(ending.arena);
    return result;
}

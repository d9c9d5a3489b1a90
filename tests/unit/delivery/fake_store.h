/* A queue's store in memory, for tests of the queue that need to see and to break it: it promises what
 * store/store.h does, but for the order of claims. Every call waits a moment, so that others run in between, and can be told to fail. */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/task.h"
#include "mail/message.h"
#include "store/store.h"

#define FAKE_LEGS_MAX   1000
#define FAKE_OWNERS_MAX 8

enum fake_call {
    FAKE_RENEW,
    FAKE_CLAIM,
    FAKE_READ,
    FAKE_RETRY,
    FAKE_END,
    FAKE_ADD,
    FAKE_CALLS
};

struct store {
    struct arena *arena;
    struct fake_leg {
        struct store_leg leg;
        const struct store_message *message;
        bool is_gone;
    } legs[FAKE_LEGS_MAX];
    size_t leg_count;
    struct fake_owner {
        struct str name;
        uint64_t until_ms;
    } owners[FAKE_OWNERS_MAX];
    size_t owner_count;
    int fails_with[FAKE_CALLS]; /* 0: does not */
    size_t calls[FAKE_CALLS];
    size_t releases;
};

static inline void fake_store_open(struct store *store)
{
    memset(store, 0, sizeof *store);
    store->arena = arena_new();
}

static inline void fake_store_close(struct store *store)
{
    arena_free(store->arena);
}

static int fake_begin(struct store *store, enum fake_call call)
{
    store->calls[call]++;
    task_sleep(1);
    return store->fails_with[call];
}

/* --- owners --- */

static struct fake_owner *fake_owner(struct store *store, struct str name)
{
    for (size_t i = 0; i < store->owner_count; i++)
        if (str_equal(store->owners[i].name, name))
            return &store->owners[i];
    struct fake_owner *owner = &store->owners[store->owner_count++];
    *owner = (struct fake_owner){arena_str(store->arena, name), 0};
    return owner;
}

static bool fake_is_held(struct store *store, const struct store_leg *leg, uint64_t now_ms)
{
    return leg->owner.length > 0 && fake_owner(store, leg->owner)->until_ms > now_ms;
}

int store_lease_renew(struct store *store, struct str owner, uint64_t now_ms,
                      uint64_t until_ms)
{
    (void)now_ms;
    int result = fake_begin(store, FAKE_RENEW);
    if (result == 0)
        fake_owner(store, owner)->until_ms = until_ms;
    return result;
}

int store_lease_release(struct store *store, struct str owner)
{
    store->releases++;
    for (size_t i = 0; i < store->leg_count; i++)
        if (str_equal(store->legs[i].leg.owner, owner))
            store->legs[i].leg.owner = STR("");
    return 0;
}

/* --- messages and legs --- */

static struct str fake_join(struct arena *arena, const struct store_message *message)
{
    size_t length = 0;
    for (size_t i = 0; i < message->part_count; i++)
        length += message->parts[i].length;
    char *joined = arena_alloc(arena, length + 1), *end = joined;
    for (size_t i = 0; i < message->part_count; i++) {
        if (message->parts[i].length)
            memcpy(end, message->parts[i].at, message->parts[i].length);
        end += message->parts[i].length;
    }
    return (struct str){joined, length};
}

static const struct store_message *fake_copy_message(struct store *store,
                                                     const struct store_message *message)
{
    struct store_message *copy = arena_new_of(store->arena, struct store_message);
    struct str *part = arena_new_of(store->arena, struct str);
    *copy = *message;
    copy->id = arena_str(store->arena, message->id);
    copy->reverse_path = arena_str(store->arena, message->reverse_path);
    copy->return_path = arena_str(store->arena, message->return_path);
    copy->envid = arena_str(store->arena, message->envid);
    *part = fake_join(store->arena, message);
    copy->parts = part;
    copy->part_count = 1;
    return copy;
}

static void fake_put(struct store *store, const struct store_message *message,
                     const struct store_leg *leg)
{
    assert_true(store->leg_count < FAKE_LEGS_MAX);
    struct fake_leg *put = &store->legs[store->leg_count++];
    put->message = message;
    put->is_gone = false;
    put->leg = *leg;
    put->leg.id = store->leg_count;
    put->leg.message_id = message->id;
    put->leg.recipient = arena_str(store->arena, leg->recipient);
    put->leg.destination = arena_str(store->arena, leg->destination);
    put->leg.original = arena_str(store->arena, leg->original);
    put->leg.orcpt = arena_str(store->arena, leg->orcpt);
    put->leg.created_ms = message->created_ms;
    put->leg.reverse_path = message->reverse_path;
    if (put->leg.bytes == 0)
        put->leg.bytes = message->parts[0].length;
}

static inline int fake_add(struct store *store, const struct store_message *message,
                           const struct store_leg legs[], size_t leg_count)
{
    const struct store_message *copy = fake_copy_message(store, message);
    for (size_t i = 0; i < leg_count; i++)
        fake_put(store, copy, &legs[i]);
    return 0;
}

int store_queue_add(struct store *store, const struct store_message *message,
                    const struct store_leg legs[], size_t leg_count)
{
    int result = fake_begin(store, FAKE_ADD);
    return result < 0 ? result : fake_add(store, message, legs, leg_count);
}

static inline struct store_leg *fake_leg(struct store *store, uint64_t id)
{
    return &store->legs[id - 1].leg;
}

static inline size_t fake_left(const struct store *store)
{
    size_t count = 0;
    for (size_t i = 0; i < store->leg_count; i++)
        count += !store->legs[i].is_gone;
    return count;
}

int store_queue_read(struct store *store, struct str message_id, struct arena *arena,
                     struct store_message *message)
{
    (void)arena;
    int result = fake_begin(store, FAKE_READ);
    if (result < 0)
        return result;
    for (size_t i = 0; i < store->leg_count; i++) {
        struct fake_leg *at = &store->legs[i];
        if (at->is_gone || !str_equal(at->message->id, message_id))
            continue;
        if (at->leg.state == STORE_SET_ASIDE)
            return -EBADMSG;
        *message = *at->message;
        return 0;
    }
    return -ENOENT;
}

/* --- claims --- */

static bool fake_is_due(struct store *store, const struct fake_leg *at, uint64_t now_ms)
{
    return !at->is_gone && at->leg.state != STORE_HELD && at->leg.next_ms <= now_ms &&
           !fake_is_held(store, &at->leg, now_ms);
}

static bool fake_is_closed(const struct store_claim *claim, struct str destination)
{
    for (size_t i = 0; i < claim->not_to_count; i++)
        if (str_equal(claim->not_to[i], destination))
            return true;
    return false;
}

static size_t fake_held_there(struct store *store, const struct store_claim *claim,
                              struct str destination)
{
    size_t count = 0;
    for (size_t i = 0; i < store->leg_count; i++)
        count += !store->legs[i].is_gone &&
                 str_equal(store->legs[i].leg.owner, claim->owner) &&
                 str_equal(store->legs[i].leg.destination, destination);
    return count;
}

/* In no particular order. */
static struct fake_leg *fake_pick(struct store *store, const struct store_claim *claim)
{
    for (size_t i = 0; i < store->leg_count; i++) {
        struct fake_leg *at = &store->legs[i];
        if (fake_is_due(store, at, claim->now_ms) &&
            !fake_is_closed(claim, at->leg.destination) &&
            fake_held_there(store, claim, at->leg.destination) < claim->per_destination_max)
            return at;
    }
    return NULL;
}

int store_queue_claim(struct store *store, const struct store_claim *claim,
                      struct arena *arena, struct store_leg **legs, size_t *count)
{
    *count = 0;
    int result = fake_begin(store, FAKE_CLAIM);
    if (result < 0)
        return result;
    assert_true(fake_owner(store, claim->owner)->until_ms > claim->now_ms);
    *legs = arena_array(arena, struct store_leg, claim->legs_max);
    struct fake_leg *picked;
    while (*count < claim->legs_max && (picked = fake_pick(store, claim))) {
        picked->leg.owner = fake_owner(store, claim->owner)->name;
        (*legs)[(*count)++] = picked->leg;
    }
    return 0;
}

int store_queue_next(struct store *store, uint64_t now_ms, uint64_t *next_ms)
{
    *next_ms = UINT64_MAX;
    for (size_t i = 0; i < store->leg_count; i++) {
        const struct fake_leg *at = &store->legs[i];
        if (!at->is_gone && at->leg.state == STORE_WAITING &&
            !fake_is_held(store, &at->leg, now_ms) && at->leg.next_ms < *next_ms)
            *next_ms = at->leg.next_ms;
    }
    return 0;
}

/* --- outcomes --- */

static int fake_finish(struct store *store, enum fake_call call, struct str owner,
                       uint64_t leg_id, const struct store_message *notice,
                       const struct store_leg *notice_leg)
{
    int result = fake_begin(store, call);
    if (result < 0)
        return result;
    if (!str_equal(fake_leg(store, leg_id)->owner, owner) ||
        store->legs[leg_id - 1].is_gone)
        return -ESTALE;
    if (notice)
        fake_add(store, notice, notice_leg, 1);
    return 0;
}

int store_queue_retry(struct store *store, struct str owner, const struct store_leg *leg,
                      const struct store_message *notice,
                      const struct store_leg *notice_leg)
{
    int result = fake_finish(store, FAKE_RETRY, owner, leg->id, notice, notice_leg);
    if (result < 0)
        return result;
    struct store_leg *kept = fake_leg(store, leg->id);
    kept->next_ms = leg->next_ms;
    kept->attempts = leg->attempts;
    kept->is_delay_told = leg->is_delay_told;
    kept->last_reply = arena_str(store->arena, leg->last_reply);
    kept->last_peer = arena_str(store->arena, leg->last_peer);
    kept->owner = STR("");
    return 0;
}

int store_queue_end(struct store *store, struct str owner, uint64_t leg_id,
                    const struct store_message *notice, const struct store_leg *notice_leg)
{
    int result = fake_finish(store, FAKE_END, owner, leg_id, notice, notice_leg);
    if (result == 0)
        store->legs[leg_id - 1].is_gone = true;
    return result;
}

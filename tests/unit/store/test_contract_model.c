/* Random operations, on the store and on a model of it that is too simple to be wrong: both must say the same. */
#include <time.h>

#include "store/fixture.h"

#define LEGS_MAX     400
#define OPERATIONS   800
#define DESTINATIONS 6
#define OWNERS       3
#define NOBODY       (-1)

struct model_leg {
    bool is_used;
    char message[16];
    int destination;
    uint64_t created_ms, next_ms;
    enum store_leg_state state;
    int owner;
    struct store_leg claimed; /* as its owner has it */
};

static struct {
    struct model_leg legs[LEGS_MAX];
    uint64_t lease_ms[OWNERS]; /* 0: none */
    uint64_t now_ms;
    unsigned seed, next_message;
} model;

static const char *const recipients[DESTINATIONS] = {"ben@d0.test", "ben@d1.test",
                                                     "ben@d2.test", "ben@d3.test",
                                                     "ben@d4.test", "ben@d5.test"};
static const char *const owners[OWNERS] = {"one", "two", "three"};

static unsigned pick(unsigned below)
{
    return (unsigned)rand_r(&model.seed) % below;
}

/* --- the model --- */

static bool is_alive(int owner)
{
    return owner != NOBODY && model.lease_ms[owner] > model.now_ms;
}

/* Owners whose lease is over are forgotten. */
static void reap(void)
{
    for (size_t i = 0; i < LEGS_MAX; i++)
        if (model.legs[i].is_used && !is_alive(model.legs[i].owner))
            model.legs[i].owner = NOBODY;
    for (int owner = 0; owner < OWNERS; owner++)
        if (!is_alive(owner))
            model.lease_ms[owner] = 0;
}

static bool is_due(const struct model_leg *leg)
{
    return leg->is_used && leg->state == STORE_WAITING && leg->owner == NOBODY &&
           leg->next_ms <= model.now_ms;
}

static size_t count_held(int owner, int destination)
{
    size_t count = 0;
    for (size_t i = 0; i < LEGS_MAX; i++)
        count += model.legs[i].is_used && model.legs[i].owner == owner &&
                 model.legs[i].destination == destination;
    return count;
}

static size_t expected_claim(int owner, size_t per_destination, size_t legs_max)
{
    size_t total = 0;
    for (int d = 0; d < DESTINATIONS; d++) {
        size_t due = 0, held = count_held(owner, d);
        for (size_t i = 0; i < LEGS_MAX; i++)
            due += is_due(&model.legs[i]) && model.legs[i].destination == d;
        size_t room = held < per_destination ? per_destination - held : 0;
        total += due < room ? due : room;
    }
    return total < legs_max ? total : legs_max;
}

static struct model_leg *find(struct str message, int destination)
{
    for (size_t i = 0; i < LEGS_MAX; i++)
        if (model.legs[i].is_used && model.legs[i].destination == destination &&
            str_equal(message, str_of(model.legs[i].message)))
            return &model.legs[i];
    return NULL;
}

static int destination_of(const struct store_leg *leg)
{
    return leg->destination.at[1] - '0';
}

/* --- the operations --- */

/* To one destination, or to two: a destination is no more than once in a message. */
static void try_add(void)
{
    size_t at[2], count = 0, wanted = 1 + pick(2);
    for (size_t i = 0; i < LEGS_MAX && count < wanted; i++)
        if (!model.legs[i].is_used)
            at[count++] = i;
    if (count < wanted)
        return;
    char id[16];
    snprintf(id, sizeof id, "m%u", model.next_message++);
    struct str content = str_of(id);
    struct store_message message = {.id = str_of(id),
                                    .created_ms = model.now_ms - pick(1000),
                                    .parts = &content,
                                    .part_count = 1};
    struct store_leg legs[2];
    int first = (int)pick(DESTINATIONS);
    for (size_t i = 0; i < count; i++) {
        int destination = (first + (int)i) % DESTINATIONS;
        legs[i] = leg_to(recipients[destination]);
        legs[i].next_ms = model.now_ms + pick(3) * 500;
        struct model_leg *leg = &model.legs[at[i]];
        *leg = (struct model_leg){.is_used = true,
                                  .destination = destination,
                                  .created_ms = message.created_ms,
                                  .next_ms = legs[i].next_ms,
                                  .owner = NOBODY};
        strcpy(leg->message, id);
    }
    assert_int_equal(store_queue_add(fixture.store, &message, legs, count), 0);
}

static void try_lease(void)
{
    int owner = (int)pick(OWNERS);
    if (pick(4) == 0) {
        assert_int_equal(store_lease_release(fixture.store, str_of(owners[owner])), 0);
        model.lease_ms[owner] = 0;
        for (size_t i = 0; i < LEGS_MAX; i++)
            if (model.legs[i].owner == owner)
                model.legs[i].owner = NOBODY;
        return;
    }
    model.lease_ms[owner] = model.now_ms + 2000;
    assert_int_equal(store_lease_renew(fixture.store, str_of(owners[owner]), model.now_ms,
                                       model.lease_ms[owner]),
                     0);
}

static void take(const struct store_leg *leg, int owner, uint64_t youngest_ms[DESTINATIONS])
{
    int destination = destination_of(leg);
    struct model_leg *found = find(leg->message_id, destination);
    assert_non_null(found);
    assert_true(is_due(found));
    assert_true(leg->created_ms == found->created_ms);
    assert_true(leg->created_ms <= youngest_ms[destination]);
    youngest_ms[destination] = leg->created_ms;
    found->owner = owner;
    found->claimed = *leg;
}

static void try_claim(void)
{
    int owner = (int)pick(OWNERS);
    struct store_claim claim = {.owner = str_of(owners[owner]),
                                .now_ms = model.now_ms,
                                .legs_max = 1 + pick(20),
                                .per_destination_max = 1 + pick(5)};
    struct store_leg *legs;
    size_t count;
    int result = store_queue_claim(fixture.store, &claim, fixture.arena, &legs, &count);
    if (!is_alive(owner)) {
        assert_int_equal(result, -ESTALE);
        return;
    }
    assert_int_equal(result, 0);
    reap();
    assert_int_equal(count,
                     expected_claim(owner, claim.per_destination_max, claim.legs_max));
    uint64_t youngest_ms[DESTINATIONS];
    for (int d = 0; d < DESTINATIONS; d++)
        youngest_ms[d] = UINT64_MAX;
    for (size_t i = 0; i < count; i++)
        take(&legs[i], owner, youngest_ms);
}

static struct model_leg *pick_claimed(void)
{
    size_t from = pick(LEGS_MAX);
    for (size_t i = 0; i < LEGS_MAX; i++) {
        struct model_leg *leg = &model.legs[(from + i) % LEGS_MAX];
        if (leg->is_used && leg->owner != NOBODY)
            return leg;
    }
    return NULL;
}

static void try_end(void)
{
    struct model_leg *leg = pick_claimed();
    if (!leg)
        return;
    int other = (leg->owner + 1) % OWNERS;
    assert_int_equal(
        store_queue_end(fixture.store, str_of(owners[other]), leg->claimed.id, NULL, NULL),
        -ESTALE);
    assert_int_equal(store_queue_end(fixture.store, str_of(owners[leg->owner]),
                                     leg->claimed.id, NULL, NULL),
                     0);
    leg->is_used = false;
    leg->owner = NOBODY;
}

static void try_retry(void)
{
    struct model_leg *leg = pick_claimed();
    if (!leg)
        return;
    leg->claimed.next_ms = model.now_ms + pick(5) * 300;
    leg->claimed.attempts++;
    assert_int_equal(store_queue_retry(fixture.store, str_of(owners[leg->owner]),
                                       &leg->claimed, NULL, NULL),
                     0);
    leg->next_ms = leg->claimed.next_ms;
    leg->owner = NOBODY;
}

/* Administrators' commands go by the clock of the day, on which all leases of the model are over. */
static void try_command(void)
{
    static int (*const commands[])(struct store *, const struct store_filter *,
                                   uint64_t *) = {store_queue_hold, store_queue_drop};
    int destination = (int)pick(DESTINATIONS);
    unsigned command = pick(8) ? pick(3) : 1;
    struct store_filter filter = {.destination = str_of(recipients[destination] + 4),
                                  .state = command == 1 ? STORE_HELD : -1};
    uint64_t count, expected = 0;
    if (command == 2)
        assert_int_equal(store_queue_release(fixture.store, &filter, model.now_ms, &count),
                         0);
    else
        assert_int_equal(commands[command](fixture.store, &filter, &count), 0);
    if (command != 2) /* their leases are over: their owners are forgotten */
        memset(model.lease_ms, 0, sizeof model.lease_ms);
    reap();
    for (size_t i = 0; i < LEGS_MAX; i++) {
        struct model_leg *leg = &model.legs[i];
        if (!leg->is_used || leg->destination != destination || leg->owner != NOBODY ||
            leg->state != (command == 0 ? STORE_WAITING : STORE_HELD))
            continue;
        expected++;
        leg->is_used = command != 1;
        leg->state = command == 0 ? STORE_HELD : STORE_WAITING;
        if (command == 2)
            leg->next_ms = model.now_ms;
    }
    assert_int_equal(count, expected);
}

static void compare_all(void)
{
    struct store_filter all = {.state = -1, .limit = 2 * LEGS_MAX};
    struct store_leg *legs;
    size_t count, expected = 0;
    assert_int_equal(store_queue_list(fixture.store, &all, fixture.arena, &legs, &count),
                     0);
    for (size_t i = 0; i < count; i++) {
        const struct model_leg *leg = find(legs[i].message_id, destination_of(&legs[i]));
        assert_non_null(leg);
        assert_true(leg->next_ms == legs[i].next_ms);
        assert_int_equal(leg->state, legs[i].state);
    }
    uint64_t next_ms, least_ms = UINT64_MAX;
    for (size_t i = 0; i < LEGS_MAX; i++) {
        const struct model_leg *leg = &model.legs[i];
        expected += leg->is_used;
        if (leg->is_used && leg->state == STORE_WAITING && !is_alive(leg->owner) &&
            leg->next_ms < least_ms)
            least_ms = leg->next_ms;
    }
    assert_int_equal(count, expected);
    assert_int_equal(store_queue_next(fixture.store, model.now_ms, &next_ms), 0);
    assert_true(next_ms <= least_ms);
    arena_reset(fixture.arena);
}

/* What the model's legs have of claims is in the arena. */
static void keep_claims_no_longer(void)
{
    for (size_t i = 0; i < LEGS_MAX; i++) {
        struct store_leg *leg = &model.legs[i].claimed;
        leg->last_reply = leg->last_peer = STR("x");
    }
}

STORE_TEST(the_store_does_what_its_model_does)
{
    static void (*const operations[])(void) = {try_add,   try_add, try_lease,  try_claim,
                                               try_claim, try_end, try_retry,  try_retry,
                                               try_add,   try_end, try_command};
    memset(&model, 0, sizeof model);
    model.now_ms = NOW_MS;
    model.seed = (unsigned)time(NULL);
    print_message("seed %u\n", model.seed);
    for (size_t i = 0; i < LEGS_MAX; i++)
        model.legs[i].owner = NOBODY;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        unsigned count = sizeof operations / sizeof *operations;
        operations[pick(i % 40 == 39 ? count : count - 1)]();
        model.now_ms += pick(100);
        keep_claims_no_longer();
        if (i % 100 == 99)
            compare_all();
        if (i % 300 == 299)
            reopen();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {store_test(the_store_does_what_its_model_does)};
    return RUN_CONTRACT("against a model", tests);
}

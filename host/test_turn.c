#include "test_turn.h"

#include "base/task.h"

#define POLL_MS       20
/* For hosts of a lower number to begin: their loops have seen the change too. */
#define HEAD_START_MS 300

static bool is_running(const struct shared_host *other, uint64_t key)
{
    return atomic_load(&other->tests.state) == TEST_TURN_RUNNING &&
           atomic_load(&other->tests.key) == key && atomic_load(&other->pid) != 0;
}

static const struct shared_host *find_running(const struct shared_place *place,
                                              uint64_t key, unsigned *by)
{
    for (*by = 0; *by < place->host; (*by)++)
        if (is_running(&place->shared->hosts[*by], key))
            return &place->shared->hosts[*by];
    return NULL;
}

/* It may die meanwhile, or be on to other tests. */
static enum test_turn_state wait_for(const struct shared_host *other, uint64_t key,
                                     uint64_t deadline_ms)
{
    int64_t pid = atomic_load(&other->pid);
    while (is_running(other, key) && atomic_load(&other->pid) == pid)
        if (task_now_ms() >= deadline_ms || task_sleep(POLL_MS) < 0)
            return TEST_TURN_NONE;
    uint64_t state = atomic_load(&other->tests.state);
    bool is_verdict = state == TEST_TURN_PASSED || state == TEST_TURN_FAILED ||
                      state == TEST_TURN_OUTDATED;
    if (!is_verdict || atomic_load(&other->tests.key) != key ||
        atomic_load(&other->pid) != pid)
        return TEST_TURN_NONE;
    return (enum test_turn_state)state;
}

enum test_turn_state test_turn_take(const struct shared_place *place, uint64_t key,
                                    uint64_t deadline_ms, unsigned *by)
{
    struct shared_tests *own = &place->shared->hosts[place->host].tests;
    uint64_t patience_ms = task_in_ms(place->host ? HEAD_START_MS : 0);
    const struct shared_host *other;
    while (!(other = find_running(place, key, by)) && task_now_ms() < patience_ms)
        if (task_sleep(POLL_MS) < 0)
            break;
    enum test_turn_state verdict =
        other ? wait_for(other, key, deadline_ms) : TEST_TURN_NONE;
    if (verdict == TEST_TURN_NONE) {
        atomic_store(&own->key, key);
        atomic_store(&own->state, TEST_TURN_RUNNING);
    }
    return verdict;
}

void test_turn_end(const struct shared_place *place, enum test_turn_state verdict)
{
    atomic_store(&place->shared->hosts[place->host].tests.state, verdict);
}

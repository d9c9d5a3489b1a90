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
static enum test_verdict wait_for(const struct shared_host *other, uint64_t key,
                                  uint64_t deadline_ms)
{
    int64_t pid = atomic_load(&other->pid);
    while (is_running(other, key) && atomic_load(&other->pid) == pid)
        if (task_now_ms() >= deadline_ms || task_sleep(POLL_MS) < 0)
            return TEST_VERDICT_OURS;
    uint64_t state = atomic_load(&other->tests.state);
    if (atomic_load(&other->tests.key) != key || atomic_load(&other->pid) != pid)
        return TEST_VERDICT_OURS;
    return state == TEST_TURN_PASSED   ? TEST_VERDICT_PASSED
           : state == TEST_TURN_FAILED ? TEST_VERDICT_FAILED
                                       : TEST_VERDICT_OURS;
}

enum test_verdict test_turn_take(const struct shared_place *place, uint64_t key,
                                 uint64_t deadline_ms, unsigned *by)
{
    struct shared_tests *own = &place->shared->hosts[place->host].tests;
    uint64_t patience_ms = task_in_ms(place->host ? HEAD_START_MS : 0);
    const struct shared_host *other;
    while (!(other = find_running(place, key, by)) && task_now_ms() < patience_ms)
        if (task_sleep(POLL_MS) < 0)
            break;
    enum test_verdict verdict = TEST_VERDICT_OURS;
    if (other)
        verdict = wait_for(other, key, deadline_ms);
    if (verdict == TEST_VERDICT_OURS) {
        atomic_store(&own->key, key);
        atomic_store(&own->state, TEST_TURN_RUNNING);
    }
    return verdict;
}

void test_turn_end(const struct shared_place *place, bool have_passed)
{
    atomic_store(&place->shared->hosts[place->host].tests.state,
                 have_passed ? TEST_TURN_PASSED : TEST_TURN_FAILED);
}

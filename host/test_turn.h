/* One host's tests are enough. The hosts of a service reload at the same time, for the same change: who comes to test while a
 * host of a lower number tests the same versions waits for its verdict, so that all reload or none does. Only a run under way
 * counts: what tests need beside the scripts may have changed since an earlier one. */
#pragma once

#include "shared.h"

/* Of a host's own tests; and what another says of them: */
enum test_turn_state {
    TEST_TURN_NONE, /* nothing: this host is to run them, and to say test_turn_end */
    TEST_TURN_RUNNING,
    TEST_TURN_PASSED,
    TEST_TURN_FAILED,
    TEST_TURN_OUTDATED, /* the scripts have changed meanwhile */
};

/* In a task. Any state but RUNNING; `by`: whose verdict it is. */
enum test_turn_state test_turn_take(const struct shared_place *place, uint64_t key,
                                    uint64_t deadline_ms, unsigned *by);
void test_turn_end(const struct shared_place *place, enum test_turn_state verdict);

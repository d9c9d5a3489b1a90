/* A new version beside the one before: who gets the message, and who is found worse. */
#include "test.h"

#include "worker/canary.h"

static const struct canary_options options = {.share_percent = 10,
                                              .runs = 20,
                                              .margin_percent = 5,
                                              .promote = 100,
                                              .longest_ms = 3600 * 1000};

static void it_is_judged_by_its_error_rate(void **state)
{
    (void)state;
    static const struct {
        struct canary_tally before, canary;
        uint64_t age_ms;
        bool is_paused;
        enum canary_state state;
    } cases[] = {
        {{0, 0}, {0, 0}, 0, false, CANARY_RUNNING},
        {{180, 0}, {19, 19}, 0, false, CANARY_RUNNING}, /* too few runs */
        {{180, 0}, {20, 20}, 0, false, CANARY_RETURNED},
        {{180, 0}, {20, 2}, 0, false, CANARY_RETURNED},
        {{180, 0}, {20, 1}, 0, false, CANARY_RUNNING}, /* 5 points are the margin */
        {{180, 18}, {20, 3}, 0, false, CANARY_RUNNING},
        {{180, 18}, {20, 4}, 0, false, CANARY_RETURNED},
        {{180, 180}, {20, 20}, 0, false, CANARY_RUNNING}, /* both fail */
        {{0, 0}, {20, 1}, 0, false, CANARY_RUNNING},
        {{0, 0}, {20, 2}, 0, false, CANARY_RETURNED}, /* it is not known to have failed */
        {{900, 0}, {99, 0}, 0, false, CANARY_RUNNING},
        {{900, 0}, {100, 0}, 0, false, CANARY_PROMOTED},
        {{900, 0}, {100, 6}, 0, false, CANARY_RETURNED},
        {{900, 900}, {100, 0}, 0, false, CANARY_PROMOTED},
        {{50, 0}, {3, 0}, 3599999, false, CANARY_RUNNING},
        {{50, 0}, {3, 0}, 3600000, false, CANARY_PROMOTED}, /* it has had its time */
        {{50, 0}, {3, 1}, 3600000, false, CANARY_RETURNED},
        {{0, 0}, {0, 0}, 3600000, false, CANARY_PROMOTED},
        {{50, 50}, {3, 1}, 0, true, CANARY_RETURNED}, /* who pauses answers nobody */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct canary_figures figures = {cases[i].before, cases[i].canary,
                                               cases[i].age_ms, cases[i].is_paused};
        enum canary_state judged = canary_judge(&options, &figures);
        if (judged != cases[i].state)
            print_error("case %zu: %s\n", i, canary_state_name(judged));
        assert_int_equal(judged, cases[i].state);
    }
}

static void a_share_is_that_of_evenly_spread_draws(void **state)
{
    (void)state;
    static const uint32_t shares[] = {0, 1, 10, 50, 99, 100};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        struct canary_options share = options;
        share.share_percent = shares[i];
        uint32_t taken = 0;
        for (uint64_t draw = 1000; draw < 1100; draw++)
            taken += canary_takes(&share, draw);
        assert_int_equal(taken, shares[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_judged_by_its_error_rate),
        cmocka_unit_test(a_share_is_that_of_evenly_spread_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

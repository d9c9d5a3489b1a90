/* The circuit of a worker: when it opens, what its trial decides. */
#include "test.h"

#include "worker/circuit.h"

#define PAUSE_MS 30000

static struct circuit circuit_of(uint32_t failures)
{
    return (struct circuit){.options = {.failures = failures, .pause_ms = PAUSE_MS}};
}

/* Runs one after the other, '.' well, 'x' failed, 'u' undecided; returns the last change. */
static enum circuit_change run_all(struct circuit *circuit, const char *runs,
                                   uint64_t now_ms)
{
    enum circuit_change change = CIRCUIT_UNCHANGED;
    for (; *runs; runs++) {
        enum circuit_admission admission = circuit_admit(circuit, now_ms);
        assert_int_not_equal(admission, CIRCUIT_REFUSED);
        change = circuit_note(circuit, admission,
                              *runs == '.'   ? RUN_WENT_WELL
                              : *runs == 'x' ? RUN_FAILED
                                             : RUN_UNDECIDED,
                              now_ms);
    }
    return change;
}

static void it_opens_by_the_last_runs(void **state)
{
    (void)state;
    static const struct {
        const char *runs;
        uint32_t failures;
        enum circuit_change last_change;
    } cases[] = {
        {"xxxxxxxxx", 10, CIRCUIT_UNCHANGED}, /* too few seen */
        {"xxxxxxxxxx", 10, CIRCUIT_HAS_OPENED},
        {"....xxxxxx", 10, CIRCUIT_HAS_OPENED},
        {".....xxxxx", 10, CIRCUIT_UNCHANGED}, /* just half */
        {"xxxxxxxxx.", 10, CIRCUIT_UNCHANGED}, /* no success opens it */
        {"xxxxxxxxx.x", 10, CIRCUIT_HAS_OPENED},
        {"....................xxxxxxxxxx", 10, CIRCUIT_UNCHANGED},
        {"....................xxxxxxxxxxx", 10, CIRCUIT_HAS_OPENED},
        {"xx..................x.x.x.x.x.x.", 10, CIRCUIT_UNCHANGED},
        {"uuuuuuuuuuuuuuuuuuuu", 10, CIRCUIT_UNCHANGED},
        {"x", 1, CIRCUIT_HAS_OPENED},
        {".x", 1, CIRCUIT_UNCHANGED},
        {".xx", 1, CIRCUIT_HAS_OPENED},
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0, CIRCUIT_UNCHANGED}, /* never */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct circuit circuit = circuit_of(cases[i].failures);
        assert_int_equal(run_all(&circuit, cases[i].runs, 1000), cases[i].last_change);
        assert_int_equal(circuit.state, cases[i].last_change == CIRCUIT_HAS_OPENED
                                            ? CIRCUIT_OPEN
                                            : CIRCUIT_CLOSED);
    }
}

static void as_many_runs_are_remembered_as_can_be_asked_for(void **state)
{
    (void)state;
    struct circuit circuit = circuit_of(CIRCUIT_FAILURES_MAX);
    for (int i = 0; i < 64; i++)
        run_all(&circuit, ".", 1000);
    for (int i = 0; i < 32; i++)
        assert_int_equal(run_all(&circuit, "x", 1000), CIRCUIT_UNCHANGED);
    assert_int_equal(run_all(&circuit, "x", 1000), CIRCUIT_HAS_OPENED);
}

static void it_admits_nobody_while_it_pauses(void **state)
{
    (void)state;
    struct circuit circuit = circuit_of(2);
    run_all(&circuit, "xx", 1000);
    assert_int_equal(circuit_admit(&circuit, 1000), CIRCUIT_REFUSED);
    assert_int_equal(circuit_admit(&circuit, 1000 + PAUSE_MS - 1), CIRCUIT_REFUSED);
    assert_int_equal(circuit_admit(&circuit, 1000 + PAUSE_MS), CIRCUIT_ADMITTED_AS_TRIAL);
    assert_int_equal(circuit_admit(&circuit, 1000 + PAUSE_MS), CIRCUIT_REFUSED);
}

static void a_trial_that_goes_well_closes_and_forgets(void **state)
{
    (void)state;
    struct circuit circuit = circuit_of(2);
    run_all(&circuit, "xx", 0);
    assert_int_equal(run_all(&circuit, ".", PAUSE_MS), CIRCUIT_HAS_CLOSED);
    assert_int_equal(circuit.state, CIRCUIT_CLOSED);
    assert_int_equal(run_all(&circuit, "x", PAUSE_MS), CIRCUIT_UNCHANGED);
    assert_int_equal(run_all(&circuit, "x", PAUSE_MS), CIRCUIT_HAS_OPENED);
}

static void a_trial_that_fails_pauses_again(void **state)
{
    (void)state;
    struct circuit circuit = circuit_of(2);
    run_all(&circuit, "xx", 0);
    assert_int_equal(run_all(&circuit, "x", PAUSE_MS + 5), CIRCUIT_HAS_OPENED);
    assert_int_equal(circuit_admit(&circuit, 2 * PAUSE_MS + 4), CIRCUIT_REFUSED);
    assert_int_equal(circuit_admit(&circuit, 2 * PAUSE_MS + 5), CIRCUIT_ADMITTED_AS_TRIAL);
}

static void a_trial_without_an_end_leaves_it_to_the_next(void **state)
{
    (void)state;
    struct circuit circuit = circuit_of(2);
    run_all(&circuit, "xx", 0);
    assert_int_equal(run_all(&circuit, "u", PAUSE_MS), CIRCUIT_UNCHANGED);
    assert_int_equal(run_all(&circuit, ".", PAUSE_MS), CIRCUIT_HAS_CLOSED);
}

static void runs_from_before_say_nothing(void **state)
{
    (void)state;
    struct circuit circuit = circuit_of(2);
    run_all(&circuit, "xx", 0);
    assert_int_equal(circuit_note(&circuit, CIRCUIT_ADMITTED, RUN_WENT_WELL, 10),
                     CIRCUIT_UNCHANGED);
    assert_int_equal(circuit_note(&circuit, CIRCUIT_ADMITTED, RUN_FAILED, 10),
                     CIRCUIT_UNCHANGED);
    assert_int_equal(circuit_admit(&circuit, PAUSE_MS), CIRCUIT_ADMITTED_AS_TRIAL);
    assert_int_equal(circuit_note(&circuit, CIRCUIT_ADMITTED, RUN_WENT_WELL, PAUSE_MS),
                     CIRCUIT_UNCHANGED);
    assert_int_equal(circuit.state, CIRCUIT_TRIAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_by_the_last_runs),
        cmocka_unit_test(as_many_runs_are_remembered_as_can_be_asked_for),
        cmocka_unit_test(it_admits_nobody_while_it_pauses),
        cmocka_unit_test(a_trial_that_goes_well_closes_and_forgets),
        cmocka_unit_test(a_trial_that_fails_pauses_again),
        cmocka_unit_test(a_trial_without_an_end_leaves_it_to_the_next),
        cmocka_unit_test(runs_from_before_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

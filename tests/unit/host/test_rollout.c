/* Snapshots whose workers change: which version is beside which, and what two hosts make of what both see. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kept_version.h"
#include "rollout.h"
#include "test.h"

#define OLD   "return {}"
#define NEW   "return {} -- new"
#define THIRD "return {} -- third"

static char directory[64];
static struct shared *shared;
static struct shared_place places[2];

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

static int open_fixture(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/postern-rollout-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    write_file("a.test.yaml", "domain: a.test\nrules:\n  - {to: x@, worker: work}\n");
    shared = shared_new(2, NULL, NULL);
    places[0] = (struct shared_place){shared, 0};
    places[1] = (struct shared_place){shared, 1};
    return shared ? 0 : -1;
}

static int close_fixture(void **state)
{
    (void)state;
    char command[128];
    shared_unmap(shared);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command); /* the path is mkdtemp's own */
}

static struct config *load(const char *script, const char *canary)
{
    char host[256];
    snprintf(host, sizeof host,
             "name: mx.a.test\npostmaster: me@a.test\nscripts: .\nworkers: {work: {canary: "
             "%s}}\n",
             canary);
    write_file("host.yaml", host);
    write_file("work.lua", script);
    struct problem_list problems;
    problem_list_open(&problems);
    struct config *config = config_load(directory, CONFIG_SERVE, &problems);
    if (problems.first)
        print_error("%.*s\n", STR_ARG(problems.first->text));
    assert_non_null(config);
    problem_list_close(&problems);
    return config;
}

#define CANARY "{share: 50%, runs: 10, promote: 20}"

/* The snapshot after `before`, which is let go of as a host does. */
static struct config *follow(struct config *before, const char *script, const char *canary,
                             unsigned host)
{
    struct config *config = load(script, canary);
    config_start_workers(config, before, &places[host]);
    config_release(before);
    return config;
}

static const struct config_worker *work_of(const struct config *config)
{
    return config_worker_described(config, STR("work"));
}

static void run(const struct config *config, bool is_new, bool has_failed, unsigned times)
{
    const struct config_worker *worker = work_of(config);
    const struct rollout_choice choice = {worker, worker->rollout, &worker->canary, is_new};
    const struct worker_outcome ended = {.result =
                                             has_failed ? WORKER_EXCEPTION : WORKER_OK};
    while (times--)
        rollout_note(&choice, &ended);
}

static enum canary_state state_of(const struct config *config)
{
    struct canary_figures figures;
    return rollout_state(work_of(config)->rollout, &work_of(config)->canary, &figures);
}

static void assert_beside(const struct config *config, const char *script)
{
    const struct config_worker *worker = work_of(config);
    assert_non_null(worker->rollout);
    struct str source = rollout_before(worker->rollout)->options.source;
    assert_int_equal(source.length, strlen(script));
    assert_memory_equal(source.at, script, source.length);
}

static void the_first_version_has_none_beside_it(void **state)
{
    (void)state;
    struct config *config = follow(NULL, OLD, CANARY, 0);
    assert_true(work_of(config)->is_new);
    assert_null(work_of(config)->rollout);
    config_release(config);
}

static void a_new_version_has_the_one_before_beside_it(void **state)
{
    (void)state;
    struct config *config = follow(follow(NULL, OLD, CANARY, 0), NEW, CANARY, 0);
    assert_true(work_of(config)->is_new);
    assert_beside(config, OLD);
    assert_int_equal(state_of(config), CANARY_RUNNING);
    config_release(config);
}

static void without_a_canary_a_new_version_is_alone(void **state)
{
    (void)state;
    struct config *config = follow(follow(NULL, OLD, "off", 0), NEW, "off", 0);
    assert_true(work_of(config)->is_new);
    assert_null(work_of(config)->rollout);
    config_release(config);
}

static void a_snapshot_with_the_same_version_goes_on_with_its_figures(void **state)
{
    (void)state;
    struct config *config = follow(follow(NULL, OLD, CANARY, 0), NEW, CANARY, 0);
    run(config, true, false, 15);
    config = follow(config, NEW, CANARY, 0);
    assert_false(work_of(config)->is_new);
    run(config, true, false, 4);
    assert_int_equal(state_of(config), CANARY_RUNNING);
    run(config, true, false, 1);
    assert_int_equal(state_of(config), CANARY_PROMOTED);
    config_release(config);
}

static void what_is_not_proven_measures_nothing(void **state)
{
    (void)state;
    struct config *config = follow(follow(NULL, OLD, CANARY, 0), NEW, CANARY, 0);
    run(config, true, true, 10);
    assert_int_equal(state_of(config), CANARY_RETURNED);
    config = follow(config, THIRD, CANARY, 0);
    assert_beside(config, OLD);
    assert_int_equal(state_of(config), CANARY_RUNNING);
    config_release(config);
}

static void what_is_promoted_measures_the_next(void **state)
{
    (void)state;
    struct config *config = follow(follow(NULL, OLD, CANARY, 0), NEW, CANARY, 0);
    run(config, true, false, 20);
    config = follow(config, NEW, CANARY, 0);
    assert_null(work_of(config)->rollout);
    config = follow(config, THIRD, CANARY, 0);
    assert_beside(config, NEW);
    config_release(config);
}

static void an_edit_taken_back_ends_the_trial(void **state)
{
    (void)state;
    struct config *config = follow(NULL, OLD, CANARY, 0);
    const struct worker *worker = work_of(config)->worker;
    config = follow(config, NEW, CANARY, 0);
    config = follow(config, OLD, CANARY, 0);
    assert_null(work_of(config)->rollout);
    assert_false(work_of(config)->is_new);
    assert_ptr_equal(work_of(config)->worker, worker);
    config_release(config);
}

static void a_canary_switched_off_puts_the_new_version_in_its_place(void **state)
{
    (void)state;
    struct config *config = follow(follow(NULL, OLD, CANARY, 0), NEW, CANARY, 0);
    const struct worker *worker = work_of(config)->worker;
    run(config, true, true, 10);
    config = follow(config, NEW, "off", 0);
    assert_null(work_of(config)->rollout);
    assert_ptr_equal(work_of(config)->worker, worker);
    config_release(config);
}

static void hosts_count_together_and_follow_each_other(void **state)
{
    (void)state;
    struct config *one = follow(follow(NULL, OLD, CANARY, 0), NEW, CANARY, 0);
    struct config *other = follow(follow(NULL, OLD, CANARY, 1), NEW, CANARY, 1);
    run(one, false, false, 50);
    run(one, true, true, 5);
    run(other, true, true, 4);
    assert_int_equal(state_of(one), CANARY_RUNNING);
    run(other, true, true, 1);
    assert_int_equal(state_of(other), CANARY_RETURNED);
    assert_int_equal(state_of(one), CANARY_RETURNED);
    assert_false(rollout_choose(work_of(one), WORKER_EMAIL, STR("x"), NULL).is_new);
    config_release(one);
    config_release(other);
}

static void a_handler_that_is_new_is_the_new_versions(void **state)
{
    (void)state;
    struct config *config = follow(follow(NULL, OLD, CANARY, 0), NEW, CANARY, 0);
    run(config, true, true, 10);
    assert_false(rollout_choose(work_of(config), WORKER_EMAIL, STR("x"), NULL).is_new);
    assert_true(rollout_choose(work_of(config), WORKER_SCHEDULED, STR("x"), NULL).is_new);
    config_release(config);
}

static void a_verdict_stands_whatever_comes_after_it(void **state)
{
    (void)state;
    struct config *config = follow(follow(NULL, OLD, CANARY, 0), NEW, CANARY, 0);
    run(config, true, false, 20);
    run(config, true, true, 100);
    assert_int_equal(state_of(config), CANARY_PROMOTED);
    config_release(config);
}

static void a_second_trial_of_a_version_begins_anew(void **state)
{
    (void)state;
    struct config *config = follow(follow(NULL, OLD, CANARY, 0), NEW, CANARY, 0);
    run(config, true, true, 10);
    config = follow(follow(config, OLD, CANARY, 0), NEW, CANARY, 0);
    assert_int_equal(state_of(config), CANARY_RUNNING);
    config_release(config);
}

static void more_trials_than_the_hosts_share_are_each_hosts_own(void **state)
{
    (void)state;
    struct config *configs[SHARED_ROLLOUTS_MAX + 1];
    struct config *old = follow(NULL, OLD, CANARY, 0);
    for (size_t i = 0; i <= SHARED_ROLLOUTS_MAX; i++) {
        char script[32];
        snprintf(script, sizeof script, "return {} -- %zu", i);
        configs[i] = follow(config_keep(old), script, CANARY, 0);
    }
    run(configs[SHARED_ROLLOUTS_MAX], true, true, 10);
    assert_int_equal(state_of(configs[SHARED_ROLLOUTS_MAX]), CANARY_RETURNED);
    assert_int_equal(state_of(configs[0]), CANARY_RUNNING);
    for (size_t i = 0; i <= SHARED_ROLLOUTS_MAX; i++)
        config_release(configs[i]);
    config_release(old);
}

/* As a host that begins finds it. */
static struct config *restart(const char *script)
{
    shared_place_clear(&places[0]);
    return follow(NULL, script, CANARY, 0);
}

static void keep_state_of(struct config *config)
{
    char state[128];
    snprintf(state, sizeof state, "%s/.postern", directory);
    assert_true(mkdir(state, 0700) == 0);
    kept_versions_update(config);
    config_release(config);
}

static void a_host_that_begins_goes_on_with_the_trial(void **state)
{
    (void)state;
    static const char before[] = "return require 'b'";
    write_file("b.lua", "return 1");
    keep_state_of(follow(follow(NULL, before, CANARY, 0), NEW, CANARY, 0));
    struct config *config = restart(NEW);
    assert_beside(config, before);
    const struct worker_options *options =
        &rollout_before(work_of(config)->rollout)->options;
    assert_int_equal(options->module_count, 1);
    assert_true(str_equal(options->modules[0].name, STR("b")));
    assert_true(str_equal(options->modules[0].source, STR("return 1")));
    run(config, true, false, 20);
    assert_int_equal(state_of(config), CANARY_PROMOTED);
    config_release(config);
    config = restart(NEW);
    assert_null(work_of(config)->rollout);
    config_release(config);
}

static void what_is_kept_for_another_script_says_nothing(void **state)
{
    (void)state;
    keep_state_of(follow(follow(NULL, OLD, CANARY, 0), NEW, CANARY, 0));
    struct config *config = restart(THIRD);
    assert_null(work_of(config)->rollout);
    config_release(config);
}

static void what_is_kept_may_be_damaged(void **state)
{
    (void)state;
    keep_state_of(follow(follow(NULL, OLD, CANARY, 0), NEW, CANARY, 0));
    static const char *const damaged[] = {"", "x", "T", "T\xff\xff\xff\xff"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        write_file(".postern/work.before", damaged[i]);
        struct config *config = restart(NEW);
        assert_null(work_of(config)->rollout);
        config_release(config);
    }
}

static void a_scripts_hash_is_what_sha256sum_prints(void **state)
{
    (void)state;
    struct config *config = follow(NULL, OLD, "off", 0);
    char command[256];
    snprintf(command, sizeof command,
             "cd %s && test \"$(sha256sum work.lua)\" = '%s  work.lua'", directory,
             work_of(config)->script_hash);
    assert_int_equal(system(command), 0);
    write_file("b.lua", "return 1");
    config = follow(config, "return require 'b'", "off", 0);
    snprintf(command, sizeof command,
             "cd %s && test \"$(sha256sum work.lua b.lua | sha256sum)\" = '%s  -'",
             directory, work_of(config)->script_hash);
    assert_int_equal(system(command), 0);
    config_release(config);
}

#define rollout_test(name)                                                                 \
    cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        rollout_test(the_first_version_has_none_beside_it),
        rollout_test(a_new_version_has_the_one_before_beside_it),
        rollout_test(without_a_canary_a_new_version_is_alone),
        rollout_test(a_snapshot_with_the_same_version_goes_on_with_its_figures),
        rollout_test(what_is_not_proven_measures_nothing),
        rollout_test(what_is_promoted_measures_the_next),
        rollout_test(an_edit_taken_back_ends_the_trial),
        rollout_test(a_canary_switched_off_puts_the_new_version_in_its_place),
        rollout_test(hosts_count_together_and_follow_each_other),
        rollout_test(a_handler_that_is_new_is_the_new_versions),
        rollout_test(a_verdict_stands_whatever_comes_after_it),
        rollout_test(a_second_trial_of_a_version_begins_anew),
        rollout_test(more_trials_than_the_hosts_share_are_each_hosts_own),
        rollout_test(a_host_that_begins_goes_on_with_the_trial),
        rollout_test(what_is_kept_for_another_script_says_nothing),
        rollout_test(what_is_kept_may_be_damaged),
        rollout_test(a_scripts_hash_is_what_sha256sum_prints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

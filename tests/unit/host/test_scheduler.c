/* Schedules: several hosts on one store, each with a scheduler, under a clock that the tests set. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "scheduler.h"
#include "test.h"

#include "base/mem.h"
#include "base/table.h"

#define HOSTS 3

static struct {
    char directory[64];
    uint64_t now_ms;
    struct host {
        struct store *store;
        struct scheduler *scheduler;
    } hosts[HOSTS];
    struct config *config;
    char runs[2000]; /* "digest 0 7 * * * 2026-11-22 07:00\n" each */
    bool is_held;    /* runs wait until they are let go */
    size_t held_count;
    struct task_signal let_go;
    enum worker_result result;
} fixture;

/* --- files --- */

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", fixture.directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

/* As the value of `cron:` of the worker "digest"; NULL: it has none. */
static struct config *load(const char *cron)
{
    char yaml[1000];
    struct problem_list problems;
    problem_list_open(&problems);
    snprintf(yaml, sizeof yaml,
             "name: mx.a.test\npostmaster: me@a.test\nworkers:\n  digest: {%s%s}\n",
             cron ? "cron: " : "", cron ? cron : "");
    write_file("host.yaml", yaml);
    struct config *config = config_load(fixture.directory, CONFIG_SERVE, &problems);
    if (problems.first)
        fail_msg("%.*s", STR_ARG(problems.first->text));
    problem_list_close(&problems);
    return config;
}

/* --- hosts --- */

static uint64_t now_ms(void)
{
    return fixture.now_ms;
}

static int keep_run(struct router *router, const struct scheduled_run *what,
                    struct arena *arena, struct worker_outcome *outcome)
{
    (void)router, (void)arena;
    size_t length = strlen(fixture.runs);
    time_t due = (time_t)(what->due_ms / 1000);
    struct tm parts;
    length +=
        (size_t)snprintf(fixture.runs + length, sizeof fixture.runs - length, "%.*s %.*s ",
                         STR_ARG(what->worker->options.name), STR_ARG(what->cron));
    strftime(fixture.runs + length, sizeof fixture.runs - length, "%Y-%m-%d %H:%M\n",
             gmtime_r(&due, &parts));
    fixture.held_count++;
    while (fixture.is_held)
        task_signal_wait(&fixture.let_go, TASK_FOREVER);
    fixture.held_count--;
    outcome->result = fixture.result;
    return 0;
}

static void open_host(struct host *host)
{
    struct store_options options = {.directory = fixture.directory};
    struct err err = {0};
    host->store = store_open(&options, &err);
    if (!host->store)
        fail_msg("%s", err.text);
    host->scheduler = scheduler_open(&(struct scheduler_options){
        .store = host->store, .now_ms = now_ms, .run = keep_run});
    scheduler_plan(host->scheduler, fixture.config);
}

static void close_host(struct host *host)
{
    scheduler_close(host->scheduler);
    store_close(host->store);
}

static void count_run(const char *name, const char *stage, uint64_t stage_age_ms, void *arg)
{
    (void)stage, (void)stage_age_ms;
    size_t *count = arg;
    *count += strcmp(name, "scheduled") == 0;
}

/* Waits until what was due has been decided about, and all that is not held has ended. */
static void settle(void)
{
    size_t count;
    do {
        task_sleep(1);
        count = 0;
        task_each(count_run, &count);
    } while (count > fixture.held_count);
}

/* Every host looks, in turn, before any of them has an answer of the store. */
static void look_at(uint64_t time_ms)
{
    fixture.now_ms = time_ms;
    for (size_t i = 0; i < HOSTS; i++)
        scheduler_turn(fixture.hosts[i].scheduler);
    settle();
}

/* The snapshot that all have from now on. */
static void plan(const char *cron)
{
    struct config *before = fixture.config;
    fixture.config = load(cron);
    for (size_t i = 0; i < HOSTS; i++)
        scheduler_plan(fixture.hosts[i].scheduler, fixture.config);
    config_release(before);
    look_at(fixture.now_ms);
}

/* "2026-11-22 07:00" */
static uint64_t time_of(const char *text)
{
    struct tm parts = {0};
    assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &parts));
    return (uint64_t)timegm(&parts) * 1000;
}

static void look(const char *time)
{
    look_at(time_of(time));
}

static void assert_runs(const char *expected)
{
    assert_string_equal(fixture.runs, expected);
    fixture.runs[0] = '\0';
}

static struct scheduler_line line_of(size_t number)
{
    struct arena *arena = arena_new();
    size_t count;
    struct scheduler_line *lines =
        scheduler_lines(fixture.hosts[0].scheduler, arena, &count);
    assert_true(number < count);
    struct scheduler_line line = lines[number];
    static char outcome[32];
    snprintf(outcome, sizeof outcome, "%.*s", STR_ARG(line.known.outcome));
    line.known.outcome = str_of(outcome);
    arena_free(arena);
    return line;
}

/* --- the fixture --- */

static int open_fixture(void **state)
{
    char scripts[128];
    test_loop_open(state);
    memset(&fixture, 0, sizeof fixture);
    strcpy(fixture.directory, "/tmp/postern-scheduler-XXXXXX");
    if (!mkdtemp(fixture.directory))
        return -1;
    snprintf(scripts, sizeof scripts, "%s/scripts", fixture.directory);
    mkdir(scripts, 0700);
    write_file("a.test.yaml", "domain: a.test\nrules:\n  - {to: x@, drop: true}\n");
    write_file("scripts/digest.lua", "return { scheduled = function() end }");
    status_log_level(STR("off"));
    return 0;
}

static int close_fixture(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", fixture.directory);
    int result = system(command); /* the path is mkdtemp's own */
    return test_loop_close(state) || result;
}

/* A body runs with its hosts open, at 06:00 on a Sunday, with a line for 07:00. */
#define START "2026-11-22 06:00"
#define SEVEN "\"0 7 * * *\""

static int run_body(void *arg)
{
    void (*const *body)(void) = arg;
    fixture.now_ms = time_of(START);
    fixture.config = load(SEVEN);
    for (size_t i = 0; i < HOSTS; i++)
        open_host(&fixture.hosts[i]);
    look(START);
    (*body)();
    for (size_t i = 0; i < HOSTS; i++)
        close_host(&fixture.hosts[i]);
    config_release(fixture.config);
    return 0;
}

/* All hosts end, and begin again. */
static void restart_at(const char *time)
{
    for (size_t i = 0; i < HOSTS; i++)
        close_host(&fixture.hosts[i]);
    fixture.now_ms = time_of(time);
    for (size_t i = 0; i < HOSTS; i++)
        open_host(&fixture.hosts[i]);
    look(time);
}

static void let_go(void)
{
    fixture.is_held = false;
    task_signal_raise_all(&fixture.let_go);
    settle();
}

/* --- tests --- */

TEST_IN_TASK(run_body, each_time_runs_in_one_host)
{
    look("2026-11-22 06:59");
    assert_runs("");
    look("2026-11-22 07:00");
    assert_runs("digest 0 7 * * * 2026-11-22 07:00\n");
    look("2026-11-22 07:00");
    look("2026-11-22 07:01");
    assert_runs("");
    look("2026-11-23 07:00");
    assert_runs("digest 0 7 * * * 2026-11-23 07:00\n");
}

TEST_IN_TASK(run_body, lines_of_a_worker_run_each)
{
    plan("[\"0 7 * * *\", \"*/30 * * * *\"]");
    look("2026-11-22 07:00");
    assert_true(strstr(fixture.runs, "digest 0 7 * * * 2026-11-22 07:00\n"));
    assert_true(strstr(fixture.runs, "digest */30 * * * * 2026-11-22 07:00\n"));
    assert_int_equal(strlen(fixture.runs), 34 + 37);
}

TEST_IN_TASK(run_body, a_host_sleeps_no_longer_than_until_the_next_time)
{
    struct scheduler *scheduler = fixture.hosts[0].scheduler;
    fixture.now_ms = time_of("2026-11-22 07:00") - 250;
    assert_int_equal(scheduler_turn(scheduler), 250);
    fixture.now_ms = time_of("2026-11-22 06:10");
    assert_int_equal(scheduler_turn(scheduler), 30000);
    plan(NULL);
    assert_true(scheduler_turn(scheduler) == TASK_FOREVER);
}

TEST_IN_TASK(run_body, the_last_time_missed_is_made_up_for_after_a_stop)
{
    plan("\"*/15 * * * *\"");
    restart_at("2026-11-22 06:50");
    assert_runs("digest */15 * * * * 2026-11-22 06:45\n");
    restart_at("2026-11-22 06:55");
    assert_runs("");
}

TEST_IN_TASK(run_body, a_time_missed_long_ago_is_gone)
{
    restart_at("2026-11-22 08:01");
    assert_runs("");
    look("2026-11-23 07:00");
    assert_runs("digest 0 7 * * * 2026-11-23 07:00\n");
    restart_at("2026-11-24 07:59");
    assert_runs("digest 0 7 * * * 2026-11-24 07:00\n");
}

TEST_IN_TASK(run_body, a_machine_that_slept_makes_up_for_the_last_time)
{
    plan("\"*/5 * * * *\"");
    look("2026-11-22 09:58");
    assert_runs("digest */5 * * * * 2026-11-22 09:55\n");
}

TEST_IN_TASK(run_body, a_new_line_begins_when_it_is_there)
{
    look("2026-11-22 06:40");
    plan("\"30 6 * * *\"");
    assert_runs("");
    look("2026-11-22 07:00");
    assert_runs("");
    look("2026-11-23 06:30");
    assert_runs("digest 30 6 * * * 2026-11-23 06:30\n");
}

TEST_IN_TASK(run_body, a_line_that_was_away_makes_up_for_nothing)
{
    plan(NULL);
    look("2026-11-22 07:10");
    plan(SEVEN);
    assert_runs("");
    look("2026-11-23 07:00");
    assert_runs("digest 0 7 * * * 2026-11-23 07:00\n");
}

TEST_IN_TASK(run_body, a_reload_neither_loses_nor_repeats_a_time)
{
    fixture.now_ms = time_of("2026-11-22 07:00");
    scheduler_turn(fixture.hosts[1].scheduler);
    settle();
    plan("[\"0 7 * * *\", \"0 8 * * *\"]");
    look("2026-11-22 07:01");
    assert_runs("digest 0 7 * * * 2026-11-22 07:00\n");
    fixture.now_ms = time_of("2026-11-22 08:00"); /* nobody has looked yet */
    plan("[\"0 8 * * *\"]");
    assert_runs("digest 0 8 * * * 2026-11-22 08:00\n");
}

TEST_IN_TASK(run_body, a_clock_set_back_repeats_nothing)
{
    look("2026-11-22 07:00");
    look("2026-11-22 06:58");
    look("2026-11-22 07:00");
    assert_runs("digest 0 7 * * * 2026-11-22 07:00\n");
}

TEST_IN_TASK(run_body, a_clock_that_was_years_ahead_stops_nothing)
{
    look("2031-01-01 07:00");
    assert_runs("digest 0 7 * * * 2031-01-01 07:00\n");
    look("2026-11-22 06:59");
    look("2026-11-22 07:00");
    assert_runs("digest 0 7 * * * 2026-11-22 07:00\n");
    restart_at("2026-11-22 07:01");
    assert_runs("");
}

TEST_IN_TASK(run_body, a_time_is_skipped_while_the_run_before_goes_on)
{
    uint64_t skipped = status_count(STATUS_SCHEDULE_SKIPPED);
    plan("\"* * * * *\"");
    fixture.is_held = true;
    look("2026-11-22 06:01");
    assert_runs("digest * * * * * 2026-11-22 06:01\n");
    look("2026-11-22 06:02");
    assert_runs("");
    assert_int_equal(status_count(STATUS_SCHEDULE_SKIPPED), skipped + 1);
    let_go();
    look("2026-11-22 06:02");
    assert_runs("");
    look("2026-11-22 06:03");
    assert_runs("digest * * * * * 2026-11-22 06:03\n");
}

TEST_IN_TASK(run_body, what_failed_waits_for_its_next_time)
{
    uint64_t failed = status_count(STATUS_SCHEDULE_FAILED);
    fixture.result = WORKER_EXCEPTION;
    look("2026-11-22 07:00");
    assert_int_equal(status_count(STATUS_SCHEDULE_FAILED), failed + 1);
    assert_runs("digest 0 7 * * * 2026-11-22 07:00\n");
    look("2026-11-22 07:02");
    assert_runs("");
    assert_true(str_equal(line_of(0).known.outcome, STR("exception")));
}

TEST_IN_TASK(run_body, people_see_what_was_and_what_will_be)
{
    assert_int_equal(line_of(0).next_ms, time_of("2026-11-22 07:00"));
    assert_int_equal(line_of(0).known.due_ms, 0);
    fixture.is_held = true;
    look("2026-11-22 07:00");
    assert_int_equal(line_of(0).next_ms, time_of("2026-11-23 07:00"));
    assert_true(line_of(0).known.until_ms > fixture.now_ms);
    let_go();
    assert_int_equal(line_of(0).known.until_ms, 0);
    assert_int_equal(line_of(0).known.due_ms, time_of("2026-11-22 07:00"));
    assert_true(str_equal(line_of(0).known.outcome, STR("ok")));
}

TEST_IN_TASK(run_body, an_end_waits_for_what_runs)
{
    fixture.is_held = true;
    look("2026-11-22 07:00");
    for (size_t i = 0; i < HOSTS; i++) {
        scheduler_stop(fixture.hosts[i].scheduler);
        scheduler_wait(fixture.hosts[i].scheduler, task_in_ms(20));
    }
    assert_int_equal(fixture.held_count, 1);
    let_go();
    for (size_t i = 0; i < HOSTS; i++)
        scheduler_wait(fixture.hosts[i].scheduler, TASK_FOREVER);
    assert_true(str_equal(line_of(0).known.outcome, STR("ok")));
}

TEST_IN_TASK(run_body, turns_are_taken_until_the_end)
{
    struct scheduler *scheduler = fixture.hosts[0].scheduler;
    scheduler_start(scheduler);
    task_sleep(1);
    fixture.now_ms = time_of("2026-11-22 07:00");
    scheduler_plan(scheduler, fixture.config); /* wakes it */
    while (!fixture.runs[0])
        task_sleep(1);
    assert_runs("digest 0 7 * * * 2026-11-22 07:00\n");
}

#define scheduler_test(name)                                                               \
    cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        scheduler_test(each_time_runs_in_one_host),
        scheduler_test(lines_of_a_worker_run_each),
        scheduler_test(a_host_sleeps_no_longer_than_until_the_next_time),
        scheduler_test(the_last_time_missed_is_made_up_for_after_a_stop),
        scheduler_test(a_time_missed_long_ago_is_gone),
        scheduler_test(a_machine_that_slept_makes_up_for_the_last_time),
        scheduler_test(a_new_line_begins_when_it_is_there),
        scheduler_test(a_line_that_was_away_makes_up_for_nothing),
        scheduler_test(a_reload_neither_loses_nor_repeats_a_time),
        scheduler_test(a_clock_set_back_repeats_nothing),
        scheduler_test(a_clock_that_was_years_ahead_stops_nothing),
        scheduler_test(a_time_is_skipped_while_the_run_before_goes_on),
        scheduler_test(what_failed_waits_for_its_next_time),
        scheduler_test(people_see_what_was_and_what_will_be),
        scheduler_test(an_end_waits_for_what_runs),
        scheduler_test(turns_are_taken_until_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

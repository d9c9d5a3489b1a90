/* New versions of workers before they take messages: each must load, and pass the tests beside its script. */
#include <errno.h>

#include "host_internal.h"
#include "script_tests.h"
#include "test_turn.h"

#include "base/table.h"
#include "base/task.h"

static void report(const struct config *config, const struct config_worker *worker,
                   const char *text, struct problem_list *problems)
{
    problem_add(problems, str_of(config->scripts_directory), 0, 0, "worker %.*s: %s",
                STR_ARG(worker->options.name), text);
}

/* What the directory counts on, and the script does not have. */
static void check_handlers(const struct config *config, const struct config_worker *worker,
                           struct problem_list *problems)
{
    static const char *const who[WORKER_HANDLER_COUNT] = {
        [WORKER_EMAIL] = "rules send it mail",
        [WORKER_SCHEDULED] = "host.yaml gives it a `cron:`",
        [WORKER_QUEUE] = "host.yaml lets it consume a queue",
        [WORKER_FETCH] = "host.yaml gives it a `url:`",
    };
    for (int i = 0; i < WORKER_HANDLER_COUNT; i++) {
        enum worker_handler handler = (enum worker_handler)i;
        struct err err = {0};
        if (!(worker->needed_handlers & 1U << handler) ||
            worker_has_handler(worker->worker, handler))
            continue;
        err_set(&err, -ENOTSUP, "%s, but %.*s has no function '%s'", who[handler],
                STR_ARG(worker->options.script), worker_handler_name(handler));
        report(config, worker, err.text, problems);
    }
}

void host_try_workers(const struct config *config, struct problem_list *problems)
{
    struct str name;
    void *value;
    for (size_t at = 0; table_next(config->workers, &at, &name, &value);) {
        const struct config_worker *worker = value;
        struct err err = {0};
        if (worker->is_new && worker_try(worker->worker, &err) < 0)
            report(config, worker, err.text, problems);
        else
            check_handlers(config, worker, problems);
    }
}

/* --- tests --- */

struct files {
    const char **paths;
    size_t count;
    uint64_t key; /* of the versions that they test */
};

/* Several workers may have the same script. */
static void add_file(struct files *files, const char *path)
{
    for (size_t i = 0; i < files->count; i++)
        if (str_equal(str_of(files->paths[i]), str_of(path)))
            return;
    files->paths[files->count++] = path;
}

static bool wants_tests(const struct config_worker *worker)
{
    return worker->is_new && worker->is_tested;
}

static struct files files_of(const struct config *config, struct arena *arena)
{
    struct files files = {arena_array(arena, const char *, table_count(config->workers)), 0,
                          0};
    struct str name;
    void *value;
    for (size_t at = 0; table_next(config->workers, &at, &name, &value);) {
        const struct config_worker *worker = value;
        const char *path = wants_tests(worker) ? script_tests_file(worker, arena) : NULL;
        if (!path)
            continue;
        add_file(&files, path);
        files.key += /* in whatever order */
            config_hash64((const struct str[]){name, str_of(worker->version)}, 2);
    }
    return files;
}

struct comparison {
    const struct config *config;
    bool have_changed;
};

static void compare_on_thread(void *arg)
{
    struct comparison *comparison = arg;
    struct str name;
    void *value;
    for (size_t at = 0; table_next(comparison->config->workers, &at, &name, &value);)
        if (wants_tests(value) && !config_worker_is_on_disk(comparison->config, value))
            comparison->have_changed = true;
}

/* Tests read the files once more: what they say of must be what is loaded. */
static bool have_changed(const struct config *config)
{
    struct comparison comparison = {config, false};
    task_work(compare_on_thread, &comparison);
    return comparison.have_changed;
}

static enum test_turn_state run_tests(const struct config *config,
                                      const struct files *files,
                                      struct problem_list *problems)
{
    if (script_tests_run(config, files->paths, files->count, problems) != 0)
        return TEST_TURN_FAILED;
    return have_changed(config) ? TEST_TURN_OUTDATED : TEST_TURN_PASSED;
}

/* Unless another host does it for all. */
static enum test_turn_state run_tests_in_turn(const struct config *config,
                                              const struct files *files,
                                              const struct shared_place *place,
                                              struct problem_list *problems)
{
    unsigned by;
    enum test_turn_state verdict =
        test_turn_take(place, files->key, task_in_ms(config->test_ms), &by);
    if (verdict == TEST_TURN_FAILED)
        problem_add(problems, str_of(files->paths[0]), 0, 0,
                    "the tests have not passed in host %u, which says more", by);
    if (verdict != TEST_TURN_NONE)
        return verdict;
    verdict = run_tests(config, files, problems);
    test_turn_end(place, verdict);
    return verdict;
}

bool host_test_workers(const struct config *config, const struct shared_place *place,
                       struct problem_list *problems)
{
    struct arena *arena = arena_new();
    const struct files files = files_of(config, arena);
    enum test_turn_state verdict = TEST_TURN_PASSED;
    task_stage("running the tests of %zu scripts", files.count);
    if (files.count)
        verdict = place ? run_tests_in_turn(config, &files, place, problems)
                        : run_tests(config, &files, problems);
    arena_free(arena);
    return verdict != TEST_TURN_OUTDATED;
}

int host_test_first_workers(void *arg)
{
    const struct serving *serving = arg;
    struct config *config = config_keep(serving->host.router.config);
    struct problem_list problems;
    problem_list_open(&problems);
    host_test_workers(config, NULL, &problems);
    if (!task_cancelled(task_current()) && !have_changed(config))
        for (const struct problem *problem = problems.first; problem;
             problem = problem->next)
            EVENT(NULL, STATUS_WORKER_TESTS_FAILED, FIELD("file", problem->file),
                  FIELD_NUMBER("line", problem->line), FIELD("problem", problem->text));
    problem_list_close(&problems);
    config_release(config);
    return 0;
}

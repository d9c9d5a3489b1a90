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
    const struct config_worker *changed; /* NULL: all is as it was read */
};

static void compare_on_thread(void *arg)
{
    struct comparison *comparison = arg;
    struct str name;
    void *value;
    for (size_t at = 0; table_next(comparison->config->workers, &at, &name, &value);)
        if (wants_tests(value) && !config_worker_is_on_disk(comparison->config, value))
            comparison->changed = value;
}

/* Tests read the files once more: what they say of must be what is loaded. A change makes another reload anyway. */
static const struct config_worker *find_changed(const struct config *config)
{
    struct comparison comparison = {config, NULL};
    task_work(compare_on_thread, &comparison);
    return comparison.changed;
}

static void run_tests(const struct config *config, const struct files *files,
                      struct problem_list *problems)
{
    const struct config_worker *changed = NULL;
    if (script_tests_run(config, files->paths, files->count, problems) == 0)
        changed = find_changed(config);
    if (changed)
        problem_add(problems, str_of(changed->path), 0, 0,
                    "it has changed while its tests ran: they say nothing of it");
}

/* Unless another host does it for all. */
static void run_tests_in_turn(const struct config *config, const struct files *files,
                              const struct shared_place *place,
                              struct problem_list *problems)
{
    unsigned by;
    switch (test_turn_take(place, files->key, task_in_ms(config->test_ms), &by)) {
    case TEST_VERDICT_PASSED:
        break;
    case TEST_VERDICT_FAILED:
        problem_add(problems, str_of(files->paths[0]), 0, 0,
                    "the tests have not passed in host %u, which says more", by);
        break;
    case TEST_VERDICT_OURS:
        run_tests(config, files, problems);
        test_turn_end(place, problems->count == 0);
        break;
    }
}

void host_test_workers(const struct config *config, const struct shared_place *place,
                       struct problem_list *problems)
{
    struct arena *arena = arena_new();
    const struct files files = files_of(config, arena);
    task_stage("running the tests of %zu scripts", files.count);
    if (files.count && place)
        run_tests_in_turn(config, &files, place, problems);
    else if (files.count)
        run_tests(config, &files, problems);
    arena_free(arena);
}

int host_test_first_workers(void *arg)
{
    const struct serving *serving = arg;
    struct config *config = config_keep(serving->host.router.config);
    struct problem_list problems;
    problem_list_open(&problems);
    host_test_workers(config, NULL, &problems);
    if (!task_cancelled(task_current()) && !find_changed(config))
        for (const struct problem *problem = problems.first; problem;
             problem = problem->next)
            EVENT(NULL, STATUS_WORKER_TESTS_FAILED, FIELD("file", problem->file),
                  FIELD_NUMBER("line", problem->line), FIELD("problem", problem->text));
    problem_list_close(&problems);
    config_release(config);
    return 0;
}

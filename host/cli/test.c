/* `postern test`: runs *_test.lua files against the workers beside them, and says how that went. */
#include "cli/test.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/loop.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "status/event.h"
#include "worker/worker.h"

#define PATHS_MAX        200
#define FILES_MAX        1000
#define FOLDER_DEPTH_MAX 8
#define DEFAULT_FOLDER   "scripts"
#define EXIT_MISTAKE     2
#define TEST_FILE_ENDING STR("_test.lua")

struct test_run {
    struct arena *arena;
    const char *files[FILES_MAX];
    size_t file_count;
    struct test_options options;
    const char *junit, *json;
    struct test_report report;
};

/* --- which files --- */

static int add_file(struct test_run *run, const char *path, struct err *err)
{
    if (run->file_count == FILES_MAX)
        return err_set(err, -E2BIG, "more than %d files of tests", FILES_MAX);
    run->files[run->file_count++] = path;
    return 0;
}

static int add_path(struct test_run *run, const char *path, unsigned depth,
                    struct err *err);

/* Everything in the folder that is a test, in the order of its names. */
static int add_folder(struct test_run *run, const char *path, unsigned depth,
                      struct err *err)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    int result = 0;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (name[0] != '.' && result == 0)
            result =
                add_path(run, arena_printf(run->arena, "%s/%s", path, name), depth, err);
        free(entries[i]);
    }
    free(entries);
    return result;
}

static int add_path(struct test_run *run, const char *path, unsigned depth, struct err *err)
{
    struct stat facts;
    if (stat(path, &facts) < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (S_ISDIR(facts.st_mode))
        return depth < FOLDER_DEPTH_MAX ? add_folder(run, path, depth + 1, err) : 0;
    if (depth == 0 || str_ends_nocase(str_of(path), TEST_FILE_ENDING))
        return add_file(run, path, err);
    return 0;
}

/* --- the run --- */

static int run_tests(void *arg)
{
    struct test_run *run = arg;
    status_log_level(STR("off"));
    puts("TAP version 13");
    for (size_t i = 0; i < run->file_count; i++)
        test_session_run(run->files[i], &run->options, &run->report);
    worker_stop_all();
    return 0;
}

/* `path` may be NULL. */
static int write_file(const struct test_report *report, const char *path,
                      int (*write)(const struct test_report *report, const char *path))
{
    int written = path ? write(report, path) : 0;
    if (written < 0)
        fprintf(stderr, "postern test: %s: %s\n", path, strerror(-written));
    return written;
}

/* The exit code. */
static int run_and_report(struct test_run *run)
{
    struct test_report *report = &run->report;
    test_report_open(report);
    loop_run_task("test", run_tests, run);
    int exit_code = report->failed_count ? EXIT_FAILURE : EXIT_SUCCESS;
    test_report_end(report);
    int junit = write_file(report, run->junit, test_report_write_junit);
    int json = write_file(report, run->json, test_report_write_json);
    if (junit < 0 || json < 0) {
        exit_code = EXIT_MISTAKE;
    } else if (report->count == 0) {
        fprintf(stderr, "postern test: no test has \"%s\" in its name\n",
                run->options.filter ? run->options.filter : "");
        exit_code = EXIT_MISTAKE;
    }
    test_report_close(report);
    return exit_code;
}

static int find_and_run(struct test_run *run, const char **paths, size_t path_count)
{
    struct err err = {0};
    for (size_t i = 0; i < path_count && err.code == 0; i++)
        add_path(run, paths[i], 0, &err);
    if (err.code == 0 && run->file_count == 0)
        err_set(&err, -ENOENT, "there is no *_test.lua in %s", paths[0]);
    if (err.code == 0)
        return run_and_report(run);
    fprintf(stderr, "postern test: %s\n", err.text);
    return EXIT_MISTAKE;
}

static void print_more_help(void)
{
    puts("\nA folder's tests are its *_test.lua files and those of the folders in it; "
         "without"
         "\narguments they are those of " DEFAULT_FOLDER "/. In a file NAME_test.lua:"
         "\n"
         "\n  local worker = load_worker \"NAME\"        -- NAME.lua beside it"
         "\n  describe(\"NAME\", function()"
         "\n    it(\"forwards to the team\", function()"
         "\n      local result = worker:email(fake.message { subject = \"Hi\" }, {"
         "\n        env = { TEAM = \"team@corp.test\" },"
         "\n        upstream = { [\"team@corp.test\"] = \"550 5.1.1 gone\" },"
         "\n      })"
         "\n      assert.equal(550, result.reply.code)"
         "\n    end)"
         "\n  end)"
         "\n"
         "\nworker:scheduled({ cron = \"0 7 * * *\", scheduledTime = 1795330800000 }, "
         "options)"
         "\nruns its `scheduled` handler, and worker:fetch({ method = \"POST\", url = "
         "\"/hooks/x\" }, options)"
         "\nits `fetch` handler; result.response is what its client gets.\n"
         "\nresult has outcome, forwards, replies, rejectReason, logs, reply (what the "
         "sender is"
         "\ntold: code, enhanced, text), error and traceback. There are before_each, "
         "after_each,"
         "\npending, fake.now(seconds), and assert.equal, same, is_true, is_false, is_nil,"
         "\nmatches, contains, has_error and their opposites. `postern types` writes the "
         "rest"
         "\ndown for an editor."
         "\n\nExit code: 0 all passed, 1 some failed, 2 there was nothing to run or a "
         "mistake in"
         "\nthe arguments.");
}

int cli_test(const struct cli_command *command, int argc, char **argv)
{
    const char *paths[PATHS_MAX] = {DEFAULT_FOLDER}, *filter = NULL, *junit = NULL,
               *json = NULL, *scripts = NULL;
    const struct cli_flag flags[] = {
        {"--filter", "TEXT", "only tests with this text in their names", &filter},
        {"--scripts", "DIR", "where modules are; beside the tests when left out", &scripts},
        {"--junit", "FILE", "writes the results as JUnit XML, too", &junit},
        {"--json", "FILE", "writes the results as JSON, too", &json},
    };
    struct cli_arguments arguments = {.flags = flags,
                                      .flag_count = 4,
                                      .positional = paths,
                                      .positional_max = PATHS_MAX,
                                      .more_help = print_more_help};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    size_t path_count = arguments.positional_count ? arguments.positional_count : 1;
    struct test_run *run = mem_zero(1, sizeof *run);
    run->arena = arena_new();
    run->options = (struct test_options){filter, scripts};
    run->junit = junit;
    run->json = json;
    exit_code = find_and_run(run, paths, path_count);
    arena_free(run->arena);
    free(run);
    return exit_code;
}

#include <stdio.h>
#include <stdlib.h>

#include "host.h"

#include "base/loop.h"
#include "base/table.h"
#include "cli/cli.h"
#include "cli/when.h"

#define TIMES_TOLD 3

static void print_line(const struct config_worker *worker, const struct config_cron *line)
{
    uint64_t at = unix_now_ms();
    char text[WHEN_BYTES];
    printf("  %.*s \"%.*s\":", STR_ARG(worker->options.name), STR_ARG(line->text));
    for (int i = 0; i < TIMES_TOLD && (at = cron_next(&line->cron, at)) != CRON_NEVER; i++)
        printf("%s %s", i ? "," : "", when_text_minute(at, text));
    puts(" UTC");
}

/* What a cron line means is best seen by its next times. */
static void print_schedules(const struct config *config)
{
    struct str name;
    void *value;
    for (size_t at = 0; table_next(config->workers, &at, &name, &value);) {
        const struct config_worker *worker = value;
        for (size_t i = 0; i < worker->cron_count; i++)
            print_line(worker, &worker->crons[i]);
    }
}

static int check(void *arg)
{
    const char *directory = arg;
    struct problem_list problems;
    problem_list_open(&problems);
    struct config *config = config_load(directory, CONFIG_SERVE, &problems);
    if (config) {
        config_start_workers(config, NULL, NULL);
        host_try_workers(config, &problems);
        if (problems.count == 0 && !host_test_workers(config, NULL, &problems))
            problem_add(&problems, str_of(config->scripts_directory), 0, 0,
                        "a script has changed while its tests ran");
    }
    host_print_problems(&problems);
    size_t count = problems.count;
    problem_list_close(&problems);
    if (count || !config) {
        fprintf(stderr, "%zu problem%s in %s\n", count, count == 1 ? "" : "s", directory);
    } else {
        printf("%s: %zu rules in %zu domains, %zu workers: no problems\n", directory,
               rule_set_rule_count(config->rules), rule_set_domain_count(config->rules),
               table_count(config->workers));
        print_schedules(config);
    }
    worker_stop_all();
    config_release(config);
    return count ? EXIT_FAILURE : EXIT_SUCCESS;
}

int cli_check(const struct cli_command *command, int argc, char **argv)
{
    const char *directory = CLI_DIRECTORY;
    struct cli_arguments arguments = {.positional = &directory, .positional_max = 1};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    return loop_run_task("check", check, (void *)(uintptr_t)directory);
}

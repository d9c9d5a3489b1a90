#include <stdio.h>
#include <stdlib.h>

#include "host.h"

#include "base/loop.h"
#include "base/table.h"
#include "cli/cli.h"

static int check(void *arg)
{
    const char *directory = arg;
    struct problem_list problems;
    problem_list_open(&problems);
    struct config *config = config_load(directory, CONFIG_SERVE, &problems);
    if (config) {
        config_start_workers(config, NULL, NULL);
        host_try_workers(config, &problems);
        if (problems.count == 0)
            host_test_workers(config, NULL, &problems);
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

#include <stdio.h>
#include <string.h>

#include "config.h"
#include "supervisor.h"

#include "cli/cli.h"

static void print_option(const char *section, const struct option_row *row, void *arg)
{
    const char **before = arg;
    if (strcmp(*before, section) != 0)
        printf("\n  %s:\n", section);
    *before = section;
    printf("  %-28s %-10s %s\n", row->key, row->preset ? row->preset : "-", row->help);
}

static void print_options(void)
{
    const char *section = "";
    puts("\nOptions of host.yaml, with what they are when left out:\n");
    config_each_option(print_option, &section);
    puts("\n  listen, tls, routes, workers, destinations, postmaster: see the comments in "
         "rules/host.yaml");
}

int cli_serve(const struct cli_command *command, int argc, char **argv)
{
    const char *directory = CLI_DIRECTORY;
    struct cli_arguments arguments = {
        .positional = &directory, .positional_max = 1, .more_help = print_options};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    return supervisor_serve(directory);
}

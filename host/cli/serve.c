#include <stdio.h>

#include "supervisor.h"

#include "cli/cli.h"

static void print_more_help(void)
{
    puts("\n`postern options` lists what host.yaml and the files of rules can say.");
}

int cli_serve(const struct cli_command *command, int argc, char **argv)
{
    const char *directory = CLI_DIRECTORY;
    struct cli_arguments arguments = {
        .positional = &directory, .positional_max = 1, .more_help = print_more_help};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    return supervisor_serve(directory);
}

/* postern: one program. As "postern-isolate" it is the child process that runs a worker's script, as
 * "postern-host" one of the hosts of a service; else the first argument names a subcommand. */
#include <stdio.h>

#include "supervised.h"

#include "base/str.h"
#include "cli/cli.h"
#include "isolate/isolate.h"

const struct cli_command cli_commands[] = {
    {"serve", "[DIR]", "Serves the rules directory.", cli_serve},
    {"dev", "[DIR] [--demo]",
     "Serves it on this machine alone: nothing leaves, sent mail lands in an outbox.",
     cli_dev},
    {"options", "[SECTION] [--json]",
     "Lists what host.yaml and the files of rules can say, with what holds when it is left "
     "out.",
     cli_options},
    {"check", "[DIR]",
     "Reads rules and scripts, runs the scripts' tests, and prints every problem.",
     cli_check},
    {"run",
     "SCRIPT [MESSAGE.eml] --from ADDRESS --to ADDRESS [--auth dmarc=pass,…] "
     "[--upstream ADDRESS=REPLY]… [--env NAME=VALUE]… [--bind NAME=KIND]… [--spam-score "
     "SCORE]\n       postern run SCRIPT --scheduled [--cron LINE] [--time TIME] [--env …]… "
     "[--bind …]…\n       postern run SCRIPT --queue QUEUE --body JSON… [--env …]… [--bind "
     "…]…\n       postern run SCRIPT [FILE] --request \"METHOD URL\" [--header \"NAME: "
     "VALUE\"]… [--body TEXT] [--env …]… [--bind …]…",
     "Runs one message, one scheduled time, one batch or one HTTP request through a "
     "worker's script and prints what it did as JSON.",
     cli_run},
    {"test", "[DIR|FILE…] [--filter TEXT] [--scripts DIR] [--junit FILE] [--json FILE]",
     "Runs the *_test.lua files of worker scripts.", cli_test},
    {"new", "worker NAME [DIR]", "Writes a worker's script to begin with, and its test.",
     cli_new},
    {"types", "[DIR]",
     "Writes down what scripts can call, for editors that know LuaLS annotations.",
     cli_types},
    {"send", "[MESSAGE.eml] --from ADDRESS --to ADDRESS [--server HOST:PORT]",
     "Sends a message to an SMTP server.", cli_send},
    {"explain",
     "ADDRESS [DIR] [--from ADDRESS] | --message FILE --ip ADDRESS --helo NAME "
     "--from ADDRESS [--to ADDRESS] [DIR] [--resolver ADDRESS@PORT] [--json]",
     "Prints which rule an address matches, or what is found out about a message, and why.",
     cli_explain},
    {"keys",
     "new DOMAIN [DIR] [--selector NAME] [--algorithm rsa|ed25519] [--bits COUNT] | "
     "list [DIR] | rotate DOMAIN [DIR] [--force] [--resolver ADDRESS@PORT] [--json]",
     "Makes keys to sign with, lists them, and puts the next one to use once it is "
     "published.",
     cli_keys},
    {"dns", "DOMAIN [DIR] [--check] [--resolver ADDRESS@PORT] [--json]",
     "Prints the records to publish for a domain, and what DNS answers.", cli_dns},
    {"queue",
     "[DIR] list|show|retry|hold|release|drop [ID…] [--to ADDRESS|DOMAIN] [--from ADDRESS] "
     "[--state STATE] [--all] [--message] [--json]",
     "Shows the mail that waits for delivery, and what is to become of it.", cli_queue},
    {"queues", "list [DIR] | show QUEUE [DIR] | purge QUEUE [DIR] [--json]",
     "Shows what waits in the queues between workers, and empties one.", cli_queues},
    {"log",
     "[DIR] [--follow] [--id ID] [--raw] [--stages] [--to ADDRESS] [--from ADDRESS] "
     "[--status "
     "STATUS] [--rule NAME] [--worker NAME] [--text TEXT] [--since 2h|TIME] "
     "[--until 2h|TIME] [--limit COUNT] [--json]",
     "Prints what became of messages.", cli_log},
    {"replay",
     "[DIR] [ID…] [--all] [--since 2h|TIME] [--until 2h|TIME] [--from ADDRESS] [--to "
     "ADDRESS] [--rule NAME] [--worker NAME] [--limit COUNT] [--fetch FILE] [--store DIR] "
     "[--json]",
     "Runs kept messages through the rules and scripts as they are now, and prints what "
     "would be different.",
     cli_replay},
    {"srs",
     "encode|decode ADDRESS [DIR] [--domain DOMAIN] [--at TIME] | rotate [DIR] [--json]",
     "Prints what a forwarded sender becomes, or whom such an address is for; rotates the "
     "secret.",
     cli_srs},
    {"status", "[DIR] [--json]", "Prints what the running Postern is doing.", cli_status},
    {0},
};

static void print_usage(FILE *out)
{
    fputs("postern " POSTERN_VERSION ": a mail gateway that you program in Lua\n\n", out);
    for (const struct cli_command *command = cli_commands; command->name; command++)
        fprintf(out, "  postern %s %s\n      %s\n", command->name, command->usage,
                command->summary);
    fputs("\nDIR is the rules directory (rules). --help after a subcommand tells more.\n",
          out);
}

int main(int argc, char **argv)
{
    if (argc > 1 && str_ends_nocase(str_of(argv[0]), STR("postern-isolate")))
        return isolate_main(argv[1]);
    if (str_ends_nocase(str_of(argv[0]), STR("postern-host")))
        return supervised_main(argc, argv);
    struct str name = str_of(argc > 1 ? argv[1] : "--help");
    for (const struct cli_command *command = cli_commands; command->name; command++)
        if (str_equal(name, str_of(command->name)))
            return command->run(command, argc - 1, argv + 1);
    bool asks_for_help = str_equal(name, STR("--help")) || str_equal(name, STR("help"));
    if (str_equal(name, STR("--version"))) {
        puts("postern " POSTERN_VERSION);
        return 0;
    }
    if (!asks_for_help)
        fprintf(stderr, "postern: there is no subcommand \"%.*s\"\n\n", STR_ARG(name));
    print_usage(asks_for_help ? stdout : stderr);
    return asks_for_help ? 0 : 2;
}

#include <stdio.h>
#include <stdlib.h>

#include "host.h"

#include "base/table.h"
#include "cli/cli.h"
#include "cli/explain_message.h"

static void say(void *arg, const char *sentence)
{
    (void)arg;
    printf("  %s\n", sentence);
}

static void print_action(const struct rule *rule)
{
    switch (rule->action) {
    case RULE_FORWARD:
        for (size_t i = 0; i < rule->destination_count; i++)
            printf("%s %.*s", i ? "," : "forward to", STR_ARG(rule->destinations[i].text));
        break;
    case RULE_WORKER:
        printf("worker %.*s", STR_ARG(rule->worker));
        break;
    case RULE_DROP:
        printf("drop");
        break;
    case RULE_REJECT:
        printf("reject: %.*s", STR_ARG(rule->reject_text));
        break;
    }
}

int cli_explain_match(enum rule_found found, const struct rule_match *match)
{
    switch (found) {
    case RULE_NO_DOMAIN:
        puts("=> not a domain of ours: RCPT is refused with 550 5.7.1");
        return EXIT_FAILURE;
    case RULE_NO_RECIPIENT:
        puts("=> no rule: RCPT is refused with 550 5.1.1");
        return EXIT_FAILURE;
    case RULE_TOO_COSTLY:
        puts("=> a pattern is too costly for this address: 451, make it simpler");
        return EXIT_FAILURE;
    case RULE_MAYBE:
        puts("=> the recipient is accepted; which rule applies depends on the message "
             "(`when:`)");
        return EXIT_SUCCESS;
    case RULE_FOUND:
        break;
    }
    printf("=> rule \"%.*s\" (%.*s:%u): ", STR_ARG(match->rule->name),
           STR_ARG(match->rule->file), match->rule->line);
    print_action(match->rule);
    puts("");
    for (size_t i = 0; i < match->capture_count; i++)
        printf("   captures.%.*s = %.*s\n", STR_ARG(match->captures[i].name),
               STR_ARG(match->captures[i].value));
    return EXIT_SUCCESS;
}

static int explain(const struct config *config, const char *address, const char *sender)
{
    struct message *message = message_new();
    struct mailbox recipient;
    int exit_code = EXIT_FAILURE;
    if (mailbox_parse(str_of(address), message->arena, &recipient) < 0) {
        fprintf(stderr, "postern explain: \"%s\" is not an address\n", address);
    } else if (sender[0] &&
               mailbox_parse(str_of(sender), message->arena, &message->reverse_path) < 0) {
        fprintf(stderr, "postern explain: --from \"%s\" is not an address\n", sender);
    } else {
        message->reverse_path.is_null = !sender[0];
        struct rule_question question = {
            .recipient = &recipient, .envelope = message, .explain = say};
        struct rule_match match = {0};
        printf("%s\n", address);
        exit_code = cli_explain_match(
            rule_set_match(config->rules, &question, message->arena, &match), &match);
    }
    message_release(message);
    return exit_code;
}

static int explain_address(const char *address, const char *directory, const char *sender)
{
    struct problem_list problems;
    problem_list_open(&problems);
    struct config *config = config_load(directory, CONFIG_SERVE, &problems);
    host_print_problems(&problems);
    problem_list_close(&problems);
    int exit_code = config ? explain(config, address, sender) : EXIT_FAILURE;
    config_release(config);
    return exit_code;
}

static int mistake(const struct cli_command *command, const char *what)
{
    fprintf(stderr, "postern explain: %s\nusage: postern %s %s\n", what, command->name,
            command->usage);
    return 2;
}

int cli_explain(const struct cli_command *command, int argc, char **argv)
{
    const char *positional[2] = {NULL, NULL};
    struct cli_explain_message of = {0};
    const struct cli_flag flags[] = {
        {"--from", "ADDRESS", "the envelope sender; \"\" is the null sender", &of.from},
        {"--message", "FILE", "explain what is found out about this message", &of.file},
        {"--ip", "ADDRESS", "of the client that brings it", &of.ip},
        {"--helo", "NAME", "that the client says it has", &of.helo},
        {"--to", "ADDRESS", "the envelope recipient, to find its rule", &of.to},
        {"--resolver", "ADDRESS@PORT", "whom to ask instead of host.yaml's", &of.resolver},
        {"--json", NULL, "the same as JSON", &of.as_json},
    };
    struct cli_arguments arguments = {.flags = flags,
                                      .flag_count = sizeof flags / sizeof *flags,
                                      .positional = positional,
                                      .positional_max = 2};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    if (of.file) {
        of.directory = positional[0];
        return positional[1] ? mistake(command, "with --message only DIR may be named")
                             : cli_explain_message(command, &of);
    }
    if (of.ip || of.helo || of.to || of.resolver || of.as_json)
        return mistake(command, "--ip, --helo, --to, --resolver and --json go with "
                                "--message");
    if (!positional[0])
        return mistake(command, "an ADDRESS or --message is needed");
    return explain_address(positional[0], positional[1] ? positional[1] : CLI_DIRECTORY,
                           of.from ? of.from : "");
}

#include <stdio.h>
#include <stdlib.h>

#include "host.h"

#include "base/table.h"
#include "cli/cli.h"

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

static int print_match(enum rule_found found, const struct rule_match *match)
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
        exit_code = print_match(
            rule_set_match(config->rules, &question, message->arena, &match), &match);
    }
    message_release(message);
    return exit_code;
}

int cli_explain(const struct cli_command *command, int argc, char **argv)
{
    const char *positional[2] = {NULL, CLI_DIRECTORY};
    const char *sender = "";
    const struct cli_flag flags[] = {
        {"--from", "ADDRESS", "the envelope sender, for rules with `when: {sender: …}`",
         &sender}};
    struct cli_arguments arguments = {
        .flags = flags, .flag_count = 1, .positional = positional, .positional_max = 2};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    if (!positional[0]) {
        fprintf(stderr, "usage: postern %s %s\n", command->name, command->usage);
        return 2;
    }
    struct problem_list problems;
    problem_list_open(&problems);
    struct config *config = config_load(positional[1], CONFIG_SERVE, &problems);
    host_print_problems(&problems);
    problem_list_close(&problems);
    exit_code = config ? explain(config, positional[0], sender) : EXIT_FAILURE;
    config_release(config);
    return exit_code;
}

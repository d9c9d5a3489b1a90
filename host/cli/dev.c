/* `postern dev`: for a laptop. No mail leaves; all that is forwarded or replied lands in the outbox. With
 * --demo, or on a terminal, a first message is sent through the rules and the outcome shown. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"

#include "base/task.h"
#include "cli/cli.h"

#define HEAD_BYTES      4096
#define OUTBOX_PATH_MAX 4096

static const char *demo_directory; /* for the words on the terminal */
static const char demo_from[] = "you@sender.test";
static const char demo_message[] = "From: You <you@sender.test>\r\n"
                                   "To: support@example.com\r\n"
                                   "Subject: Hello Postern\r\n"
                                   "Message-ID: <first-message@sender.test>\r\n"
                                   "Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n"
                                   "\r\n"
                                   "My first message through a worker.\r\n";

/* Where the demonstration goes: the worker of rules/example.com.yaml, or else the first domain there is. */
static const char *demo_recipient(const struct config *config, struct arena *arena)
{
    const struct domain_rules *domain = rule_set_domain(config->rules, 0);
    for (size_t i = 0; rule_set_domain(config->rules, i); i++)
        if (str_equal(rule_set_domain(config->rules, i)->domain, STR("example.com")))
            return "support@example.com";
    return domain ? arena_printf(arena, "postmaster@%.*s", STR_ARG(domain->domain)) : NULL;
}

/* Prints the envelope and subject lines of a file in the outbox. */
static void print_outbox_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    printf("  %s\n", path);
    char line[HEAD_BYTES];
    while (fgets(line, sizeof line, file) && line[0] != '\r' && line[0] != '\n') {
        struct str view = str_trim(str_of(line));
        if (str_starts_nocase(view, STR("X-Postern-Envelope")) ||
            str_starts_nocase(view, STR("Subject:")))
            printf("      %.*s\n", STR_ARG(view));
    }
    fclose(file);
}

static void print_outbox(const char *directory, uint64_t since_ms)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[OUTBOX_PATH_MAX];
        struct stat facts;
        snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
        if (stat(path, &facts) == 0 && S_ISREG(facts.st_mode) &&
            (uint64_t)facts.st_mtim.tv_sec * 1000 +
                    (uint64_t)facts.st_mtim.tv_nsec / 1000000 >=
                since_ms)
            print_outbox_file(path);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void demonstrate(struct host *host)
{
    struct arena *arena = arena_new();
    char server[NET_ADDRESS_TEXT_BYTES];
    struct cli_message message = {
        .server = net_address_text(smtp_server_address(host->server, 0), server),
        .from = demo_from,
        .to = demo_recipient(host->router.config, arena),
        .content = str_of(demo_message),
    };
    if (message.to) {
        uint64_t since_ms = unix_now_ms() - 10; /* a file's clock is a tick behind */
        struct str answer = {0};
        printf("\na first message, from %s to %s:\n", message.from, message.to);
        fflush(stdout);
        cli_send_message(&message, arena, &answer);
        printf("  the sender is told: %.*s\n", STR_ARG(answer));
        puts("  what would have been sent (nothing leaves in dev):");
        print_outbox(arena_printf(arena, "%s/outbox", host->router.config->state_directory),
                     since_ms);
        fflush(stdout);
    }
    arena_free(arena);
}

static void say_what_next(struct host *host)
{
    const struct config *config = host->router.config;
    char server[NET_ADDRESS_TEXT_BYTES], http[NET_ADDRESS_TEXT_BYTES];
    net_address_text(smtp_server_address(host->server, 0), server);
    net_address_text(http_front_address(host->http, 0), http);
    printf("\nPostern serves %s for development: nothing leaves this machine.\n"
           "  rules    %s/*.yaml    edit and save: they reload by themselves\n"
           "  scripts  %s/*.lua\n"
           "  outbox   %s/outbox/\n"
           "  http     http://%s/    for workers with a `url`\n"
           "\nnext, in another terminal:\n"
           "  postern send --server %s --from you@sender.test --to support@example.com "
           "message.eml\n"
           "  postern explain order-42@example.com %s\n"
           "  postern status %s\n",
           demo_directory, demo_directory, config->scripts_directory,
           config->state_directory, http, server, demo_directory, demo_directory);
    fflush(stdout);
}

static void greet_and_demonstrate(struct host *host)
{
    say_what_next(host);
    demonstrate(host);
}

int cli_dev(const struct cli_command *command, int argc, char **argv)
{
    const char *directory = CLI_DIRECTORY, *with_demo = NULL;
    const struct cli_flag flags[] = {
        {"--demo", NULL,
         "send a first message and show the outcome (so it is on a terminal)", &with_demo}};
    struct cli_arguments arguments = {
        .flags = flags, .flag_count = 1, .positional = &directory, .positional_max = 1};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    demo_directory = directory;
    bool is_interactive = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    struct host_options options = {
        .directory = directory,
        .mode = CONFIG_DEV,
        .when_listening =
            with_demo || is_interactive ? greet_and_demonstrate : say_what_next,
    };
    return host_serve(&options);
}

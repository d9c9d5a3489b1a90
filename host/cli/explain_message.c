#include "cli/explain_message.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host.h"

#include "auth/block_list.h"
#include "auth/results_header.h"
#include "auth/verify.h"
#include "base/loop.h"
#include "base/task.h"
#include "net/http_client.h"

#define EXIT_MISTAKE      2
#define MESSAGE_BYTES_MAX ((size_t)256 * 1024 * 1024)

const char *cli_explain_action(const struct auth_decision *decision)
{
    static const char *const names[] = {"accept", "defer", "reject"};
    return names[decision->action];
}

const char *cli_explain_found(enum auth_dmarc_found found)
{
    static const char *const names[] = {"nothing", "record", "several", "failure"};
    return names[found];
}

/* --- what is asked --- */

static int read_addresses(const struct cli_explain_message *asked,
                          struct cli_explanation *explanation, struct err *err)
{
    struct message *message = explanation->message;
    struct mailbox *from = &message->reverse_path;
    explanation->recipient.is_null = true;
    from->is_null = !asked->from[0];
    if (net_address_parse(str_of(asked->ip), 0, &message->client.address) < 0)
        return err_set(err, -EINVAL, "--ip \"%s\" is not an address such as 192.0.2.1",
                       asked->ip);
    if (!from->is_null && mailbox_parse(str_of(asked->from), message->arena, from) < 0)
        return err_set(err, -EINVAL, "--from \"%s\" is not an address", asked->from);
    if (asked->to &&
        mailbox_parse(str_of(asked->to), message->arena, &explanation->recipient) < 0)
        return err_set(err, -EINVAL, "--to \"%s\" is not an address", asked->to);
    message->client.helo = str_of(asked->helo);
    return 0;
}

/* That of the directory; without one, of what Postern does unless it is told otherwise. NULL when the directory's
 * has problems, which have been told. */
static struct config *read_config(const struct cli_explain_message *asked)
{
    const char *directory = asked->directory;
    if (!directory && access(CLI_DIRECTORY "/host.yaml", F_OK) == 0)
        directory = CLI_DIRECTORY;
    if (!directory)
        return config_new_verifying();
    struct problem_list problems;
    problem_list_open(&problems);
    struct config *config = config_load(directory, CONFIG_SERVE, &problems);
    host_print_problems(&problems);
    problem_list_close(&problems);
    return config;
}

/* --- finding out --- */

static void compare_bodies(struct cli_explanation *explanation)
{
    struct message *message = explanation->message;
    for (size_t i = 0; i < explanation->verdict.dkim_count; i++)
        explanation->has_body[i] = explanation->verdict.dkim[i].result != AUTH_PASS &&
                                   auth_dkim_explain_body(message, i, message->arena,
                                                          &explanation->bodies[i]) == 0;
}

static void find_rule(struct cli_explanation *explanation)
{
    const struct message *message = explanation->message;
    struct rule_auth auth = route_rule_auth(&explanation->verdict);
    struct rule_question question = {.recipient = &explanation->recipient,
                                     .envelope = message,
                                     .message = message,
                                     .auth = &auth};
    explanation->has_match = explanation->config->rules && !explanation->recipient.is_null;
    if (explanation->has_match)
        explanation->found = rule_set_match(explanation->config->rules, &question,
                                            message->arena, &explanation->match);
}

/* The same steps as a message's way through route_auth.c, but those that are refused are looked at too. */
static void judge(struct cli_explanation *explanation)
{
    const struct auth_options *options = &explanation->config->auth;
    struct message *message = explanation->message;
    struct auth_verdict *verdict = &explanation->verdict;
    struct auth_decision client = auth_policy_decide_client(
        &message->client.address, &verdict->client, message->arena);
    struct auth_decision decision = auth_policy_decide(options, message, verdict);
    verdict->is_arc_overridden = decision.is_arc_overridden;
    verdict->is_quarantined = decision.is_quarantined;
    explanation->decision = client.action == AUTH_ACCEPT ? decision : client;
    explanation->is_unverified = route_is_postmaster(&explanation->recipient);
    if (explanation->is_unverified)
        explanation->decision = (struct auth_decision){.enhanced = "", .check = ""};
    explanation->fields =
        auth_results_fields(options, message, verdict,
                            decision.is_quarantined ? decision.check : "", message->arena);
    struct str *forged;
    explanation->forged_count =
        auth_results_forged(blob_view(message->raw), &message->header, options->authserv_id,
                            message->arena, &forged);
}

static int explain(struct cli_explanation *explanation, struct dns *dns,
                   struct http_client *http)
{
    const struct auth_options *options = &explanation->config->auth;
    struct message *message = explanation->message;
    struct auth_verdict *verdict = &explanation->verdict;
    auth_client_check(dns, options, &message->client.address,
                      task_in_ms(options->client_timeout_ms), message->arena,
                      &verdict->client);
    message->client.hostname = verdict->client.hostname;
    int result = auth_verify(dns, http, options, message, verdict);
    if (result < 0)
        return result;
    compare_bodies(explanation);
    judge(explanation);
    find_rule(explanation);
    return 0;
}

static int explain_in_task(void *arg)
{
    struct cli_explanation *explanation = arg;
    struct err err = {0};
    struct http_client *http = http_client_open(&err);
    struct dns *dns = http ? dns_open(&explanation->config->dns, &err) : NULL;
    int result = err.code;
    if (dns) {
        result = explain(explanation, dns, http);
        dns_close(dns);
    } else {
        fprintf(stderr, "postern explain: %s\n", err.text);
    }
    http_client_close(http);
    return result;
}

static int explain_and_print(struct cli_explanation *explanation, bool is_json)
{
    status_log_level(STR("off"));
    if (loop_run_task("explain", explain_in_task, explanation) < 0)
        return EXIT_FAILURE;
    if (is_json)
        cli_explain_as_json(explanation);
    else
        cli_explain_as_text(explanation);
    return explanation->decision.action == AUTH_ACCEPT ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- the command --- */

int cli_explain_message(const struct cli_command *command,
                        const struct cli_explain_message *asked)
{
    if (!asked->ip || !asked->helo || !asked->from) {
        fprintf(stderr,
                "postern explain: --message needs --ip, --helo and --from as well (\"\" is "
                "the null sender)\nusage: postern %s %s\n",
                command->name, command->usage);
        return EXIT_MISTAKE;
    }
    struct cli_explanation explanation = {.file = asked->file, .message = message_new()};
    struct err err = {0};
    struct config *config = NULL;
    int exit_code = EXIT_MISTAKE;
    if (read_addresses(asked, &explanation, &err) < 0 ||
        cli_read_message(asked->file, MESSAGE_BYTES_MAX, explanation.message, &err) < 0) {
        fprintf(stderr, "postern explain: %s\n", err.text);
    } else if ((config = read_config(asked))) {
        explanation.config = config;
        if (asked->resolver)
            config->dns.resolver = asked->resolver;
        exit_code = explain_and_print(&explanation, asked->as_json != NULL);
    }
    config_release(config);
    message_release(explanation.message);
    return exit_code;
}

/* The activity log by hand: what became of messages. It opens the store itself, so it works whether or not the service
 * runs; the service writes rows within a second. */
#include "cli/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"

#include "base/loop.h"
#include "cli/cli.h"
#include "cli/open_store.h"
#include "cli/when.h"
#include "mail/mailbox.h"
#include "mail/message.h"
#include "store/kept.h"

#define LIMIT_UNSAID   50
#define LIMIT_MAX      10000
#define TEXT_BYTES_MAX 200 /* as the store takes it */

struct request {
    const char *directory;
    const char *follow, *raw;
    const char *id, *to, *from, *status, *rule, *worker, *text, *since, *until, *limit;
    struct log_form form;
    struct arena *arena;
    struct store_activity_filter filter;
};

static int fail(const char *reason)
{
    fprintf(stderr, "postern log: %s\n", reason);
    return EXIT_FAILURE;
}

/* --- what it answers --- */

/* As it came, without anything around it. */
static int print_raw(const struct request *request, struct store *store)
{
    struct store_kept kept = {0};
    int result = store_kept_read(store, request->filter.message_id, request->arena, &kept);
    if (result == -ENOENT)
        return fail("that message is not kept: see keep_messages of host.yaml");
    if (result < 0)
        return fail(result == -EBADMSG ? "that message is not as it was kept"
                                       : strerror(-result));
    fwrite(kept.content.at, 1, kept.content.length, stdout);
    return EXIT_SUCCESS;
}

static int answer(const struct request *request, struct store *store)
{
    struct store_activity_row *rows;
    size_t count;
    if (request->follow) {
        int result = log_follow(store, &request->filter, &request->form);
        return result < 0 ? fail(strerror(-result)) : EXIT_SUCCESS;
    }
    if (request->raw)
        return print_raw(request, store);
    int result =
        store_activity_list(store, &request->filter, request->arena, &rows, &count);
    if (result < 0)
        return fail(strerror(-result));
    log_print_rows(&request->form, rows, count, request->arena);
    return count == 0 && request->id ? fail("there is no such message in the log")
                                     : EXIT_SUCCESS;
}

static int run(void *arg)
{
    struct request *request = arg;
    struct err err = {0};
    struct store *store =
        cli_open_store("postern log", request->directory, request->arena, &err);
    if (!store)
        return fail(err.text);
    int exit_code = answer(request, store);
    store_close(store);
    return exit_code;
}

/* --- what it is asked --- */

/* As it stands in the log, where domains are in normal form. */
static bool read_address(struct request *request, const char *text, struct str *address)
{
    struct mailbox mailbox;
    if (!text)
        return true;
    if (mailbox_parse(str_of(text), request->arena, &mailbox) < 0)
        return false;
    *address = mailbox.text;
    return true;
}

static bool is_status(const char *text)
{
    static const char *const names[] = {"forwarded", "queued",   "handled",
                                        "dropped",   "rejected", "deliveryFailed",
                                        "deferred",  "error"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_equal(str_of(text), str_of(names[i])))
            return true;
    return false;
}

static bool read_limit(struct request *request)
{
    unsigned long long limit = request->id ? LIMIT_MAX : LIMIT_UNSAID;
    if (request->limit &&
        (!str_to_number(str_of(request->limit), &limit) || limit < 1 || limit > LIMIT_MAX))
        return false;
    request->filter.limit = (size_t)limit;
    return true;
}

static struct str text_or_none(const char *text)
{
    return str_of(text ? text : "");
}

/* Options that mean nothing together: what is wrong with them, or NULL. */
static const char *check_together(const struct request *request)
{
    if (request->until && request->follow)
        return "--until does not go with --follow";
    return request->raw && !request->id ? "--raw goes with --id" : NULL;
}

/* What is wrong with the question, or NULL. */
static const char *read_question(struct request *request)
{
    struct store_activity_filter *filter = &request->filter;
    uint64_t now_ms = unix_now_ms();
    if (!read_address(request, request->to, &filter->recipient))
        return "--to is not an address";
    if (!read_address(request, request->from, &filter->from))
        return "--from is not an address";
    if (request->status && !is_status(request->status))
        return "--status is forwarded, queued, handled, dropped, rejected, deliveryFailed, "
               "deferred or error";
    if (request->since && !when_read_past(request->since, now_ms, &filter->since_ms))
        return "--since takes 90s, 5m, 2h, 7d, or a time as 2026-11-22T10:00:00Z";
    if (request->until && !when_read_past(request->until, now_ms, &filter->until_ms))
        return "--until takes 90s, 5m, 2h, 7d, or a time as 2026-11-22T10:00:00Z";
    if (request->text && strlen(request->text) > TEXT_BYTES_MAX)
        return "--text is too long";
    if (!read_limit(request))
        return "--limit is a number from 1 to 10000";
    filter->message_id = text_or_none(request->id);
    filter->status = text_or_none(request->status);
    filter->rule = text_or_none(request->rule);
    filter->worker = text_or_none(request->worker);
    filter->text = text_or_none(request->text);
    if (request->id && !request->form.as_json)
        request->form.as_story = request->id;
    return check_together(request);
}

static int ask(const struct cli_command *command, struct request *request)
{
    request->arena = arena_new();
    const char *wrong = read_question(request);
    int exit_code = 2;
    if (wrong)
        fprintf(stderr, "postern log: %s\nusage: postern %s %s\n", wrong, command->name,
                command->usage);
    else
        exit_code = loop_run_task("log", run, request);
    arena_free(request->arena);
    return exit_code;
}

int cli_log(const struct cli_command *command, int argc, char **argv)
{
    struct request request = {.directory = CLI_DIRECTORY};
    const struct cli_flag flags[] = {
        {"--follow", NULL, "go on with what happens from now on, until interrupted",
         &request.follow},
        {"--id", "ID", "one message, stage by stage", &request.id},
        {"--raw", NULL, "with --id: the message as it came, if it is kept", &request.raw},
        {"--stages", NULL, "every message stage by stage", &request.form.as_story},
        {"--to", "ADDRESS", "for this recipient, exactly as said in RCPT", &request.to},
        {"--from", "ADDRESS", "with this sender, exactly as said in MAIL", &request.from},
        {"--status", "STATUS",
         "forwarded, queued, handled, dropped, rejected, deliveryFailed, deferred, error",
         &request.status},
        {"--rule", "NAME", "that this rule matched", &request.rule},
        {"--worker", "NAME", "that this worker got", &request.worker},
        {"--text", "TEXT", "with this in sender, recipient or subject", &request.text},
        {"--since", "2h|TIME", "that came within the last 2h, or since this time",
         &request.since},
        {"--until", "2h|TIME", "that came before", &request.until},
        {"--limit", "COUNT", "the last so many: 50 unless said", &request.limit},
        {"--json", NULL, "a line of JSON for each, with all there is",
         &request.form.as_json},
    };
    struct cli_arguments arguments = {.flags = flags,
                                      .flag_count = sizeof flags / sizeof *flags,
                                      .positional = &request.directory,
                                      .positional_max = 1};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    return ask(command, &request);
}

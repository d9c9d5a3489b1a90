/* `postern run`: one message, one time of a schedule, one batch of a queue or one HTTP request through one script, nothing leaves; what it did is printed as
 * JSON. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "host.h"
#include "scheduled_run.h"

#include "base/loop.h"
#include "base/table.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/run_batch.h"
#include "cli/run_request.h"
#include "cli/when.h"

#define MESSAGE_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define LIST_MAX          32
#define LIMIT             1000000
#define LIMIT_MS          1000
#define MINUTE_MS         60000
#define EXIT_MISTAKE      2

struct asked {
    const char *script, *file, *from, *to, *auth, *spam_score;
    const char *scheduled, *cron, *time;  /* --scheduled: not NULL */
    const char *queue, *bodies[LIST_MAX]; /* --queue: not NULL */
    const char *request;                  /* --request: not NULL */
    const char *upstreams[LIST_MAX], *variables[LIST_MAX], *bindings[LIST_MAX],
        *headers[LIST_MAX];
    size_t upstream_count, variable_count, binding_count, body_count, header_count;
};

/* What is to be tried. */
struct errand {
    struct trial trial;
    bool is_scheduled;
    struct str cron;
    uint64_t due_ms;
    const char *queue; /* NULL: none */
    json_t *messages;  /* of the batch */
    struct trial_request request;
};

static enum worker_result run_scheduled(struct errand *errand)
{
    struct worker_outcome outcome;
    struct arena *arena = errand->trial.message->arena;
    const struct worker_event event = scheduled_event(errand->cron, errand->due_ms, arena);
    cli_json_print(trial_run_event(&errand->trial, &event, &outcome));
    return outcome.result;
}

static enum worker_result run_queue(struct errand *errand)
{
    struct worker_outcome outcome;
    struct err err = {0};
    const struct batch_asked asked = {str_of(errand->queue), errand->messages};
    json_t *report = trial_run_batch(&errand->trial, &asked, &outcome, &err);
    if (report) {
        cli_json_print(report);
        return outcome.result;
    }
    fprintf(stderr, "postern run: %s\n", err.text);
    return WORKER_BROKEN;
}

static enum worker_result run_request(struct errand *errand)
{
    struct worker_outcome outcome;
    struct err err = {0};
    json_t *report = trial_run_request(&errand->trial, &errand->request, &outcome, &err);
    if (report) {
        cli_json_print(report);
        return outcome.result;
    }
    fprintf(stderr, "postern run: %s\n", err.text);
    return WORKER_BROKEN;
}

static enum worker_result run_email(struct trial *trial)
{
    enum worker_result result;
    cli_json_print(trial_run(trial, &result));
    return result;
}

static int run(void *arg)
{
    struct errand *errand = arg;
    struct trial *trial = &errand->trial;
    status_log_level(STR("off"));
    config_start_workers(trial->config, NULL, NULL);
    trial->bindings = bindings_open(1);
    enum worker_result result = errand->is_scheduled            ? run_scheduled(errand)
                                : errand->queue                 ? run_queue(errand)
                                : errand->request.target.length ? run_request(errand)
                                                                : run_email(trial);
    worker_stop_all();
    bindings_close(trial->bindings);
    return result == WORKER_OK || result == WORKER_REJECTED ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* "NAME=VALUE" */
static int set_variables(const struct asked *asked, struct worker_options *options,
                         struct arena *arena, struct err *err)
{
    options->variables = arena_array(arena, struct worker_variable, asked->variable_count);
    options->variable_count = asked->variable_count;
    for (size_t i = 0; i < asked->variable_count; i++) {
        struct str rest = str_of(asked->variables[i]);
        if (str_index(rest, '=') <= 0)
            return err_set(err, -EINVAL, "--env \"%s\" is not NAME=VALUE",
                           asked->variables[i]);
        options->variables[i].name = str_cut(&rest, '=');
        options->variables[i].value = rest;
    }
    return 0;
}

/* "NAME=KIND" */
static int read_binding(const char *text, struct binding *binding, struct err *err)
{
    struct str rest = str_of(text);
    binding->name = binding->space = str_cut(&rest, '=');
    if (binding->name.length && trial_binding_kind(rest, &binding->kind)) {
        binding->limit = LIMIT; /* of a limiter, that no one message comes to */
        binding->period_ms = LIMIT_MS;
        return 0;
    }
    return err_set(err, -EINVAL,
                   "--bind \"%s\" is not NAME=kv, NAME=send, NAME=limiter, NAME=fetch, "
                   "NAME=queue",
                   text);
}

static int set_environment(const struct asked *asked, struct trial *trial, struct err *err)
{
    size_t at = 0;
    struct str name;
    void *found;
    table_next(trial->config->workers, &at, &name, &found);
    struct config_worker *worker = found;
    struct arena *arena = trial->config->arena;
    struct binding *bindings = arena_array(arena, struct binding, asked->binding_count);
    for (size_t i = 0; i < asked->binding_count; i++)
        if (read_binding(asked->bindings[i], &bindings[i], err) < 0)
            return err->code;
    trial_set_bindings(worker, bindings, asked->binding_count, arena);
    trial->worker = worker;
    return set_variables(asked, &worker->options, arena, err);
}

static int read_message(const struct asked *asked, struct message *message, struct err *err)
{
    int result =
        cli_read_message(asked->file ? asked->file : "-", MESSAGE_BYTES_MAX, message, err);
    message->client.helo = STR("localhost");
    net_address_parse(STR("127.0.0.1"), 0, &message->client.address);
    return result;
}

static int read_spam_score(const char *text, double *score, struct err *err)
{
    char *end = NULL;
    *score = text ? strtod(text, &end) : -1;
    if (!text || (end != text && !*end && *score >= 0 && *score <= 5))
        return 0;
    return err_set(err, -EINVAL, "--spam-score \"%s\" is not a number from 0 to 5", text);
}

static int read_upstreams(const struct asked *asked, struct trial *trial, struct err *err)
{
    trial->upstreams =
        arena_array(trial->message->arena, struct trial_upstream, asked->upstream_count);
    for (size_t i = 0; i < asked->upstream_count; i++)
        if (trial_read_upstream(trial, str_of(asked->upstreams[i]), err) < 0)
            return err->code;
    return 0;
}

static int read_email(const struct asked *asked, struct trial *trial, struct err *err)
{
    if (read_message(asked, trial->message, err) < 0 ||
        trial_read_envelope(trial, str_of(asked->from), str_of(asked->to), err) < 0 ||
        read_spam_score(asked->spam_score, &trial->spam_score, err) < 0 ||
        (asked->auth && trial_read_auth(trial, str_of(asked->auth), err) < 0))
        return err->code;
    return 0;
}

static int read_schedule(const struct asked *asked, struct errand *errand, struct err *err)
{
    struct cron cron;
    errand->is_scheduled = true;
    errand->cron = str_of(asked->cron ? asked->cron : "* * * * *");
    errand->due_ms = unix_now_ms() / MINUTE_MS * MINUTE_MS;
    if (cron_parse(errand->cron, &cron, err) < 0)
        return err_prefix(err, "--cron \"%s\"", asked->cron);
    if (asked->time && !when_read(asked->time, &errand->due_ms))
        return err_set(err, -EINVAL, "--time \"%s\" is not a time; one is 2026-11-22T07:00",
                       asked->time);
    return 0;
}

static int read_batch(const struct asked *asked, struct errand *errand, struct err *err)
{
    errand->queue = asked->queue;
    errand->messages = json_array();
    for (size_t i = 0; i < asked->body_count; i++) {
        json_error_t problem;
        json_t *body = json_loads(asked->bodies[i], JSON_DECODE_ANY, &problem);
        if (!body)
            return err_set(err, -EINVAL, "--body \"%s\" is no JSON: %s", asked->bodies[i],
                           problem.text);
        json_array_append_new(errand->messages, json_pack("{s:o}", "body", body));
    }
    return 0;
}

/* "POST /hooks/x"; its body is in the file, or given itself. */
static int read_request(const struct asked *asked, struct errand *errand, struct err *err)
{
    struct trial_request *request = &errand->request;
    struct arena *arena = errand->trial.message->arena;
    request->target = str_of(asked->request);
    request->method = str_cut(&request->target, ' ');
    if (request->target.length == 0)
        return err_set(err, -EINVAL, "--request \"%s\" is none; one is \"POST /hooks/x\"",
                       asked->request);
    for (size_t i = 0; i < asked->header_count; i++)
        if (trial_request_add_line(request, str_of(asked->headers[i]), arena, err) < 0)
            return err_prefix(err, "--header");
    if (asked->file)
        return cli_read_file(asked->file, MESSAGE_BYTES_MAX, arena, &request->body, err);
    if (asked->body_count)
        request->body = str_of(asked->bodies[0]);
    return 0;
}

static int read_errand(const struct asked *asked, struct errand *errand, struct err *err)
{
    struct trial *trial = &errand->trial;
    if (set_environment(asked, trial, err) < 0 || read_upstreams(asked, trial, err) < 0)
        return err->code;
    if (asked->queue)
        return read_batch(asked, errand, err);
    if (asked->request)
        return read_request(asked, errand, err);
    return asked->scheduled ? read_schedule(asked, errand, err)
                            : read_email(asked, trial, err);
}

static int try_script(const struct asked *asked)
{
    int exit_code = EXIT_FAILURE;
    struct err err = {0};
    struct problem_list problems;
    problem_list_open(&problems);
    struct errand errand = {
        .trial = {.message = message_new(),
                  .config = config_load_script(asked->script, NULL, &problems)}};
    host_print_problems(&problems);
    if (errand.trial.config && read_errand(asked, &errand, &err) < 0) {
        fprintf(stderr, "postern run: %s\n", err.text);
        exit_code = EXIT_MISTAKE;
    } else if (errand.trial.config) {
        exit_code = loop_run_task("run", run, &errand);
    }
    json_decref(errand.messages);
    config_release(errand.trial.config);
    message_release(errand.trial.message);
    problem_list_close(&problems);
    return exit_code;
}

/* What belongs to another kind of errand; NULL: nothing. */
static const char *find_stray(const struct asked *asked)
{
    if (!asked->scheduled && (asked->cron || asked->time))
        return "--cron and --time are for --scheduled";
    if (!asked->request && asked->header_count)
        return "--header goes with --request";
    if (!asked->request && !asked->queue != !asked->body_count)
        return "--queue goes with --body";
    return NULL;
}

/* Of what is given, what does not go together; NULL: nothing. */
static const char *find_mistake(const struct asked *asked)
{
    bool has_envelope = asked->from || asked->to || asked->auth || asked->spam_score;
    bool has_message = asked->file || has_envelope;
    int kinds =
        (asked->scheduled != NULL) + (asked->queue != NULL) + (asked->request != NULL);
    if (!asked->script)
        return "SCRIPT is needed";
    if (kinds > 1)
        return "--scheduled, --queue and --request go without each other";
    if ((asked->scheduled || asked->queue) && has_message)
        return "--scheduled and --queue go without MESSAGE, --from, --to, --auth and "
               "--spam-score";
    if (asked->request && (has_envelope || asked->body_count + (asked->file != NULL) > 1))
        return "--request goes without --from, --to, --auth and --spam-score, and with one "
               "body";
    if (kinds == 0 && (!asked->from || !asked->to))
        return "--from and --to are needed, or --scheduled, --queue or --request";
    return find_stray(asked);
}

static void print_more_help(void)
{
    puts(
        "\nWithout --auth nothing is verified: message.auth says \"none\", and reply() is "
        "let"
        "\nthrough. With it, what is not named is \"none\", and reply() wants dmarc=pass, "
        "as in"
        "\nservice. The words are pass, fail, softfail, neutral, none, temperror, "
        "permerror."
        "\n\nAn upstream is whoever takes what the worker forwards or replies; each answers"
        "\n\"250 2.0.0 captured\" unless --upstream says another reply for its address."
        "\n\nWhat the worker leaves in KV is printed as `kv`."
        "\n\nWith --scheduled the worker's `scheduled` handler runs, once, as if the time "
        "had come:"
        "\nnow, or --time."
        "\n\nWith --queue its `queue` handler gets a batch; what becomes of each message "
        "is "
        "printed"
        "\nas `messages`. What a worker sends to queues is printed as `queued`."
        "\n\nExit code: 0 the worker decided (accepted or refused the message), 1 it "
        "failed or"
        "\ndoes not load, 2 a mistake in the arguments.");
}

int cli_run(const struct cli_command *command, int argc, char **argv)
{
    const char *positional[2] = {NULL, NULL};
    struct asked asked = {0};
    const struct cli_flag flags[] = {
        {"--from", "ADDRESS", "the envelope sender; \"\" is the null sender", &asked.from},
        {"--to", "ADDRESS", "the envelope recipient", &asked.to},
        {"--auth", "CHECK=RESULT,…",
         "what was verified: dmarc=pass,spf=fail,dkim=,arc=", &asked.auth},
        {"--spam-score", "SCORE", "message.spamScore, 0 to 5", &asked.spam_score},
        {"--scheduled", NULL, "a time of its cron has come, in place of a message",
         &asked.scheduled},
        {"--cron", "LINE", "event.cron, with --scheduled: \"0 7 * * *\"", &asked.cron},
        {"--time", "TIME", "event.scheduledTime, with --scheduled: 2026-11-22T07:00 (UTC)",
         &asked.time},
        {"--queue", "QUEUE", "batch.queue of a batch, in place of a message", &asked.queue},
        {"--request", "METHOD URL",
         "an HTTP request, in place of a message: \"POST /hooks/x\"; a file's content is "
         "its body",
         &asked.request},
        {"--header", "NAME: VALUE", "of the request; repeatable", asked.headers},
        {"--body", "JSON", "of a message of the batch, repeatable; or of the request",
         asked.bodies},
        {"--env", "NAME=VALUE", "a variable in env; repeatable", asked.variables},
        {"--bind", "NAME=KIND",
         "a binding in env: KIND is kv (empty at first), send, limiter, queue or fetch "
         "(nobody answers); repeatable",
         asked.bindings},
        {"--upstream", "ADDRESS=REPLY",
         "what the next hop of an address says: me@dest.test=\"550 5.1.1 gone\"; "
         "repeatable",
         asked.upstreams},
    };
    struct cli_list lists[] = {{asked.upstreams, LIST_MAX, 0},
                               {asked.variables, LIST_MAX, 0},
                               {asked.bindings, LIST_MAX, 0},
                               {asked.bodies, LIST_MAX, 0},
                               {asked.headers, LIST_MAX, 0}};
    struct cli_arguments arguments = {.flags = flags,
                                      .flag_count = sizeof flags / sizeof *flags,
                                      .positional = positional,
                                      .positional_max = 2,
                                      .lists = lists,
                                      .list_count = 5,
                                      .more_help = print_more_help};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    asked.script = positional[0];
    asked.file = positional[1];
    asked.body_count = lists[3].count;
    asked.header_count = lists[4].count;
    const char *mistake = find_mistake(&asked);
    if (mistake) {
        fprintf(stderr, "postern run: %s\nusage: postern %s %s\n", mistake, command->name,
                command->usage);
        return EXIT_MISTAKE;
    }
    asked.upstream_count = lists[0].count;
    asked.variable_count = lists[1].count;
    asked.binding_count = lists[2].count;
    return try_script(&asked);
}

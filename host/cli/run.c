/* `postern run`: one message through one script, nothing leaves; what it did is printed as JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "host.h"

#include "base/loop.h"
#include "base/table.h"
#include "base/task.h"
#include "cli/cli.h"
#include "cli/json.h"

#define MESSAGE_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define POLL_MS           5

struct trial {
    const char *script, *file, *from, *to;
    struct config *config;
    struct message *message;
    struct mailbox recipient;
    json_t *forwards, *replies;
};

/* Header lines as an object; a name that stands twice keeps its last value. */
static json_t *json_headers(struct str lines, struct arena *arena)
{
    json_t *object = json_object();
    struct header header;
    header_parse(lines, arena, &header);
    for (size_t i = 0; i < header.count; i++) {
        struct str value = header_unfold(header.fields[i].value, arena);
        json_object_set_new(object, arena_text(arena, header.fields[i].name),
                            cli_json_bytes(value));
    }
    return object;
}

static void capture(void *arg, const struct delivery_request *request, struct arena *arena,
                    struct delivery_result *result)
{
    struct trial *trial = arg;
    json_t *to = cli_json_bytes(request->recipient->text);
    if (str_equal(request->message_id, trial->message->id))
        json_array_append_new(
            trial->forwards,
            json_pack("{s:o, s:o}", "to", to, "headers",
                      json_headers(request->parts[FORWARD_HEADERS], arena)));
    else
        json_array_append_new(trial->replies,
                              json_pack("{s:o, s:o}", "to", to, "raw",
                                        cli_json_bytes(request->parts[REPLY_CONTENT])));
    result->status = DELIVERY_OK;
    result->reply = reply_make(250, "2.0.0", "captured");
}

static json_t *log_of(const struct trail *trail)
{
    json_t *lines = json_array();
    for (const struct trail_entry *entry = trail_first(trail); entry; entry = entry->next)
        if (entry->event == STATUS_WORKER_LOG)
            json_array_append_new(lines,
                                  json_pack("{s:o, s:o}", "level",
                                            cli_json_bytes(entry->fields[0].text), "text",
                                            cli_json_bytes(entry->fields[1].text)));
    return lines;
}

static int print_outcome(const struct trial *trial, const struct passage *passage,
                         const struct worker_outcome *outcome, const struct reply *reply)
{
    json_t *report = json_pack(
        "{s:s, s:O, s:O, s:o, s:{s:i, s:s, s:o}, s:I}", "outcome",
        worker_result_name(outcome->result), "forwards", trial->forwards, "replies",
        trial->replies, "log", log_of(passage->trail), "smtpReply", "code", reply->code,
        "enhanced", reply->enhanced, "text", cli_json_bytes(str_of(reply->text)), "cpuUs",
        (json_int_t)outcome->cpu_us);
    if (outcome->result == WORKER_REJECTED)
        json_object_set_new(report, "rejectReason", cli_json_bytes(outcome->text));
    else if (outcome->result != WORKER_OK)
        json_object_set_new(report, "error", cli_json_bytes(outcome->text));
    if (outcome->traceback.length)
        json_object_set_new(report, "traceback", cli_json_bytes(outcome->traceback));
    json_dumpf(report, stdout, JSON_INDENT(2));
    puts("");
    json_decref(report);
    return outcome->result == WORKER_OK || outcome->result == WORKER_REJECTED
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}

static int run(void *arg)
{
    struct trial *trial = arg;
    trial->forwards = json_array();
    trial->replies = json_array();
    struct router router = {.config = trial->config,
                            .delivery = delivery_open_capture(capture, trial),
                            .is_reply_unchecked = true};
    status_log_level(STR("off"));
    config_start_workers(trial->config, NULL);
    size_t at = 0;
    struct str name;
    void *worker;
    table_next(trial->config->workers, &at, &name, &worker);
    struct passage *passage = passage_new(&router, trial->message);
    route_verify_message(passage);
    struct rule_match match = {0};
    struct worker_outcome ended = {0};
    struct smtp_recipient recipient = {.mailbox = trial->recipient};
    struct outcome outcome = {.recipient = &recipient};
    struct reply reply = route_through_worker(
        passage, &outcome, &match, ((struct config_worker *)worker)->worker, &ended);
    while (passage->references > 1) /* waitUntil functions */
        task_sleep(POLL_MS);
    int exit_code = print_outcome(trial, passage, &ended, &reply);
    passage_release(passage);
    worker_stop_all();
    delivery_close(router.delivery);
    json_decref(trial->forwards);
    json_decref(trial->replies);
    return exit_code;
}

static int read_message(struct trial *trial, struct err *err)
{
    struct message *message = trial->message;
    int result = cli_read_message(trial->file, MESSAGE_BYTES_MAX, message, err);
    message->client.helo = STR("localhost");
    net_address_parse(STR("127.0.0.1"), 0, &message->client.address);
    return result;
}

static int read_envelope(struct trial *trial, struct err *err)
{
    struct message *message = trial->message;
    message->reverse_path.is_null = !trial->from[0];
    if (trial->from[0] &&
        mailbox_parse(str_of(trial->from), message->arena, &message->reverse_path) < 0)
        return err_set(err, -EINVAL, "--from \"%s\" is not an address", trial->from);
    if (mailbox_parse(str_of(trial->to), message->arena, &trial->recipient) < 0)
        return err_set(err, -EINVAL, "--to \"%s\" is not an address", trial->to);
    return 0;
}

static int run_trial(struct trial *trial)
{
    int exit_code = EXIT_FAILURE;
    struct err err = {0};
    struct problem_list problems;
    problem_list_open(&problems);
    trial->message = message_new();
    trial->config = config_load_script(trial->script, &problems);
    host_print_problems(&problems);
    if (trial->config) {
        if (read_message(trial, &err) < 0 || read_envelope(trial, &err) < 0)
            fprintf(stderr, "postern run: %s\n", err.text);
        else
            exit_code = loop_run_task("run", run, trial);
    }
    config_release(trial->config);
    message_release(trial->message);
    problem_list_close(&problems);
    return exit_code;
}

int cli_run(const struct cli_command *command, int argc, char **argv)
{
    const char *positional[2] = {NULL, "-"}, *from = NULL, *to = NULL;
    const struct cli_flag flags[] = {
        {"--from", "ADDRESS", "the envelope sender; \"\" is the null sender", &from},
        {"--to", "ADDRESS", "the envelope recipient", &to},
    };
    struct cli_arguments arguments = {
        .flags = flags, .flag_count = 2, .positional = positional, .positional_max = 2};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    if (!positional[0] || !from || !to) {
        fprintf(stderr,
                "postern run: SCRIPT, --from and --to are needed\nusage: postern %s %s\n",
                command->name, command->usage);
        return 2;
    }
    struct trial trial = {
        .script = positional[0], .file = positional[1], .from = from, .to = to};
    return run_trial(&trial);
}

/* `postern status`: asks every host of the service at its control socket, all at once, and adds up what they say. What
 * a host has counted is in memory that all of them share, so that the sums are whole even when one does not answer. */
#include "cli/status.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared.h"

#include "base/loop.h"
#include "base/task.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "net/listener.h"

#define ANSWER_MS        5000
#define ANSWER_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define SOCKETS_MAX      (SHARED_HOSTS_MAX + 1) /* and that of `postern dev` */

/* --- asking --- */

struct question {
    const char *socket_path;
    json_t *report; /* NULL: no answer */
};

struct survey {
    struct question questions[SOCKETS_MAX];
    size_t count;
};

static int ask(void *arg)
{
    struct question *question = arg;
    uint64_t deadline_ms = task_in_ms(ANSWER_MS);
    struct net_stream *stream;
    int result = net_stream_connect_local(question->socket_path, deadline_ms, &stream);
    if (result < 0)
        return result;
    const struct str request = STR("status\n");
    struct buf answer;
    buf_init(&answer, ANSWER_BYTES_MAX);
    result = net_stream_write(stream, &request, 1, deadline_ms);
    while (result == 0 && net_stream_fill(stream, deadline_ms) > 0) {
        struct str input = net_stream_input(stream);
        result = buf_append(&answer, input);
        net_stream_consume(stream, input.length);
    }
    net_stream_close(stream);
    struct str text = buf_view(&answer);
    question->report = json_loadb(text.at, text.length, 0, NULL);
    if (!json_is_object(json_object_get(question->report, "service"))) {
        json_decref(question->report);
        question->report = NULL;
    }
    buf_free(&answer);
    return result;
}

static int ask_all(void *arg)
{
    struct survey *survey = arg;
    struct task_job jobs[SOCKETS_MAX];
    for (size_t i = 0; i < survey->count; i++)
        jobs[i] = (struct task_job){ask, &survey->questions[i], 0};
    return task_gather("question", jobs, survey->count);
}

/* "control.sock", "control.3.sock" */
static int is_control_socket(const struct dirent *entry)
{
    struct str name = str_of(entry->d_name);
    return str_starts(name, STR("control.")) && str_ends_nocase(name, STR("sock"));
}

static void find_sockets(const char *state_directory, struct arena *arena,
                         struct survey *survey)
{
    struct dirent **entries;
    int found = scandir(state_directory, &entries, is_control_socket, alphasort);
    for (int i = 0; i < found; i++) {
        if (survey->count < SOCKETS_MAX)
            survey->questions[survey->count++].socket_path =
                arena_printf(arena, "%s/%s", state_directory, entries[i]->d_name);
        free(entries[i]);
    }
    if (found >= 0)
        free(entries);
}

/* --- adding up --- */

static void add_number(json_t *sum, const char *key, const json_t *part)
{
    json_object_set_new(
        sum, key, json_integer(cli_json_number(sum, key) + cli_json_number(part, key)));
}

/* The list's items, each with its host's number. */
static void add_items(json_t *sum, const char *key, const json_t *report)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(report, key), i, item)
    {
        json_object_set(item, "host", json_object_get(report, "host"));
        json_array_append(json_object_get(sum, key), item);
    }
}

static void add_report(json_t *sum, const json_t *report)
{
    static const char *const lists[] = {"workers", "canaries", "reload_problems",
                                        "upstream_connections", "tasks"};
    add_number(sum, "sessions", report);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (!json_object_get(sum, lists[i]))
            json_object_set_new(sum, lists[i], json_array());
        add_items(sum, lists[i], report);
    }
}

static const json_t *report_of_host(const struct survey *survey, long long number)
{
    for (size_t i = 0; i < survey->count; i++)
        if (survey->questions[i].report &&
            cli_json_number(survey->questions[i].report, "host") == number)
            return survey->questions[i].report;
    return NULL;
}

/* What the service knows of the host, and what the host says itself. */
static json_t *describe_host(const struct survey *survey, json_t *known)
{
    const json_t *report = report_of_host(survey, cli_json_number(known, "host"));
    json_t *host = json_copy(known);
    json_object_set_new(host, "answers", json_boolean(report != NULL));
    if (report) {
        json_object_set(host, "uptime_ms", json_object_get(report, "uptime_ms"));
        json_object_set(host, "sessions", json_object_get(report, "sessions"));
    }
    return host;
}

/* A report without what is to be summed. */
static json_t *copy_rest(const json_t *report)
{
    static const char *const summed[] = {
        "sessions", "workers", "canaries", "reload_problems", "upstream_connections",
        "tasks",    "events",  "host"};
    json_t *rest = json_copy((json_t *)(uintptr_t)report);
    for (size_t i = 0; i < sizeof summed / sizeof *summed; i++)
        json_object_del(rest, summed[i]);
    return rest;
}

static json_t *sum_events(const json_t *hosts)
{
    json_t *sum = json_object();
    size_t i;
    const json_t *host;
    json_array_foreach(hosts, i, host)
    {
        json_t *counts = json_object_get(host, "events");
        const char *name;
        json_t *count;
        json_object_foreach(counts, name, count)
        {
            add_number(sum, name, counts);
        }
    }
    return sum;
}

/* What the shared memory tells, the same whichever host was asked. */
static void add_service(json_t *sum, const struct survey *survey)
{
    json_t *service = json_object_get(sum, "service");
    json_t *hosts = json_array(), *known;
    size_t i;
    json_array_foreach(json_object_get(service, "hosts"), i, known)
    {
        json_array_append_new(hosts, describe_host(survey, known));
    }
    json_object_set(sum, "pid", json_object_get(service, "pid"));
    json_object_set(sum, "uptime_ms", json_object_get(service, "uptime_ms"));
    json_object_set_new(sum, "events", sum_events(hosts));
    json_object_set_new(sum, "hosts", hosts);
    json_object_del(sum, "service");
}

/* One report for the service: as a host's own, with the sums, and "hosts". What else a host tells is taken from the
 * first that answers. NULL when none does. */
static json_t *sum_up(const struct survey *survey)
{
    json_t *sum = NULL;
    for (size_t i = 0; i < survey->count; i++) {
        const json_t *report = survey->questions[i].report;
        if (report && !sum)
            sum = copy_rest(report);
        if (report)
            add_report(sum, report);
    }
    if (sum)
        add_service(sum, survey);
    return sum;
}

int cli_status(const struct cli_command *command, int argc, char **argv)
{
    const char *directory = CLI_DIRECTORY, *as_json = NULL;
    const struct cli_flag flags[] = {
        {"--json", NULL, "print the report as JSON", &as_json}};
    struct cli_arguments arguments = {
        .flags = flags, .flag_count = 1, .positional = &directory, .positional_max = 1};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    struct arena *arena = arena_new();
    struct survey survey = {0};
    const char *state_directory = config_state_directory(directory, arena);
    find_sockets(state_directory, arena, &survey);
    loop_run_task("status", ask_all, &survey);
    json_t *report = sum_up(&survey);
    if (!report) {
        fprintf(stderr, "postern status: no Postern answers in %s\n", state_directory);
    } else if (as_json) {
        json_dumpf(report, stdout, JSON_INDENT(2));
        puts("");
    } else {
        status_print(report);
    }
    exit_code = report ? EXIT_SUCCESS : EXIT_FAILURE;
    json_decref(report);
    for (size_t i = 0; i < survey.count; i++)
        json_decref(survey.questions[i].report);
    arena_free(arena);
    return exit_code;
}

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "host.h"

#include "base/loop.h"
#include "base/task.h"
#include "cli/cli.h"
#include "net/listener.h"

#define ANSWER_MS 5000

struct question {
    struct arena *arena;
    const char *socket_path;
    json_t *report;
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
    buf_init(&answer, (size_t)16 * 1024 * 1024);
    result = net_stream_write(stream, &request, 1, deadline_ms);
    while (result == 0 && net_stream_fill(stream, deadline_ms) > 0) {
        struct str input = net_stream_input(stream);
        result = buf_append(&answer, input);
        net_stream_consume(stream, input.length);
    }
    net_stream_close(stream);
    struct str text = buf_view(&answer);
    question->report = json_loadb(text.at, text.length, 0, NULL);
    buf_free(&answer);
    return result;
}

static void print_list(const json_t *report, const char *title, const char *list_key,
                       const char *name_key, const char *detail_key)
{
    const json_t *list = json_object_get(report, list_key);
    size_t i;
    const json_t *item;
    if (json_array_size(list))
        printf("%s\n", title);
    json_array_foreach(list, i, item)
    {
        const json_t *detail = json_object_get(item, detail_key);
        printf("  %-16s ", json_string_value(json_object_get(item, name_key)));
        if (json_is_string(detail))
            printf("%s (for %lld ms)\n", json_string_value(detail),
                   (long long)json_integer_value(json_object_get(item, "for_ms")));
        else
            printf("%lld %s\n", (long long)json_integer_value(detail), detail_key);
    }
}

static void print_report(json_t *report)
{
    printf("%s: postern %s, process %lld, up %lld s, %lld sessions, %lld rules in %lld "
           "domains\n",
           json_string_value(json_object_get(report, "name")),
           json_string_value(json_object_get(report, "version")),
           (long long)json_integer_value(json_object_get(report, "pid")),
           (long long)json_integer_value(json_object_get(report, "uptime_ms")) / 1000,
           (long long)json_integer_value(json_object_get(report, "sessions")),
           (long long)json_integer_value(json_object_get(report, "rules")),
           (long long)json_integer_value(json_object_get(report, "domains")));
    const char *name;
    json_t *count;
    json_object_foreach(json_object_get(report, "events"), name,
                        count) if (json_integer_value(count))
        printf("  %-24s %lld\n", name, (long long)json_integer_value(count));
    print_list(report, "workers", "workers", "name", "in_flight");
    print_list(report, "upstream connections", "upstream_connections", "peer", "messages");
    print_list(report, "tasks", "tasks", "task", "stage");
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
    struct question question = {.arena = arena_new()};
    question.socket_path = arena_printf(question.arena, "%s/control.sock",
                                        config_state_directory(directory, question.arena));
    int result = loop_run_task("status", ask, &question);
    exit_code = EXIT_FAILURE;
    if (!question.report) {
        fprintf(stderr, "postern status: no Postern answers on %s: %s\n",
                question.socket_path, result < 0 ? strerror(-result) : "not a report");
    } else if (as_json) {
        json_dumpf(question.report, stdout, JSON_INDENT(2));
        puts("");
        exit_code = EXIT_SUCCESS;
    } else {
        print_report(question.report);
        exit_code = EXIT_SUCCESS;
    }
    json_decref(question.report);
    arena_free(question.arena);
    return exit_code;
}

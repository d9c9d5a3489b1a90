/* The report of `postern status` for people. */
#include <stdio.h>

#include "config.h"

#include "cli/json.h"
#include "cli/status.h"
#include "cli/when.h"

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
        printf("  %-16s ", cli_json_text(item, name_key));
        if (json_is_string(detail))
            printf("%s (for %lld ms)\n", json_string_value(detail),
                   cli_json_number(item, "for_ms"));
        else
            printf("%lld %s\n", (long long)json_integer_value(detail), detail_key);
    }
}

static void print_workers(const json_t *report)
{
    const json_t *list = json_object_get(report, "workers");
    size_t i;
    const json_t *item;
    if (json_array_size(list))
        puts("workers");
    json_array_foreach(list, i, item)
    {
        printf("  %-16s %lld in_flight, circuit %s, script %.*s\n",
               cli_json_text(item, "name"), cli_json_number(item, "in_flight"),
               cli_json_text(item, "circuit"), CONFIG_HASH_DIGITS,
               cli_json_text(item, "script_hash"));
    }
}

/* The hosts put their figures together, so that each tells the same. */
static void print_canaries(const json_t *report)
{
    const json_t *list = json_object_get(report, "canaries");
    size_t i;
    const json_t *item;
    if (json_array_size(list))
        puts("new versions of workers");
    json_array_foreach(list, i, item)
    {
        printf("  %-16s %s in host %lld: script %.*s, %lld%%, %lld of %lld runs failed; "
               "before it %.*s, %lld of %lld\n",
               cli_json_text(item, "name"), cli_json_text(item, "state"),
               cli_json_number(item, "host"), CONFIG_HASH_DIGITS,
               cli_json_text(item, "script_hash"), cli_json_number(item, "share"),
               cli_json_number(item, "failures"), cli_json_number(item, "runs"),
               CONFIG_HASH_DIGITS, cli_json_text(item, "script_hash_before"),
               cli_json_number(item, "failures_before"),
               cli_json_number(item, "runs_before"));
    }
}

static void print_queues(const json_t *report)
{
    const json_t *list = json_object_get(report, "queues");
    size_t i;
    const json_t *item;
    if (json_array_size(list))
        puts("queues between workers");
    json_array_foreach(list, i, item)
    {
        long long oldest_ms = cli_json_number(item, "oldest_ms");
        printf("  %-16s %lld messages, %lld in batches, %lld dead letters",
               cli_json_text(item, "name"), cli_json_number(item, "messages"),
               cli_json_number(item, "in_batch"), cli_json_number(item, "dead"));
        if (oldest_ms)
            printf(", the oldest sent %lld s ago",
                   ((long long)unix_now_ms() - oldest_ms) / 1000);
        puts("");
    }
}

static void print_reload_problems(const json_t *report)
{
    const json_t *list = json_object_get(report, "reload_problems");
    size_t i;
    const json_t *item;
    if (json_array_size(list))
        puts("the last change was refused, what was there before it serves");
    json_array_foreach(list, i, item)
    {
        printf("  host %-11lld %s:%lld:%lld: %s\n", cli_json_number(item, "host"),
               cli_json_text(item, "file"), cli_json_number(item, "line"),
               cli_json_number(item, "column"), cli_json_text(item, "problem"));
    }
}

static void print_hosts(const json_t *report)
{
    size_t i;
    const json_t *host;
    puts("hosts");
    json_array_foreach(json_object_get(report, "hosts"), i, host)
    {
        printf("  %-16lld ", cli_json_number(host, "host"));
        if (json_is_true(json_object_get(host, "answers")))
            printf("process %lld, up %lld s, %lld sessions", cli_json_number(host, "pid"),
                   cli_json_number(host, "uptime_ms") / 1000,
                   cli_json_number(host, "sessions"));
        else if (cli_json_number(host, "pid"))
            printf("process %lld does not answer", cli_json_number(host, "pid"));
        else
            printf("is not running");
        printf(", started again %lld times\n", cli_json_number(host, "restarts"));
    }
}

static const char *minute_text(const json_t *object, const char *key, char *text)
{
    return when_text_minute((uint64_t)cli_json_number(object, key), text);
}

static void print_schedules(const json_t *report)
{
    const json_t *list = json_object_get(report, "schedules");
    size_t i;
    const json_t *item;
    char text[WHEN_BYTES];
    if (json_array_size(list))
        puts("schedules (UTC)");
    json_array_foreach(list, i, item)
    {
        const json_t *last = json_object_get(item, "last");
        printf("  %-16s \"%s\"", cli_json_text(item, "worker"),
               cli_json_text(item, "cron"));
        if (json_is_integer(json_object_get(item, "next_ms")))
            printf(", next %s", minute_text(item, "next_ms", text));
        if (json_is_object(last))
            printf(", last %s: %s", minute_text(last, "due_ms", text),
                   cli_json_text(last, "outcome"));
        puts("");
    }
}

void status_print(const json_t *report)
{
    printf("%s: postern %s, process %lld, up %lld s, %lld sessions, %lld rules in %lld "
           "domains\n",
           cli_json_text(report, "name"), cli_json_text(report, "version"),
           cli_json_number(report, "pid"), cli_json_number(report, "uptime_ms") / 1000,
           cli_json_number(report, "sessions"), cli_json_number(report, "rules"),
           cli_json_number(report, "domains"));
    const char *name;
    json_t *count;
    json_object_foreach(json_object_get(report, "events"), name,
                        count) if (json_integer_value(count))
        printf("  %-24s %lld\n", name, (long long)json_integer_value(count));
    print_hosts(report);
    print_reload_problems(report);
    print_workers(report);
    print_canaries(report);
    print_schedules(report);
    print_queues(report);
    print_list(report, "upstream connections", "upstream_connections", "peer", "messages");
    print_list(report, "tasks", "tasks", "task", "stage");
}

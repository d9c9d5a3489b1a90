#include "control.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rollout.h"

#include "base/mem.h"
#include "base/table.h"
#include "base/task.h"
#include "net/listener.h"
#include "store/worker_queue.h"

#define REQUEST_BYTES_MAX   256
#define REQUEST_MS          5000
#define TASKS_LISTED_MAX    1000
#define PROBLEMS_LISTED_MAX 20

struct control {
    struct host *host;
    struct net_listener *listener;
};

/* Bytes from outside may be no UTF-8, which JSON cannot hold. */
static json_t *json_text(struct str text)
{
    json_t *json = json_stringn(text.at, text.length);
    return json ? json : json_string("(not UTF-8)");
}

static void see_task(const char *name, const char *stage, uint64_t stage_age_ms, void *arg)
{
    json_t *tasks = arg;
    if (json_array_size(tasks) < TASKS_LISTED_MAX)
        json_array_append_new(tasks, json_pack("{s:s, s:o, s:I}", "task", name, "stage",
                                               json_text(str_of(stage)), "for_ms",
                                               (json_int_t)stage_age_ms));
}

static void see_worker(const struct worker_view *view, void *arg)
{
    json_array_append_new(arg, json_pack("{s:o, s:o, s:i, s:I, s:I, s:s}", "name",
                                         json_text(view->name), "script_hash",
                                         json_text(view->label), "pid", view->pid,
                                         "in_flight", (json_int_t)view->in_flight,
                                         "lua_bytes", (json_int_t)view->lua_bytes,
                                         "circuit", circuit_state_name(view->circuit)));
}

static void see_connection(struct str peer, bool is_idle, size_t messages, void *arg)
{
    json_array_append_new(arg, json_pack("{s:o, s:b, s:I}", "peer", json_text(peer), "idle",
                                         is_idle, "messages", (json_int_t)messages));
}

static json_t *event_counts(const struct shared_host *slot)
{
    json_t *counts = json_object();
    for (enum status_event event = 0; event < STATUS_EVENT_COUNT; event++)
        json_object_set_new(counts, status_event_name(event),
                            json_integer((json_int_t)atomic_load(&slot->events[event])));
    return counts;
}

/* What is known of every host, whether it answers or not. */
static json_t *service_report(const struct shared *shared)
{
    json_t *hosts = json_array();
    for (unsigned i = 0; i < shared->host_count && i < SHARED_HOSTS_MAX; i++) {
        const struct shared_host *slot = &shared->hosts[i];
        json_array_append_new(hosts,
                              json_pack("{s:i, s:I, s:I, s:o}", "host", (int)i, "pid",
                                        (json_int_t)atomic_load(&slot->pid), "restarts",
                                        (json_int_t)atomic_load(&slot->restarts), "events",
                                        event_counts(slot)));
    }
    return json_pack("{s:I, s:I, s:o}", "pid", (json_int_t)shared->service_pid, "uptime_ms",
                     (json_int_t)(unix_now_ms() - shared->started_at), "hosts", hosts);
}

/* A new version and the one before it. */
static json_t *canary_report(const struct config_worker *worker)
{
    struct canary_figures figures;
    enum canary_state state = rollout_state(worker->rollout, &worker->canary, &figures);
    const struct config_worker *before = rollout_before(worker->rollout);
    return json_pack("{s:o, s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:I}", "name",
                     json_text(worker->options.name), "state", canary_state_name(state),
                     "share", (json_int_t)worker->canary.share_percent, "script_hash",
                     worker->script_hash, "script_hash_before", before->script_hash, "runs",
                     (json_int_t)figures.canary.runs, "failures",
                     (json_int_t)figures.canary.failures, "runs_before",
                     (json_int_t)figures.before.runs, "failures_before",
                     (json_int_t)figures.before.failures);
}

static json_t *canaries(const struct config *config)
{
    json_t *list = json_array();
    struct str name;
    void *value;
    for (size_t at = 0; table_next(config->workers, &at, &name, &value);) {
        const struct config_worker *worker = value;
        if (worker->rollout)
            json_array_append_new(list, canary_report(worker));
    }
    return list;
}

/* "lost": its host has died. */
static json_t *last_run(const struct store_schedule *known)
{
    struct str outcome = known->outcome;
    if (known->due_ms == 0)
        return json_null();
    if (known->until_ms)
        outcome = known->until_ms > unix_now_ms() ? STR("running") : STR("lost");
    return json_pack("{s:I, s:I, s:I, s:o}", "due_ms", (json_int_t)known->due_ms,
                     "started_ms", (json_int_t)known->started_ms, "ended_ms",
                     (json_int_t)known->ended_ms, "outcome", json_text(outcome));
}

/* Whichever host runs them. */
static json_t *schedules(struct scheduler *scheduler)
{
    json_t *list = json_array();
    struct arena *arena = arena_new();
    size_t count;
    const struct scheduler_line *lines = scheduler_lines(scheduler, arena, &count);
    for (size_t i = 0; i < count; i++) {
        const struct scheduler_line *line = &lines[i];
        json_t *next = line->next_ms == CRON_NEVER
                           ? json_null()
                           : json_integer((json_int_t)line->next_ms);
        json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o}", "worker",
                                              json_text(line->known.worker), "cron",
                                              json_text(line->known.cron), "next_ms", next,
                                              "last", last_run(&line->known)));
    }
    arena_free(arena);
    return list;
}

/* Of the workers; the same in every host. */
static json_t *worker_queues(struct store *store)
{
    json_t *list = json_array();
    struct arena *arena = arena_new();
    struct store_worker_queue *queues;
    size_t count;
    store_worker_queue_list(store, arena, &queues, &count);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:o, s:I, s:I, s:I, s:I, s:I}", "name",
                                              json_text(queues[i].name), "messages",
                                              (json_int_t)queues[i].messages, "in_batch",
                                              (json_int_t)queues[i].held, "dead",
                                              (json_int_t)queues[i].dead, "bytes",
                                              (json_int_t)queues[i].bytes, "oldest_ms",
                                              (json_int_t)queues[i].oldest_ms));
    arena_free(arena);
    return list;
}

/* Why the files as they are now are not in effect. */
static json_t *reload_problems(const struct host_reload_report *report)
{
    json_t *list = json_array();
    const struct problem *problem = report->problems.first;
    for (; problem && json_array_size(list) < PROBLEMS_LISTED_MAX; problem = problem->next)
        json_array_append_new(
            list, json_pack("{s:o, s:i, s:i, s:o}", "file", json_text(problem->file),
                            "line", (int)problem->line, "column", (int)problem->column,
                            "problem", json_text(problem->text)));
    return list;
}

static json_t *status_report(const struct host *host)
{
    const struct config *config = host->router.config;
    json_t *tasks = json_array(), *workers = json_array(), *connections = json_array();
    task_each(see_task, tasks);
    worker_each(see_worker, workers);
    delivery_each_connection(host->router.delivery, see_connection, connections);
    return json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, "
                     "s:o, s:o, s:o, s:o, s:o}",
                     "version", POSTERN_VERSION, "name", config->host_name, "host",
                     (int)host->number, "pid", (int)getpid(), "uptime_ms",
                     (json_int_t)(unix_now_ms() - host->started_at), "sessions",
                     (json_int_t)smtp_server_session_count(host->server), "rules",
                     (json_int_t)rule_set_rule_count(config->rules), "domains",
                     (json_int_t)rule_set_domain_count(config->rules), "reloaded_at_ms",
                     (json_int_t)host->last_reload.time_ms, "events",
                     event_counts(&host->shared->hosts[host->number]), "workers", workers,
                     "canaries", canaries(config), "schedules", schedules(host->scheduler),
                     "queues", worker_queues(host->router.store), "reload_problems",
                     reload_problems(&host->last_reload), "upstream_connections",
                     connections, "tasks", tasks, "service", service_report(host->shared));
}

static void answer(struct net_stream *stream, json_t *document, uint64_t deadline_ms)
{
    char *text = json_dumps(document, JSON_COMPACT);
    invariant(text != NULL, "control: a report is not JSON");
    const struct str parts[] = {str_of(text), STR("\n")};
    net_stream_write(stream, parts, 2, deadline_ms);
    free(text);
    json_decref(document);
}

static void on_connection(struct net_stream *stream, void *arg)
{
    struct control *control = arg;
    uint64_t deadline_ms = task_in_ms(REQUEST_MS);
    struct str request = net_stream_input(stream);
    while (str_index(request, '\n') < 0 && request.length < REQUEST_BYTES_MAX &&
           net_stream_fill(stream, deadline_ms) > 0)
        request = net_stream_input(stream);
    if (str_starts(request, STR("status\n")))
        answer(stream, status_report(control->host), deadline_ms);
    else
        answer(stream, json_pack("{s:s}", "error", "unknown request; there is: status"),
               deadline_ms);
    net_stream_close(stream);
}

struct control *control_open(struct host *host, struct err *err)
{
    struct control *control = mem_zero(1, sizeof *control);
    control->host = host;
    struct arena *arena = arena_new();
    const struct config *config = host->router.config;
    const char *path =
        config->mode == CONFIG_SERVE
            ? arena_printf(arena, "%s/control.%u.sock", config->state_directory,
                           host->number)
            : arena_printf(arena, "%s/control.sock", config->state_directory);
    control->listener =
        net_listener_open_local(path, "control", on_connection, control, err);
    arena_free(arena);
    if (control->listener)
        return control;
    free(control);
    return NULL;
}

void control_close(struct control *control)
{
    if (!control)
        return;
    net_listener_close(control->listener);
    free(control);
}

/* What a test asks for: a message, a time of a schedule or a batch through the worker beside it, as a trial (run_trial.h). */
#include <errno.h>
#include <stdlib.h>

#include "scheduled_run.h"

#include "base/mem.h"
#include "base/task.h"
#include "cli/cli.h"
#include "cli/run_batch.h"
#include "cli/run_request.h"
#include "cli/test.h"
#include "rules/problem.h"
#include "store/kv.h"
#include "worker/worker.h"

#define MESSAGE_BYTES_MAX ((size_t)256 * 1024 * 1024)

struct tested {
    char *wanted; /* the env and the time it has been made with, as JSON */
    struct config *config;
    struct config_worker *worker; /* of the config, which releases it */
};

static struct str text_of(const json_t *object, const char *key)
{
    const json_t *text = json_object_get(object, key);
    return (struct str){json_string_value(text), json_string_length(text)};
}

/* --- the worker --- */

void test_workers_open(struct test_workers *workers, const char *folder,
                       const char *scripts)
{
    *workers = (struct test_workers){.folder = folder,
                                     .scripts = scripts,
                                     .by_name = table_new(),
                                     .bindings = bindings_open(1)};
}

static void tested_free(struct tested *tested)
{
    if (!tested)
        return;
    config_release(tested->config);
    free(tested->wanted);
    free(tested);
}

void test_workers_close(struct test_workers *workers)
{
    size_t at = 0;
    struct str name;
    void *tested;
    while (table_next(workers->by_name, &at, &name, &tested))
        tested_free(tested);
    table_free(workers->by_name);
    bindings_close(workers->bindings);
}

static const char *text_in(const json_t *object, const char *key, struct arena *arena)
{
    return arena_text(arena, text_of(object, key));
}

/* [{ name, kind, space?, limit?, periodMs? }] */
static int set_bindings(struct config_worker *worker, const json_t *list,
                        struct arena *arena, struct err *err)
{
    size_t i, count = json_array_size(list);
    json_t *json;
    struct binding *bindings = arena_array(arena, struct binding, count);
    json_array_foreach(list, i, json)
    {
        struct str kind = text_of(json, "kind");
        if (!trial_binding_kind(kind, &bindings[i].kind))
            return err_set(err, -EINVAL, "there are no bindings of kind %.*s",
                           STR_ARG(kind));
        bindings[i].name = str_of(text_in(json, "name", arena));
        bindings[i].space = str_of(text_in(json, "space", arena));
        bindings[i].limit = (uint32_t)json_integer_value(json_object_get(json, "limit"));
        bindings[i].period_ms =
            (uint64_t)json_integer_value(json_object_get(json, "periodMs"));
    }
    trial_set_bindings(worker, bindings, count, arena);
    return 0;
}

/* What is in a namespace before its first message: { space: { key: { value, metadata? } } } */
static int fill_namespaces(const struct test_workers *workers, json_t *spaces,
                           struct err *err)
{
    const char *space, *key;
    json_t *pairs, *kept;
    json_object_foreach(spaces, space, pairs)
    {
        struct store_kv *kv = bindings_memory(workers->bindings, err);
        json_object_foreach(pairs, key, kept)
        {
            struct store_kv_pair pair = {.key = str_of(key),
                                         .value = text_of(kept, "value"),
                                         .metadata = text_of(kept, "metadata")};
            if (!kv || store_kv_put(kv, str_of(space), &pair) < 0)
                return err_set(err, -EIO, "KV: \"%s\" cannot be kept", key);
        }
    }
    return 0;
}

static void set_variables(struct worker_options *options, json_t *env, struct arena *arena)
{
    const char *name;
    json_t *value;
    options->variable_count = 0;
    options->variables = arena_array(arena, struct worker_variable, json_object_size(env));
    json_object_foreach(env, name, value)
    {
        struct worker_variable *variable = &options->variables[options->variable_count++];
        variable->name = arena_str(arena, str_of(name));
        variable->value = arena_str(arena, text_of(env, name));
    }
}

static int tested_load(struct tested *tested, const char *path, const char *scripts,
                       const json_t *question, struct err *err)
{
    struct problem_list problems;
    problem_list_open(&problems);
    tested->config = config_load_script(path, scripts, &problems);
    problem_list_close(&problems);
    if (!tested->config)
        return err_set(err, -ENOENT, "load_worker: %s cannot be read", path);
    size_t at = 0;
    struct str name;
    void *found;
    table_next(tested->config->workers, &at, &name, &found);
    tested->worker = found;
    struct worker_options *options = &tested->worker->options;
    struct arena *arena = tested->config->arena;
    const json_t *now = json_object_get(question, "now");
    options->circuit.failures =
        0; /* each message is tried, whatever became of those before */
    set_variables(options, json_object_get(question, "env"), arena);
    if (now)
        trial_set_clock(options, json_number_value(now), arena);
    if (set_bindings(tested->worker, json_object_get(question, "bindings"), arena, err) < 0)
        return err->code;
    config_start_workers(tested->config, NULL, NULL);
    return 0;
}

static char *wanted_by(const json_t *question)
{
    json_t *wanted =
        json_pack("{s:O?, s:O?, s:O?}", "env", json_object_get(question, "env"), "now",
                  json_object_get(question, "now"), "bindings",
                  json_object_get(question, "bindings"));
    char *text = json_dumps(wanted, JSON_SORT_KEYS | JSON_COMPACT);
    json_decref(wanted);
    return text;
}

/* The one there is, if it has been made with the same variables and time; else a new one. */
static struct tested *find_tested(struct test_workers *workers, const json_t *question,
                                  struct arena *arena, struct err *err)
{
    struct str name = text_of(question, "worker");
    struct tested *tested = table_get(workers->by_name, name);
    char *wanted = wanted_by(question);
    if (tested && strcmp(tested->wanted, wanted) == 0) {
        free(wanted);
        return tested;
    }
    tested_free(table_remove(workers->by_name, name));
    tested = mem_zero(1, sizeof *tested);
    tested->wanted = wanted;
    const char *path = arena_printf(arena, "%s/%.*s.lua", workers->folder, STR_ARG(name));
    if (tested_load(tested, path, workers->scripts, question, err) < 0) {
        tested_free(tested);
        return NULL;
    }
    table_set(workers->by_name, name, tested);
    return tested;
}

/* --- the message --- */

static int read_client(struct message *message, const json_t *client, struct err *err)
{
    struct str ip = text_of(client, "ip"), helo = text_of(client, "helo");
    struct message_client *to = &message->client;
    if (net_address_parse(ip.length ? ip : STR("192.0.2.1"), 0, &to->address) < 0)
        return err_set(err, -EINVAL, "the client's ip \"%.*s\" is not an address",
                       STR_ARG(ip));
    to->helo = helo.length ? arena_str(message->arena, helo) : STR("client.sender.test");
    to->hostname = arena_str(message->arena, text_of(client, "hostname"));
    to->tls_version = arena_str(message->arena, text_of(client, "tls"));
    return 0;
}

static void read_captures(struct trial *trial, json_t *captures)
{
    const char *name;
    json_t *value;
    struct arena *arena = trial->message->arena;
    trial->captures = arena_array(arena, struct rule_capture, json_object_size(captures));
    json_object_foreach(captures, name, value)
    {
        struct rule_capture *capture = &trial->captures[trial->capture_count++];
        capture->name = arena_str(arena, str_of(name));
        capture->value = arena_str(arena, text_of(captures, name));
    }
}

static int read_upstreams(struct trial *trial, const json_t *upstreams, struct err *err)
{
    struct arena *arena = trial->message->arena;
    trial->upstreams =
        arena_array(arena, struct trial_upstream, json_array_size(upstreams));
    size_t i;
    json_t *text;
    json_array_foreach(upstreams, i, text)
    {
        struct str upstream = str_of(json_string_value(text));
        if (trial_read_upstream(trial, arena_str(arena, upstream), err) < 0)
            return err->code;
    }
    return 0;
}

static int read_trial(struct trial *trial, const json_t *question, struct str raw,
                      struct err *err)
{
    const json_t *score = json_object_get(question, "spamScore");
    struct message *message = trial->message;
    struct str from = arena_str(message->arena, text_of(question, "from"));
    struct str to = arena_str(message->arena, text_of(question, "to"));
    struct str auth = arena_str(message->arena, text_of(question, "auth"));
    trial->web = json_object_get(question, "web");
    trial->spam_score = score ? json_number_value(score) : -1;
    read_captures(trial, json_object_get(question, "captures"));
    if (cli_make_message(raw, MESSAGE_BYTES_MAX, message, err) < 0 ||
        read_client(message, json_object_get(question, "client"), err) < 0 ||
        trial_read_envelope(trial, from, to, err) < 0 ||
        trial_read_auth(trial, auth, err) < 0)
        return err->code;
    return read_upstreams(trial, json_object_get(question, "upstreams"), err);
}

/* --- the trial --- */

struct job {
    struct trial *trial;
    const struct worker_event *event;    /* or … */
    const struct batch_asked *batch;     /* … or */
    const struct trial_request *request; /* … or none of them: a message */
    json_t *report;                      /* NULL: there is none */
    struct err *err;
};

static int run_job(void *arg)
{
    struct job *job = arg;
    enum worker_result result;
    struct worker_outcome outcome;
    if (job->batch)
        job->report = trial_run_batch(job->trial, job->batch, &outcome, job->err);
    else if (job->request)
        job->report = trial_run_request(job->trial, job->request, &outcome, job->err);
    else
        job->report = job->event ? trial_run_event(job->trial, job->event, &outcome)
                                 : trial_run(job->trial, &result);
    return 0;
}

/* In a task of its own: whatever happens to the test meanwhile, the trial comes to its end. */
static int run_to_end(struct job *job, struct arena *arena, struct str *answer)
{
    task_join(task_start("trial", run_job, job));
    if (!job->report)
        return job->err->code;
    char *text = json_dumps(job->report, JSON_COMPACT);
    json_decref(job->report);
    *answer = arena_str(arena, str_of(text));
    free(text);
    return 0;
}

static int try_email(struct trial *trial, const json_t *question, struct str raw,
                     struct arena *arena, struct str *answer, struct err *err)
{
    struct job job = {.trial = trial, .err = err};
    int result = read_trial(trial, question, raw, err);
    return result < 0 ? result : run_to_end(&job, arena, answer);
}

static int try_scheduled(struct trial *trial, const json_t *question, struct arena *arena,
                         struct str *answer, struct err *err)
{
    struct cron cron;
    struct str line = text_of(question, "cron");
    if (cron_parse(line, &cron, err) < 0)
        return err_prefix(err, "worker:scheduled: cron \"%.*s\"", STR_ARG(line));
    double time_ms = json_number_value(json_object_get(question, "scheduledTime"));
    trial->web = json_object_get(question, "web");
    if (read_upstreams(trial, json_object_get(question, "upstreams"), err) < 0)
        return err->code;
    const struct worker_event event = scheduled_event(line, (uint64_t)time_ms, arena);
    return run_to_end(&(struct job){.trial = trial, .event = &event, .err = err}, arena,
                      answer);
}

static int try_batch(struct trial *trial, const json_t *question, struct arena *arena,
                     struct str *answer, struct err *err)
{
    const struct batch_asked batch = {text_of(question, "queue"),
                                      json_object_get(question, "messages")};
    trial->web = json_object_get(question, "web");
    if (read_upstreams(trial, json_object_get(question, "upstreams"), err) < 0)
        return err->code;
    struct job job = {.trial = trial, .batch = &batch, .err = err};
    return run_to_end(&job, arena, answer) < 0 ? err_prefix(err, "worker:queue") : 0;
}

/* { method, target, ip?, headers: [{ name, value }] }, and the body. */
static int read_request(struct trial_request *request, const json_t *question,
                        struct arena *arena, struct err *err)
{
    size_t i;
    json_t *field;
    request->method = text_of(question, "method");
    request->target = text_of(question, "target");
    request->ip = text_of(question, "ip");
    json_array_foreach(json_object_get(question, "headers"), i, field)
    {
        if (trial_request_add_field(request, text_of(field, "name"),
                                    text_of(field, "value"), arena, err) < 0)
            return err_prefix(err, "worker:fetch");
    }
    return 0;
}

static int try_request(struct trial *trial, const json_t *question, struct str body,
                       struct arena *arena, struct str *answer, struct err *err)
{
    struct trial_request request = {.body = body};
    trial->web = json_object_get(question, "web");
    if (read_upstreams(trial, json_object_get(question, "upstreams"), err) < 0 ||
        read_request(&request, question, arena, err) < 0)
        return err->code;
    struct job job = {.trial = trial, .request = &request, .err = err};
    return run_to_end(&job, arena, answer) < 0 ? err_prefix(err, "worker:fetch") : 0;
}

static int try_asked(struct trial *trial, const json_t *question, struct str raw,
                     struct arena *arena, struct str *answer, struct err *err)
{
    struct str what = text_of(question, "ask");
    if (str_equal(what, STR("scheduled")))
        return try_scheduled(trial, question, arena, answer, err);
    if (str_equal(what, STR("queue")))
        return try_batch(trial, question, arena, answer, err);
    if (str_equal(what, STR("fetch")))
        return try_request(trial, question, raw, arena, answer, err);
    return try_email(trial, question, raw, arena, answer, err);
}

int test_workers_ask(struct test_workers *workers, json_t *question, struct str raw,
                     struct arena *arena, struct str *answer, struct err *err)
{
    double now_s = json_number_value(json_object_get(question, "now"));
    struct tested *tested = find_tested(workers, question, arena, err);
    if (!tested)
        return err->code;
    bindings_set_now(workers->bindings, now_s > 0 ? (uint64_t)(now_s * 1000) : 0);
    struct trial trial = {.config = tested->config,
                          .worker = tested->worker,
                          .bindings = workers->bindings,
                          .message = message_new()};
    int result = fill_namespaces(workers, json_object_get(question, "namespaces"), err);
    if (result == 0)
        result = try_asked(&trial, question, raw, arena, answer, err);
    message_release(trial.message);
    return result;
}

/* One file of tests in an isolate of its own.
 *
 * To the worker layer the file is a worker like any other: lua/test/runner.lua loads it and is its handler. A
 * message without captures asks for the list of tests, one that names a test runs it: so every test has the
 * limits of a message, and one that hangs or eats memory is killed without the others. What a test wants
 * of the world (a message through the worker under test, which has its own isolate) comes as its message's
 * reply(), in JSON; see lua/test/host.lua. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/task.h"
#include "cli/test.h"
#include "isolate/embedded.h"
#include "rules/problem.h"
#include "worker/worker.h"

#define MODULES_MAX 200

/* Of a test; it may make many messages go through workers, each with the limits of those. */
static const struct worker_limits limits = {
    .cpu_soft_ms = 1000,
    .cpu_hard_ms = 2000,
    .wall_ms = 10 * 60 * 1000,
    .memory_bytes = (uint64_t)256 * 1024 * 1024,
    .messages_max = 1,
    .actions_max = 10000,
    .log_bytes_max = 1024 * 1024,
    .idle_ms = 60 * 1000,
};

struct session {
    const char *path, *folder;
    const struct test_options *options;
    struct arena *arena;
    struct message *message; /* an empty one, which every test gets */
    struct worker *worker;
    struct test_workers workers; /* of the test that runs */
    json_t *tests;               /* [{ name, isPending }], once they are known */
};

/* --- what the test's isolate asks --- */

static int answer(struct session *session, struct str text, struct arena *arena,
                  struct str *answer, struct err *err)
{
    struct str rest = text, line = str_cut(&rest, '\n');
    json_t *question = json_loadb(line.at, line.length, 0, NULL);
    const char *asks = json_string_value(json_object_get(question, "ask"));
    int result = -EINVAL;
    if (asks && strcmp(asks, "list") == 0) {
        session->tests = json_incref(json_object_get(question, "tests"));
        *answer = STR("true");
        result = 0;
    } else if (asks) {
        result = test_workers_ask(&session->workers, question, rest, arena, answer, err);
    } else {
        err_set(err, -EINVAL, "the question is not understood");
    }
    json_decref(question);
    return result;
}

static void take_question(void *arg, const struct worker_reply *asked, struct arena *arena,
                          struct worker_answer *told)
{
    struct err err = {0};
    if (answer(arg, asked->raw, arena, &told->message_id, &err) == 0)
        told->is_ok = true;
    else
        *told = (struct worker_answer){.code = STR("E_VALIDATION_ERROR"),
                                       .text = arena_str(arena, str_of(err.text)),
                                       .is_permanent = true};
}

static void refuse_forward(void *arg, const struct worker_forward *forward,
                           struct arena *arena, struct worker_answer *told)
{
    (void)arg, (void)forward, (void)arena;
    *told = (struct worker_answer){.code = STR("E_VALIDATION_ERROR"),
                                   .text = STR("a test forwards nothing itself"),
                                   .is_permanent = true};
}

/* print() in a test. */
static void print_log(void *arg, struct str level, struct str text)
{
    (void)arg, (void)level;
    while (text.length) {
        struct str line = str_cut(&text, '\n');
        printf("# %.*s\n", STR_ARG(line));
    }
}

static void ignore_end(void *arg)
{
    (void)arg;
}

/* --- one message to it --- */

/* The test that the captures name; without captures, the list. */
static struct worker_outcome run_message(struct session *session,
                                         const struct worker_capture *captures,
                                         size_t capture_count)
{
    struct worker_email email = {
        .message = session->message,
        .captures = captures,
        .capture_count = capture_count,
        .spam_score = -1,
    };
    struct worker_actions actions = {.arg = session,
                                     .forward = refuse_forward,
                                     .reply = take_question,
                                     .log = print_log,
                                     .end = ignore_end};
    struct worker_outcome outcome = {0};
    if (worker_run(session->worker, &email, &actions, session->arena, &outcome) < 0)
        outcome.result = WORKER_CRASHED;
    return outcome;
}

static struct str problem_of(const struct session *session,
                             const struct worker_outcome *outcome)
{
    const char *name = worker_result_name(outcome->result);
    if (outcome->result == WORKER_EXCEPTION || outcome->result == WORKER_BROKEN)
        return outcome->text;
    return str_of(arena_printf(session->arena, "the test was ended: %s%s%.*s", name,
                               outcome->text.length ? ": " : "", STR_ARG(outcome->text)));
}

/* With workers of its own: no test sees what another has left in one's memory. */
static void run_test(struct session *session, size_t number, struct test_result *result)
{
    struct test_workers *workers = &session->workers;
    test_workers_open(workers, session->folder, session->options->scripts);
    uint64_t started_ms = task_now_ms();
    const struct worker_capture captures[] = {
        {STR("number"), str_of(arena_printf(session->arena, "%zu", number))},
        {STR("name"), result->name},
    };
    struct worker_outcome outcome = run_message(session, captures, 2);
    test_workers_close(workers);
    result->duration_ms = task_now_ms() - started_ms;
    result->fate = outcome.result == WORKER_OK ? TEST_PASSED : TEST_FAILED;
    if (result->fate == TEST_FAILED)
        result->problem = problem_of(session, &outcome);
}

static void run_all(struct session *session, struct test_report *report)
{
    const char *filter = session->options->filter;
    struct worker_outcome listed = run_message(session, NULL, 0);
    if (listed.result != WORKER_OK) {
        struct test_result broken = {.file = session->path,
                                     .name = str_of(session->path),
                                     .fate = TEST_FAILED,
                                     .problem = problem_of(session, &listed)};
        test_report_add(report, &broken);
        return;
    }
    size_t i;
    json_t *test;
    json_array_foreach(session->tests, i, test)
    {
        struct test_result result = {.file = session->path, .fate = TEST_PENDING};
        json_t *name = json_object_get(test, "name");
        result.name = str_of(json_string_value(name));
        if (filter && str_find(result.name, str_of(filter)) < 0)
            continue;
        if (!json_is_true(json_object_get(test, "isPending")))
            run_test(session, i + 1, &result);
        test_report_add(report, &result);
    }
}

/* --- the session --- */

void test_add_modules(struct worker_options *options, struct arena *arena)
{
    struct worker_module *modules =
        arena_array(arena, struct worker_module, options->module_count + MODULES_MAX);
    size_t count = options->module_count;
    for (size_t i = 0; i < count; i++)
        modules[i] = options->modules[i];
    for (size_t i = 0; i < embedded_text_count; i++) {
        const struct embedded_text *text = &embedded_texts[i];
        struct str name = str_of(text->name);
        if (!str_starts(name, STR("test/")))
            continue;
        invariant(count < options->module_count + MODULES_MAX, "test: too many modules");
        modules[count++] = (struct worker_module){
            .name = str_of(arena_printf(arena, "test.%s", text->name + strlen("test/"))),
            .source = {text->text, text->length}};
    }
    options->modules = modules;
    options->module_count = count;
}

/* The file as a module of a script of one line, which makes it a worker. */
static struct worker *make_worker(const struct config_worker *file, struct arena *arena)
{
    struct worker_options options = file->options;
    struct worker_module *module = arena_new_of(arena, struct worker_module);
    test_add_modules(&options, arena);
    *module = (struct worker_module){file->options.name, file->options.source};
    options.modules[options.module_count++] = *module;
    options.source = str_of(arena_printf(arena, "return require \"test.runner\" \"%.*s\"",
                                         STR_ARG(file->options.name)));
    options.limits = limits;
    options.circuit.failures = 0; /* a test that fails must not keep others from running */
    return worker_new(&options);
}

static const char *folder_of(const char *path, struct arena *arena)
{
    ptrdiff_t slash = str_last_index(str_of(path), '/');
    return slash < 0 ? "." : arena_text(arena, str_part(str_of(path), 0, (size_t)slash));
}

static void session_open(struct session *session, const char *path,
                         const struct config_worker *file)
{
    *session =
        (struct session){.path = path, .arena = arena_new(), .message = message_new()};
    session->message->raw = blob_copy(STR("\r\n"));
    session->message->reverse_path.is_null = true;
    session->message->client.helo = STR("localhost");
    net_address_parse(STR("127.0.0.1"), 0, &session->message->client.address);
    header_parse(blob_view(session->message->raw), session->message->arena,
                 &session->message->header);
    session->folder = folder_of(path, session->arena);
    session->worker = make_worker(file, session->arena);
}

/* The isolates go down by themselves, once nobody keeps their workers. */
static void session_close(struct session *session)
{
    worker_release(session->worker);
    json_decref(session->tests);
    message_release(session->message);
    arena_free(session->arena);
}

void test_session_run(const char *path, const struct test_options *options,
                      struct test_report *report)
{
    struct problem_list problems;
    problem_list_open(&problems);
    struct config *config = config_load_script(path, options->scripts, &problems);
    size_t at = 0;
    struct str name;
    void *file;
    printf("# %s\n", path);
    if (config && table_next(config->workers, &at, &name, &file)) {
        struct session session;
        session_open(&session, path, file);
        session.options = options;
        run_all(&session, report);
        session_close(&session);
    } else {
        test_report_add(report, &(struct test_result){.file = path,
                                                      .name = str_of(path),
                                                      .fate = TEST_FAILED,
                                                      .problem = STR("it cannot be read")});
    }
    config_release(config);
    problem_list_close(&problems);
}

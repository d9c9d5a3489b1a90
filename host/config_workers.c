/* The workers' part of the configuration: `workers:` in host.yaml, the scripts folder, and which modules a
 * script can `require`.
 *
 * A module is a .lua file below the scripts folder; "lib.tickets" is lib/tickets.lua. A worker gets the modules
 * whose names stand, quoted, in its script or in a module that it gets: so a change of one module
 * makes new versions of the workers that use it, and of no others. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_internal.h"

#include "base/mem.h"
#include "base/table.h"

#define TEXT_BYTES_MAX ((size_t)1024 * 1024)
#define MODULES_MAX    200
#define HOUR_MS        (3600ULL * 1000)

#define ROW(member) offsetof(struct worker_limits, member)
static const struct option_row worker_rows[] = {
    {"cpu_soft", OPTION_DURATION32, ROW(cpu_soft_ms), "100ms", 1, HOUR_MS,
     "CPU time per message, then an error in the script"},
    {"cpu_hard", OPTION_DURATION32, ROW(cpu_hard_ms), "500ms", 2, HOUR_MS,
     "CPU time per message, then its isolate is killed"},
    {"wall", OPTION_DURATION32, ROW(wall_ms), "2m", 10, HOUR_MS,
     "time per message, waiting included"},
    {"memory", OPTION_BYTES64, ROW(memory_bytes), "64MiB", 1 << 20, 4ULL << 30,
     "of the script's Lua state"},
    {"messages", OPTION_COUNT, ROW(messages_max), "64", 1, 10000,
     "in flight at once in one isolate; more wait"},
    {"instances", OPTION_COUNT, ROW(instances_max), "1", 1, 64,
     "isolates of one host at once; another starts when the others are full"},
    {"actions", OPTION_COUNT, ROW(actions_max), "32", 0, 10000,
     "forward, reply … per message"},
    {"calls", OPTION_COUNT, ROW(calls_max), "500", 0, 1000000,
     "of other methods of bindings, per message"},
    {"log_size", OPTION_BYTES32, ROW(log_bytes_max), "16KiB", 0, 16 << 20,
     "of what a script logs per message"},
    {"idle", OPTION_DURATION32, ROW(idle_ms), "1m", 10, 24 * HOUR_MS,
     "an unused isolate is stopped after"},
};
#undef ROW
const struct option_table config_worker_options = OPTION_TABLE(worker_rows);

const struct node_key config_worker_keys[] = {
    {"script", "file", "NAME.lua", "in the scripts folder"},
    {"limits", "map", NULL, "in place of `worker_limits`, with the same keys"},
    {"vars", "map", NULL, "variables, which are texts: {TEAM: team@corp.test}"},
    {"secrets", "map", NULL,
     "the same, from a file or the environment: {TOKEN: {file: /etc/postern/token}}"},
    {"kv", "map", NULL, "values by key, in the namespace named: {TICKETS: tickets}"},
    {"limiters", "map", NULL, "limits of rate: {PER_SENDER: {limit: 5, period: 1m}}"},
    {"forward", "text or list", NULL,
     "where its forward() may send to, in place of `destinations`: [\"*@corp.test\"]; "
     "\"*\": anywhere"},
    {"send", "map", NULL,
     "what sends messages of its own: {EMAIL: {from: [support@example.com]}}"},
    {"fetch", "map", NULL, "HTTP to the hosts named: {API: {hosts: [api.example.com]}}"},
    {"url", "text, map or list", NULL,
     "where HTTP asks for its `fetch` handler: /hooks/github, with all below it"},
    {"cron", "text or list", NULL,
     "when its `scheduled` handler runs, in UTC: \"0 7 * * mon-fri\""},
    {"queues", "map", NULL, "queues that it sends to: {JOBS: jobs}"},
    {"consumes", "map", NULL,
     "queues whose messages its handler `queue` gets: {jobs: {max_batch_size: 10}}"},
    {"on_error", "text", "defer",
     "when the script fails: defer (451), forward ADDRESS, reject or reject TEXT"},
    {"circuit", "map", NULL, "when a worker that keeps failing pauses"},
    {"canary", "percentage, map or off", "off",
     "the share of its messages that a new version gets until it has done well: 10%"},
    {"tests", "before_reload, off", "before_reload",
     "NAME_test.lua beside the script: a new version whose tests fail gets no messages"},
    {0},
};

/* --- files --- */

int config_read_text(const char *path, struct arena *arena, struct str *text,
                     struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "%s", strerror(errno));
    struct stat facts;
    int result = fstat(fd, &facts) < 0 ? -errno : 0;
    if (result == 0 && !S_ISREG(facts.st_mode))
        result = err_set(err, -EINVAL, "not a file");
    else if (result == 0 && (size_t)facts.st_size > TEXT_BYTES_MAX)
        result = err_set(err, -EFBIG, "larger than %zu bytes", TEXT_BYTES_MAX);
    if (result == 0) {
        char *bytes = arena_alloc(arena, (size_t)facts.st_size + 1);
        ssize_t got = read(fd, bytes, (size_t)facts.st_size);
        if (got < 0)
            result = err_set(err, -errno, "%s", strerror(errno));
        else
            *text = (struct str){bytes, (size_t)got};
    }
    close(fd);
    return result;
}

/* --- modules --- */

static bool is_module_name(struct str name)
{
    if (name.length == 0 || name.length > 128 || name.at[0] == '.' ||
        name.at[name.length - 1] == '.')
        return false;
    for (size_t i = 0; i < name.length; i++) {
        char c = name.at[i];
        if (!ascii_alnum(c) && c != '_' && c != '-' && c != '.')
            return false;
        if (c == '.' && name.at[i - 1] == '.')
            return false;
    }
    return true;
}

const char *config_module_file(struct str name, struct arena *arena)
{
    char *stem = arena_text(arena, name);
    for (char *c = stem; *c; c++)
        if (*c == '.')
            *c = '/';
    return arena_printf(arena, "%s.lua", stem);
}

const char *config_module_path(const struct config *config, struct str name,
                               struct arena *arena)
{
    return arena_printf(arena, "%s/%s", config->scripts_directory,
                        config_module_file(name, arena));
}

static void add_module(struct config *config, struct worker_options *options,
                       struct str name)
{
    for (size_t i = 0; i < options->module_count; i++)
        if (str_equal(options->modules[i].name, name))
            return;
    const char *path = config_module_path(config, name, config->arena);
    struct str source;
    if (options->module_count == MODULES_MAX || access(path, R_OK) < 0 ||
        config_read_text(path, config->arena, &source, NULL) < 0)
        return;
    struct worker_module *module = &options->modules[options->module_count++];
    module->name = arena_str(config->arena, name);
    module->source = source;
}

/* Adds a module for every quoted name in the source that is one. */
static void add_modules_named_in(struct config *config, struct worker_options *options,
                                 struct str source)
{
    for (size_t i = 0; i < source.length; i++) {
        char quote = source.at[i];
        if (quote != '"' && quote != '\'')
            continue;
        struct str rest = str_from(source, i + 1);
        ptrdiff_t end = str_index(rest, quote);
        if (end < 0)
            continue;
        struct str name = str_part(rest, 0, (size_t)end);
        if (is_module_name(name)) {
            add_module(config, options, name);
            i += name.length + 1;
        }
    }
}

static void collect_modules(struct config *config, struct worker_options *options)
{
    options->modules = arena_array(config->arena, struct worker_module, MODULES_MAX);
    add_modules_named_in(config, options, options->source);
    for (size_t i = 0; i < options->module_count; i++)
        add_modules_named_in(config, options, options->modules[i].source);
}

static bool is_on_disk(const char *path, struct str source, struct arena *arena)
{
    struct str now;
    return config_read_text(path, arena, &now, NULL) == 0 && str_equal(now, source);
}

bool config_worker_is_on_disk(const struct config *config,
                              const struct config_worker *worker)
{
    const struct worker_options *options = &worker->options;
    struct arena *arena = arena_new();
    bool is_same = is_on_disk(worker->path, options->source, arena);
    for (size_t i = 0; is_same && i < options->module_count; i++)
        is_same = is_on_disk(config_module_path(config, options->modules[i].name, arena),
                             options->modules[i].source, arena);
    arena_free(arena);
    return is_same;
}

/* --- workers --- */

struct config_worker *config_add_worker(struct config *config, struct str name,
                                        const char *path, const struct node *where,
                                        struct problem_list *problems)
{
    struct config_worker *worker = arena_new_of(config->arena, struct config_worker);
    struct worker_options *options = &worker->options;
    struct err err = {0};
    if (config_read_text(path, config->arena, &options->source, &err) < 0) {
        if (where)
            node_problem(where, problems, "cannot read the script %s: %s", path, err.text);
        else
            problem_add(problems, str_of(path), 0, 0, "cannot read the script: %s",
                        err.text);
        return NULL;
    }
    const char *slash = strrchr(path, '/');
    worker->home = config;
    worker->path = arena_text(config->arena, str_of(path));
    worker->is_tested = true;
    options_preset(&config_canary_options, &worker->canary);
    options->name = arena_str(config->arena, name);
    options->script = arena_str(config->arena, str_of(slash ? slash + 1 : path));
    options->limits = config->worker_limits;
    options_preset(&config_circuit_options, &options->circuit);
    collect_modules(config, options);
    config_set_version(worker);
    table_set(config->workers, options->name, worker);
    return worker;
}

static void read_worker(struct config *config, struct str name, struct node *node,
                        struct problem_list *problems)
{
    struct node *script = node_get(node, "script");
    if (node->kind != NODE_MAP && node->kind != NODE_NULL) {
        node_problem(node, problems, "expected {script:, limits:, vars:, kv: …}");
        return;
    }
    if (script && script->kind != NODE_TEXT) {
        node_problem(script, problems, "expected the script's file name");
        return;
    }
    const char *file = script ? arena_text(config->arena, script->text)
                              : arena_printf(config->arena, "%.*s.lua", STR_ARG(name));
    struct config_worker *worker = config_add_worker(
        config, name, config_path(config, config->scripts_directory, file),
        script ? script : node, problems);
    if (!worker || node->kind == NODE_NULL)
        return;
    config_read_env(config, node, worker, problems);
    options_read(&config_worker_options, node_get(node, "limits"), NULL,
                 &worker->options.limits, config->arena, problems);
    config_read_on_error(config, node, worker, problems);
    config_read_rollout(config, node, worker, problems);
    config_read_urls(config, node_get(node, "url"), worker, problems);
    config_read_cron(config, node, worker, problems);
    config_read_consumes(config, node, worker, problems);
    node_report_unused(node, config_worker_keys, problems);
    config_set_version(worker);
}

void config_read_workers(struct config *config, struct node *section,
                         struct problem_list *problems)
{
    if (!section || section->kind == NODE_NULL)
        return;
    if (section->kind != NODE_MAP) {
        node_problem(section, problems,
                     "workers: expected `name: {script: file.lua}` lines");
        return;
    }
    for (size_t i = 0; i < section->count; i++) {
        if (is_module_name(section->keys[i]->text))
            read_worker(config, section->keys[i]->text, section->items[i], problems);
        else
            node_problem(section->keys[i], problems,
                         "a worker's name has letters, digits, _ and - only");
    }
}

void config_needs_handler(struct config_worker *worker, enum worker_handler handler)
{
    worker->needed_handlers |= 1U << handler;
}

struct config_worker *config_find_worker(struct config *config, struct str name,
                                         struct problem_list *problems)
{
    struct config_worker *worker = table_get(config->workers, name);
    if (worker || !is_module_name(name))
        return worker;
    const char *path = arena_printf(config->arena, "%s/%.*s.lua", config->scripts_directory,
                                    STR_ARG(name));
    return access(path, F_OK) == 0 ? config_add_worker(config, name, path, NULL, problems)
                                   : NULL;
}

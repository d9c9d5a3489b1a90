/* host.yaml: the snapshot that its options (config_options.c) make together with its other parts
 * (config_network.c, config_auth.c, config_workers.c) and the rules. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config_internal.h"
#include "rollout.h"

#include "base/mem.h"
#include "base/table.h"
#include "mail/domain.h"

const char *config_path(struct config *config, const char *base, const char *path)
{
    return path[0] == '/' ? path : arena_printf(config->arena, "%s/%s", base, path);
}

/* --- the snapshot --- */

static const char *system_host_name(struct arena *arena)
{
    char name[HOST_NAME_MAX + 1] = "localhost";
    gethostname(name, sizeof name - 1);
    return arena_text(arena, str_of(name));
}

static struct config *config_new(const char *directory, enum config_mode mode)
{
    struct arena *arena = arena_new();
    struct config *config = arena_new_of(arena, struct config);
    *config = (struct config){.references = 1,
                              .memory_references = 1,
                              .arena = arena,
                              .mode = mode,
                              .directory = arena_text(arena, str_of(directory)),
                              .workers = table_new(),
                              .queues = table_new()};
    for (const struct config_section *section = config_sections; section->name; section++)
        options_preset(&section->table, config);
    options_preset(&config_http_options, config);
    options_preset(&config_worker_options, &config->worker_limits);
    options_preset(&config_auth_options, &config->auth);
    options_preset(&config_rspamd_options, &config->auth);
    config->host_name = system_host_name(arena);
    return config;
}

static void finish_texts(struct config *config, struct node *root,
                         struct problem_list *problems)
{
    struct str normal;
    if (domain_normalize(str_of(config->host_name), config->arena, &normal) < 0)
        node_problem(root, problems, "name: \"%s\" is not a host name", config->host_name);
    else
        config->host_name = arena_text(config->arena, normal);
    config->smtp.host_name = config->delivery.host_name = config->host_name;
    if (config->forwarding_domain &&
        domain_normalize(str_of(config->forwarding_domain), config->arena, &normal) < 0)
        node_problem(root, problems, "forwarding: domain: \"%s\" is no domain",
                     config->forwarding_domain);
    else if (config->forwarding_domain)
        config->forwarding_domain = arena_text(config->arena, normal);
    config->state_directory =
        config_path(config, config->directory, config->state_directory);
    config->scripts_directory =
        config_path(config, config->directory, config->scripts_directory);
    config->keys_directory = config_path(config, config->directory, config->keys_directory);
    static const char *const levels[] = {"debug", "info", "warn", "error", "off"};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(config->log_level, levels[i]) == 0)
            return;
    node_problem(root, problems, "log: level: expected debug, info, warn, error or off");
}

static void read_host_file(struct config *config, struct node *root,
                           struct problem_list *problems)
{
    const struct config_section *section = config_sections;
    options_read(&section->table, root, config_top_keys, config, config->arena, problems);
    while ((++section)->name)
        options_read(&section->table, node_get(root, section->name),
                     strcmp(section->name, "delivery") == 0 ? config_delivery_keys : NULL,
                     config, config->arena, problems);
    options_read(&config_worker_options, node_get(root, "worker_limits"), NULL,
                 &config->worker_limits, config->arena, problems);
    finish_texts(config, root, problems);
    config_read_auth(config, node_get(root, "auth"), problems);
    struct node *delivery = node_get(root, "delivery");
    config->delivery.tls = (enum delivery_tls)options_choice(
        delivery ? node_get(delivery, "tls") : NULL, config_delivery_tls_choices,
        DELIVERY_TLS_OPPORTUNISTIC, problems);
    if (config->mode == CONFIG_DEV)
        config_listen_for_dev(config, node_get(root, "dev_listen"), problems);
    else
        config_read_listeners(config, node_get(root, "listen"), problems);
    config_read_certificates(config, node_get(root, "tls"), problems);
    config_read_routes(config, node_get(root, "routes"), problems);
    config_read_destinations(config, node_get(root, "destinations"), problems);
    config_read_http(config, node_get(root, "http"), problems);
    config_read_queues(config, node_get(root, "queues"), problems);
    config_read_workers(config, node_get(root, "workers"), problems);
}

struct loading {
    struct config *config;
    struct problem_list *problems;
};

static bool has_worker(void *arg, struct str name)
{
    struct loading *loading = arg;
    struct config_worker *worker =
        config_find_worker(loading->config, name, loading->problems);
    if (worker)
        config_needs_handler(worker, WORKER_EMAIL);
    return worker != NULL;
}

static bool is_verified(void *arg, const struct mailbox *destination)
{
    struct loading *loading = arg;
    return config_is_destination(loading->config, destination);
}

static void load_keys(struct config *config, struct problem_list *problems)
{
    struct err err = {0};
    config->keys = key_ring_load(config->keys_directory, &err);
    if (!config->keys)
        problem_add(problems, str_of(config->keys_directory), 0, 0, "%s", err.text);
}

struct config *config_load(const char *directory, enum config_mode mode,
                           struct problem_list *problems)
{
    size_t before = problems->count;
    struct config *config = config_new(directory, mode);
    const char *path = config_path(config, directory, "host.yaml");
    struct node *root = NULL;
    struct node empty = {.kind = NODE_MAP, .file = str_of(path)};
    if (access(path, F_OK) == 0)
        root = document_load(path, config->arena, problems);
    else if (mode == CONFIG_DEV)
        root = &empty;
    else
        problem_add(
            problems, str_of(path), 0, 0,
            "there is no host.yaml: `postern serve` needs one with at least `name:`");
    if (root)
        read_host_file(config, root, problems);
    struct loading loading = {config, problems};
    struct node *postmaster = root ? node_get(root, "postmaster") : NULL;
    struct rule_vocabulary vocabulary = {
        .arg = &loading,
        .has_worker = has_worker,
        .is_verified = is_verified,
        .postmaster =
            postmaster && postmaster->kind == NODE_TEXT ? postmaster->text : STR(""),
    };
    if (root) {
        config->rules = rule_set_load(directory, &vocabulary, problems);
        load_keys(config, problems);
    }
    if (problems->count > before || !config->rules) {
        config_release(config);
        return NULL;
    }
    return config;
}

struct config *config_new_default(void)
{
    return config_new(".", CONFIG_DEV);
}

struct config *config_new_verifying(void)
{
    struct problem_list none;
    problem_list_open(&none);
    struct config *config = config_new(".", CONFIG_SERVE);
    config_read_auth(config, NULL, &none);
    problem_list_close(&none);
    return config;
}

/* A path that host.yaml says at its top level, whatever else stands there. */
static const char *path_said(const char *directory, const char *key, struct str preset,
                             struct arena *arena)
{
    struct problem_list ignored;
    problem_list_open(&ignored);
    const char *file = arena_printf(arena, "%s/host.yaml", directory);
    struct node *root = document_load(file, arena, &ignored);
    struct node *said = root ? node_get(root, key) : NULL;
    problem_list_close(&ignored);
    struct str path = said && said->kind == NODE_TEXT ? said->text : preset;
    if (path.length && path.at[0] == '/')
        return arena_text(arena, path);
    return arena_printf(arena, "%s/%.*s", directory, STR_ARG(path));
}

const char *config_state_directory(const char *directory, struct arena *arena)
{
    return path_said(directory, "state", STR(".postern"), arena);
}

const char *config_keys_directory(const char *directory, struct arena *arena)
{
    return path_said(directory, "keys", STR("keys"), arena);
}

struct config *config_load_script(const char *path, const char *scripts,
                                  struct problem_list *problems)
{
    struct str file = str_of(path);
    ptrdiff_t slash = str_last_index(file, '/');
    struct str folder = slash < 0 ? STR(".") : str_part(file, 0, (size_t)slash);
    struct str name = str_from(file, (size_t)(slash + 1));
    if (str_ends_nocase(name, STR(".lua")))
        name.length -= 4;
    struct config *config = config_new(".", CONFIG_DEV);
    config->scripts_directory = scripts ? arena_text(config->arena, str_of(scripts))
                                        : arena_text(config->arena, folder);
    if (!config_add_worker(config, name, path, NULL, problems)) {
        config_release(config);
        return NULL;
    }
    return config;
}

const struct config_worker *config_worker_described(const struct config *config,
                                                    struct str name)
{
    return table_get(config->workers, name);
}

struct config *config_keep(struct config *config)
{
    config->references++;
    return config;
}

/* What was in use with a worker may still need its description: a rollout keeps the worker itself then. */
static void release_workers(struct config *config)
{
    struct str name;
    void *value;
    for (size_t at = 0; table_next(config->workers, &at, &name, &value);) {
        struct config_worker *worker = value;
        rollout_release(worker->rollout);
        worker->rollout = NULL;
        worker_release(worker->worker);
    }
    table_free(config->workers);
    table_free(config->queues);
}

void config_release(struct config *config)
{
    if (!config || --config->references)
        return;
    release_workers(config);
    if (config->rules)
        rule_set_release(config->rules);
    key_ring_release(config->keys);
    config_release_memory(config);
}

void config_keep_memory(struct config *config)
{
    config->memory_references++;
}

void config_release_memory(struct config *config)
{
    if (--config->memory_references == 0)
        arena_free(config->arena);
}

/* Snapshots: loaded on another thread, tried, and put in the place of the one before; or that one stays. */
#include <stdatomic.h>
#include <string.h>

#include "consumers.h"
#include "durable.h"
#include "host_internal.h"
#include "kept_version.h"
#include "rollout.h"

#include "base/table.h"
#include "base/task.h"

struct load {
    const struct host_options *options;
    struct problem_list *problems;
    struct config *config;
};

static void load_on_thread(void *arg)
{
    struct load *load = arg;
    load->config =
        config_load(load->options->directory, load->options->mode, load->problems);
}

struct config *host_load_config(struct serving *serving, const struct config *before,
                                struct problem_list *problems)
{
    const struct shared_place place = {serving->host.shared, serving->host.number};
    struct load load = {serving->options, problems, NULL};
    task_work(load_on_thread, &load);
    if (!load.config)
        return NULL;
    config_start_workers(load.config, before, &place);
    host_try_workers(load.config, problems);
    bool is_outdated =
        before && problems->count == 0 && !host_test_workers(load.config, &place, problems);
    if (problems->count == 0 && !is_outdated)
        return load.config;
    serving->reload_again = serving->reload_again || is_outdated;
    config_release(load.config);
    return NULL;
}

struct tls_server *host_open_tls(const struct config *config, struct err *err)
{
    if (config->certificate_count)
        return tls_server_new(config->certificates, config->certificate_count, err);
    return config->mode == CONFIG_DEV ? tls_server_new_self_signed(config->host_name, err)
                                      : NULL;
}

static void watch_folder_of(struct watch *watch, struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash)
        watch_add(watch, arena_text(arena, (struct str){path, (size_t)(slash - path)}));
}

struct key_folders {
    struct watch *watch;
    struct arena *arena;
    const char *directory;
};

static void watch_folder_of_key(const struct signing_key *key, void *arg)
{
    const struct key_folders *folders = arg;
    watch_add(folders->watch, arena_printf(folders->arena, "%s/%.*s", folders->directory,
                                           STR_ARG(key->domain)));
}

/* The rules, the scripts with their modules, the keys and the certificates: by folder, since editors replace files. */
void host_watch_files(struct watch *watch, const struct config *config)
{
    struct arena *arena = arena_new();
    watch_add(watch, config->directory);
    watch_add(watch, config->scripts_directory);
    watch_add(watch, config->keys_directory);
    struct key_folders keys = {watch, arena, config->keys_directory};
    key_ring_each(config->keys, watch_folder_of_key, &keys);
    for (size_t i = 0; i < config->certificate_count; i++)
        watch_folder_of(watch, arena, config->certificates[i].chain_file);
    struct str name;
    void *value;
    for (size_t at = 0; table_next(config->workers, &at, &name, &value);) {
        const struct config_worker *worker = value;
        for (size_t i = 0; i < worker->options.module_count; i++)
            watch_folder_of(
                watch, arena,
                config_module_path(config, worker->options.modules[i].name, arena));
    }
    arena_free(arena);
}

void host_note_rules(const struct config *config)
{
    EVENT(NULL, STATUS_RULES_LOADED,
          FIELD_NUMBER("rules", rule_set_rule_count(config->rules)),
          FIELD_NUMBER("domains", rule_set_domain_count(config->rules)),
          FIELD_NUMBER("workers", table_count(config->workers)));
}

static bool has_same_listeners(const struct config *a, const struct config *b)
{
    if (a->smtp.listener_count != b->smtp.listener_count)
        return false;
    for (size_t i = 0; i < a->smtp.listener_count; i++) {
        const struct smtp_listener_options *one = &a->smtp.listeners[i];
        const struct smtp_listener_options *other = &b->smtp.listeners[i];
        if (!net_address_same_ip(&one->address, &other->address) ||
            net_address_port(&one->address) != net_address_port(&other->address) ||
            one->tls != other->tls || one->proxy_count != other->proxy_count)
            return false;
    }
    return true;
}

static bool has_same_http(const struct http_options *a, const struct http_options *b)
{
    bool is_same = a->listener_count == b->listener_count;
    for (size_t i = 0; is_same && i < a->listener_count; i++) {
        const struct http_listener_options *one = &a->listeners[i];
        const struct http_listener_options *other = &b->listeners[i];
        is_same = one->is_tls == other->is_tls &&
                  net_address_same_ip(&one->address, &other->address) &&
                  net_address_port(&one->address) == net_address_port(&other->address);
    }
    return is_same;
}

static bool is_same_text(const char *a, const char *b)
{
    return str_equal(str_of(a), str_of(b));
}

/* Sockets, the resolver and the state folder are opened once. */
static void note_what_needs_a_restart(const struct config *before,
                                      const struct config *after)
{
    if (!has_same_listeners(before, after))
        EVENT(NULL, STATUS_RESTART_NEEDED, FIELD("option", STR("listen")));
    if (!has_same_http(&before->http, &after->http))
        EVENT(NULL, STATUS_RESTART_NEEDED, FIELD("option", STR("http")));
    if (!is_same_text(before->dns.resolver, after->dns.resolver))
        EVENT(NULL, STATUS_RESTART_NEEDED, FIELD("option", STR("dns")));
    if (!is_same_text(before->state_directory, after->state_directory))
        EVENT(NULL, STATUS_RESTART_NEEDED, FIELD("option", STR("state")));
    if (before->host_count != after->host_count)
        EVENT(NULL, STATUS_RESTART_NEEDED, FIELD("option", STR("hosts")));
    if (!is_same_text(before->user, after->user) ||
        !is_same_text(before->group, after->group))
        EVENT(NULL, STATUS_RESTART_NEEDED, FIELD("option", STR("user")));
    if (before->hang_ms != after->hang_ms)
        EVENT(NULL, STATUS_RESTART_NEEDED, FIELD("option", STR("hang")));
}

/* For the supervisor, which waits so long for the host's end. */
void host_tell_shutdown(const struct host *host, const struct config *config)
{
    atomic_store(&host->shared->hosts[host->number].shutdown_ms, config->shutdown_ms);
}

static void note_changed_workers(const struct config *config)
{
    struct str name;
    void *value;
    for (size_t at = 0; table_next(config->workers, &at, &name, &value);) {
        const struct config_worker *worker = value;
        if (worker->is_new)
            EVENT(NULL, STATUS_WORKER_CHANGED, FIELD("worker", name),
                  FIELD("script", config_short_hash(worker)),
                  FIELD_NUMBER("share",
                               worker->rollout ? worker->canary.share_percent : 100));
    }
}

static void update_kept_versions(void *config)
{
    kept_versions_update(config);
}

/* All of the new snapshot takes effect, or nothing does. */
static int take_effect(struct serving *serving, struct config *config, struct err *err)
{
    struct host *host = &serving->host;
    struct tls_server *tls = host_open_tls(config, err);
    if (err->code)
        return err_prefix(err, "tls");
    if (config->mode == CONFIG_SERVE &&
        delivery_reconfigure(host->router.delivery, &config->delivery, err) < 0) {
        tls_server_release(tls);
        return err_prefix(err, "delivery");
    }
    smtp_server_reconfigure(host->server, &config->smtp, tls);
    status_log_level(str_of(config->log_level));
    host_tell_shutdown(host, config);
    host_watch_files(serving->watch, config);
    note_what_needs_a_restart(host->router.config, config);
    config_release(host->router.config);
    host->router.config = config;
    http_front_reconfigure(host->http, tls);
    tls_server_release(tls);
    note_changed_workers(config);
    consumers_wake(host->router.consumers);
    durable_reconfigure(&host->router);
    scheduler_plan(host->scheduler, config);
    host_note_rules(config);
    task_work(update_kept_versions, config);
    return 0;
}

static void note_refusal(const struct problem_list *problems)
{
    for (const struct problem *problem = problems->first; problem; problem = problem->next)
        EVENT(NULL, STATUS_RULES_REFUSED, FIELD("file", problem->file),
              FIELD_NUMBER("line", problem->line), FIELD_NUMBER("column", problem->column),
              FIELD("problem", problem->text));
}

static void reload_once(struct serving *serving)
{
    struct host *host = &serving->host;
    struct problem_list problems;
    problem_list_open(&problems);
    struct config *config = host_load_config(serving, host->router.config, &problems);
    struct err err = {0};
    if (config && take_effect(serving, config, &err) < 0) {
        problem_add(&problems, str_of(config->directory), 0, 0, "%s", err.text);
        config_release(config);
    }
    if (!task_cancelled(task_current())) /* else it may have failed of that */
        note_refusal(&problems);
    problem_list_close(&host->last_reload.problems);
    host->last_reload = (struct host_reload_report){unix_now_ms(), problems};
}

/* For a change of files and for SIGHUP: what comes while one reload is under way makes it run once more. */
static void reload(struct serving *serving)
{
    task_stage("reloading %s", serving->options->directory);
    serving->reload_again = true;
    if (serving->is_reloading)
        return;
    serving->is_reloading = true;
    while (serving->reload_again && !task_cancelled(task_current())) {
        serving->reload_again = false;
        reload_once(serving);
    }
    serving->is_reloading = false;
    if (serving->supervised)
        supervised_say(serving->supervised, SUPERVISED_RELOADED);
}

int host_reload_when_changed(void *arg)
{
    struct serving *serving = arg;
    for (;;) {
        task_stage("waiting for a change in %s", serving->options->directory);
        if (watch_wait(serving->watch, TASK_FOREVER) < 0)
            return 0;
        reload(serving);
    }
}

int host_reload_when_asked(void *arg)
{
    struct serving *serving = arg;
    for (;;) {
        task_stage("waiting for SIGHUP");
        while (!serving->is_asked)
            if (task_signal_wait(&serving->asked, TASK_FOREVER) < 0)
                return 0;
        serving->is_asked = false;
        reload(serving);
    }
}

void host_ask_for_reload(struct serving *serving)
{
    serving->is_asked = true;
    task_signal_raise(&serving->asked);
}

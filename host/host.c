/* Start, reload, end:
 *
 *     starting --listeners open--> serving --SIGTERM, SIGINT--> finishing --30 s, all ended or again SIGTERM--> ended
 *                                    |  ^
 *                                    `--' SIGHUP or a changed file: a new snapshot, or the old one stays
 *
 * One task waits for signals, one for changes of files; each message keeps the snapshot it began with. */
#include "host.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control.h"
#include "durable.h"

#include "base/loop.h"
#include "base/mem.h"
#include "base/table.h"
#include "base/task.h"
#include "base/watch.h"
#include "net/http_client.h"

struct serving {
    const struct host_options *options;
    struct host host;
    struct smtp_handler handler;
    struct control *control;
    struct watch *watch;
    struct task *reloader;
    struct task *greeter;
    struct supervised *supervised; /* NULL without a supervisor */
    struct task *heart, *guard;
    bool is_reloading, reload_again;
};

void host_print_problems(const struct problem_list *problems)
{
    for (const struct problem *problem = problems->first; problem;
         problem = problem->next) {
        fprintf(stderr, "%.*s:", STR_ARG(problem->file));
        if (problem->line)
            fprintf(stderr, "%u:%u:", problem->line, problem->column);
        fprintf(stderr, " %.*s\n", STR_ARG(problem->text));
    }
}

void host_try_workers(const struct config *config, const struct config *before,
                      struct problem_list *problems)
{
    struct str name;
    void *value;
    for (size_t at = 0; table_next(config->workers, &at, &name, &value);) {
        struct config_worker *worker = value;
        struct err err = {0};
        if (before && config_worker(before, name) == worker->worker)
            continue; /* it runs already */
        if (worker_try(worker->worker, &err) < 0)
            problem_add(problems, str_of(config->scripts_directory), 0, 0,
                        "worker %.*s: %s", STR_ARG(name), err.text);
    }
}

/* --- reload --- */

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

/* A whole new snapshot with workers that load, or NULL with the problems. */
static struct config *load_config(const struct host_options *options,
                                  const struct config *before,
                                  struct problem_list *problems)
{
    struct load load = {options, problems, NULL};
    task_work(load_on_thread, &load);
    if (!load.config)
        return NULL;
    config_start_workers(load.config, before);
    host_try_workers(load.config, before, problems);
    if (problems->count == 0)
        return load.config;
    config_release(load.config);
    return NULL;
}

static struct tls_server *open_tls(const struct config *config, struct err *err)
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
static void watch_files(struct watch *watch, const struct config *config)
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

static void note_rules(const struct config *config)
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
static void tell_shutdown(const struct host *host, const struct config *config)
{
    atomic_store(&host->shared->hosts[host->number].shutdown_ms, config->shutdown_ms);
}

/* All of the new snapshot takes effect, or nothing does. */
static int take_effect(struct serving *serving, struct config *config, struct err *err)
{
    struct host *host = &serving->host;
    struct tls_server *tls = open_tls(config, err);
    if (err->code)
        return err_prefix(err, "tls");
    if (config->mode == CONFIG_SERVE &&
        delivery_reconfigure(host->router.delivery, &config->delivery, err) < 0) {
        tls_server_release(tls);
        return err_prefix(err, "delivery");
    }
    smtp_server_reconfigure(host->server, &config->smtp, tls);
    tls_server_release(tls);
    status_log_level(str_of(config->log_level));
    tell_shutdown(host, config);
    watch_files(serving->watch, config);
    note_what_needs_a_restart(host->router.config, config);
    config_release(host->router.config);
    host->router.config = config;
    durable_reconfigure(&host->router);
    note_rules(config);
    return 0;
}

static void reload_once(struct serving *serving)
{
    struct problem_list problems;
    problem_list_open(&problems);
    struct config *config =
        load_config(serving->options, serving->host.router.config, &problems);
    struct err err = {0};
    if (config && take_effect(serving, config, &err) < 0) {
        problem_add(&problems, str_of(config->directory), 0, 0, "%s", err.text);
        config_release(config);
    }
    for (const struct problem *problem = problems.first; problem; problem = problem->next)
        EVENT(NULL, STATUS_RULES_REFUSED, FIELD("file", problem->file),
              FIELD_NUMBER("line", problem->line), FIELD_NUMBER("column", problem->column),
              FIELD("problem", problem->text));
    problem_list_close(&problems);
}

/* For a change of files and for SIGHUP: what comes while one reload is under way makes it run once more. */
static void reload(struct serving *serving)
{
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

static int reload_when_changed(void *arg)
{
    struct serving *serving = arg;
    for (;;) {
        task_stage("waiting for a change in %s", serving->options->directory);
        if (watch_wait(serving->watch, TASK_FOREVER) < 0)
            return 0;
        task_stage("reloading %s", serving->options->directory);
        reload(serving);
    }
}

/* --- start --- */

static struct delivery *open_delivery(struct host *host, const struct config *config,
                                      struct err *err)
{
    if (config->mode == CONFIG_DEV) {
        char *outbox = arena_printf(config->arena, "%s/outbox", config->state_directory);
        if (mkdir(outbox, 0700) < 0 && errno != EEXIST) {
            err_set(err, -errno, "%s: %s", outbox, strerror(errno));
            return NULL;
        }
        return delivery_open_outbox(outbox, err);
    }
    host->router.http = http_client_open(err);
    if (!host->router.http)
        return NULL;
    host->dns = dns_open(&config->dns, err);
    host->router.dns = host->dns;
    return host->dns ? delivery_open(&config->delivery, host->dns, err) : NULL;
}

static int open_state_directory(const struct config *config, struct err *err)
{
    if (mkdir(config->state_directory, 0700) < 0 && errno != EEXIST)
        return err_set(err, -errno, "state: %s: %s", config->state_directory,
                       strerror(errno));
    return 0;
}

static int open_server(struct serving *serving, struct config *config, struct err *err)
{
    struct host *host = &serving->host;
    serving->handler = route_handler(&host->router);
    if (serving->options->inherited)
        supervised_assign_sockets(serving->options->inherited, config);
    struct tls_server *tls = open_tls(config, err);
    if (!err->code)
        host->server = smtp_server_open(&config->smtp, tls, &serving->handler, err);
    tls_server_release(tls);
    return host->server ? 0 : err->code;
}

static int open_host(struct serving *serving, struct config *config, struct err *err)
{
    struct host *host = &serving->host;
    host->router.config = config;
    host->router.is_reply_unchecked = config->mode == CONFIG_DEV;
    host->started_at = unix_now_ms();
    tell_shutdown(host, config);
    status_log_level(str_of(config->log_level));
    if (open_state_directory(config, err) < 0)
        return err->code;
    host->router.delivery = open_delivery(host, config, err);
    if (!host->router.delivery || durable_open(&host->router, err) < 0 ||
        open_server(serving, config, err) < 0)
        return -1;
    serving->control = control_open(host, err);
    serving->watch = serving->control ? watch_open(err) : NULL;
    if (!serving->watch)
        return -1;
    watch_files(serving->watch, config);
    return 0;
}

static void say_ready(struct serving *serving)
{
    const struct host *host = &serving->host;
    if (serving->supervised) {
        supervised_say(serving->supervised, SUPERVISED_READY);
        return;
    }
    const struct net_address *address;
    char text[NET_ADDRESS_TEXT_BYTES];
    for (size_t i = 0; (address = smtp_server_address(host->server, i)); i++)
        printf("listening smtp %s\n", net_address_text(address, text));
    fflush(stdout);
}

static int greet(void *arg)
{
    struct serving *serving = arg;
    serving->options->when_listening(&serving->host);
    return 0;
}

/* --- end --- */

/* Who asks a second time does not want to wait; the death of a supervisor may ask twice at once. */
static int hasten_when_asked_again(void *arg)
{
    const struct serving *serving = arg;
    int number;
    while ((number = loop_signal_wait(TASK_FOREVER)) > 0)
        if (number != SIGHUP &&
            !(serving->supervised && supervised_is_alone(serving->supervised)))
            smtp_server_hasten(serving->host.server);
    return 0;
}

static void end_task(struct task *task)
{
    if (!task)
        return;
    task_cancel(task);
    task_join(task);
}

static void shut_server_down(struct serving *serving)
{
    struct host *host = &serving->host;
    struct task *hurry = task_start("hurry", hasten_when_asked_again, serving);
    smtp_server_shut_down(host->server, task_in_ms(host->router.config->shutdown_ms));
    end_task(hurry);
    smtp_server_close(host->server);
}

static void close_host(struct serving *serving)
{
    struct host *host = &serving->host;
    end_task(serving->reloader);
    end_task(serving->greeter);
    if (host->server)
        shut_server_down(serving);
    worker_stop_all();
    durable_close(&host->router, task_in_ms(host->router.config->shutdown_ms));
    control_close(serving->control);
    watch_close(serving->watch);
    if (host->router.delivery)
        delivery_close(host->router.delivery);
    if (host->dns)
        dns_close(host->dns);
    http_client_close(host->router.http);
    config_release(host->router.config);
}

static void wait_for_the_end(struct serving *serving)
{
    for (;;) {
        task_stage("serving");
        int number = loop_signal_wait(TASK_FOREVER);
        if (number != SIGHUP)
            return;
        task_stage("reloading %s", serving->options->directory);
        reload(serving);
    }
}

static int serve_directory(struct serving *serving)
{
    struct problem_list problems;
    problem_list_open(&problems);
    struct config *config = load_config(serving->options, NULL, &problems);
    host_print_problems(&problems);
    problem_list_close(&problems);
    if (!config) {
        worker_stop_all();
        return EXIT_FAILURE;
    }
    struct err err = {0};
    int result = EXIT_FAILURE;
    if (open_host(serving, config, &err) < 0) {
        fprintf(stderr, "postern: %s\n", err.text);
    } else {
        EVENT(NULL, STATUS_HOST_STARTED, FIELD("name", str_of(config->host_name)),
              FIELD("directory", str_of(config->directory)),
              FIELD("version", STR(POSTERN_VERSION)));
        note_rules(config);
        say_ready(serving);
        serving->reloader = task_start("reload", reload_when_changed, serving);
        if (serving->options->when_listening)
            serving->greeter = task_start("greeter", greet, serving);
        wait_for_the_end(serving);
        result = EXIT_SUCCESS;
    }
    close_host(serving);
    if (result == EXIT_SUCCESS)
        EVENT(NULL, STATUS_HOST_STOPPED,
              FIELD_NUMBER("received", status_count(STATUS_MESSAGE_RECEIVED)));
    return result;
}

/* --- one of the service's hosts --- */

static int end_when_alone(void *arg)
{
    const struct serving *serving = arg;
    task_stage("waiting for the supervisor's end");
    if (supervised_wait_alone(serving->supervised) == 0)
        loop_signal_raise(SIGTERM);
    return 0;
}

static int join_service(struct serving *serving, struct err *err)
{
    struct host *host = &serving->host;
    const struct inherited *inherited = serving->options->inherited;
    host->shared = inherited ? inherited->shared : shared_new(1, NULL, err);
    if (!host->shared)
        return err->code;
    if (inherited) {
        host->number = inherited->number;
        status_log_host(host->number);
        serving->supervised = supervised_open(inherited, err);
        if (!serving->supervised)
            return err->code;
        serving->guard = task_start("guard", end_when_alone, serving);
    }
    struct shared_host *slot = &host->shared->hosts[host->number];
    status_count_in(slot->events);
    serving->heart = task_start("heart", supervised_beat, slot);
    return 0;
}

static void leave_service(struct serving *serving)
{
    end_task(serving->guard);
    end_task(serving->heart);
    supervised_close(serving->supervised);
    status_count_in(NULL);
    if (!serving->options->inherited)
        shared_unmap(serving->host.shared);
}

static int serve(void *arg)
{
    struct serving serving = {.options = arg};
    struct err err = {0};
    int result = EXIT_FAILURE;
    loop_signals_open();
    loop_each_turn(status_flush);
    if (join_service(&serving, &err) < 0)
        fprintf(stderr, "postern: %s\n", err.text);
    else
        result = serve_directory(&serving);
    leave_service(&serving);
    status_flush();
    return result;
}

int host_serve(const struct host_options *options)
{
    return loop_run_task("host", serve, (void *)(uintptr_t)options);
}

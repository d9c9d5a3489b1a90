/* Start, reload, end:
 *
 *     starting --listeners open--> serving --SIGTERM, SIGINT--> finishing --30 s, all ended or again SIGTERM--> ended
 *                                    |  ^
 *                                    `--' SIGHUP or a changed file: a new snapshot, or the old one stays
 *
 * One task waits for signals, one for changes of files (host_reload.c); each message keeps the snapshot it began with. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "binding.h"
#include "consumers.h"
#include "durable.h"
#include "host_internal.h"
#include "rollout.h"

#include "base/loop.h"
#include "base/task.h"
#include "net/http_client.h"

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
    struct tls_server *tls = host_open_tls(config, err);
    if (!err->code)
        host->server = smtp_server_open(&config->smtp, tls, &serving->handler, err);
    if (host->server)
        host->http = http_front_open(&host->router, tls, err);
    tls_server_release(tls);
    return host->http ? 0 : err->code;
}

static int open_host(struct serving *serving, struct config *config, struct err *err)
{
    struct host *host = &serving->host;
    host->router.config = config;
    host->router.is_reply_unchecked = config->mode == CONFIG_DEV;
    host->router.bindings = bindings_open(host->shared->host_count);
    host->started_at = unix_now_ms();
    host_tell_shutdown(host, config);
    status_log_level(str_of(config->log_level));
    if (open_state_directory(config, err) < 0)
        return err->code;
    host->router.delivery = open_delivery(host, config, err);
    if (!host->router.delivery || durable_open(&host->router, err) < 0 ||
        open_server(serving, config, err) < 0)
        return -1;
    host->scheduler = scheduler_open(
        &(struct scheduler_options){.store = host->router.store, .router = &host->router});
    scheduler_plan(host->scheduler, config);
    host->router.consumers = consumers_open(&host->router);
    serving->control = control_open(host, err);
    serving->watch = serving->control ? watch_open(err) : NULL;
    if (!serving->watch)
        return -1;
    host_watch_files(serving->watch, config);
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
    for (size_t i = 0; (address = http_front_address(host->http, i)); i++)
        printf("listening http %s\n", net_address_text(address, text));
    fflush(stdout);
}

static int greet(void *arg)
{
    struct serving *serving = arg;
    serving->options->when_listening(&serving->host);
    return 0;
}

/* --- end --- */

static void hasten(const struct host *host)
{
    smtp_server_hasten(host->server);
    if (host->http)
        http_front_hasten(host->http);
    scheduler_hasten(host->scheduler);
}

/* Who asks a second time does not want to wait; the death of a supervisor may ask twice at once. */
static int hasten_when_asked_again(void *arg)
{
    const struct serving *serving = arg;
    int number;
    while ((number = loop_signal_wait(TASK_FOREVER)) > 0)
        if (number != SIGHUP &&
            !(serving->supervised && supervised_is_alone(serving->supervised)))
            hasten(&serving->host);
    return 0;
}

static void end_task(struct task *task)
{
    if (!task)
        return;
    task_cancel(task);
    task_join(task);
}

static int shut_http_down(void *arg)
{
    const struct host *host = arg;
    task_stage("finishing HTTP requests");
    if (host->http)
        http_front_shut_down(host->http, task_in_ms(host->router.config->shutdown_ms));
    return 0;
}

static void finish_what_runs(struct serving *serving)
{
    struct host *host = &serving->host;
    uint64_t deadline_ms = task_in_ms(host->router.config->shutdown_ms);
    struct task *hurry = task_start("hurry", hasten_when_asked_again, serving);
    struct task *http = task_start("http shut-down", shut_http_down, host);
    scheduler_stop(host->scheduler);
    smtp_server_shut_down(host->server, deadline_ms);
    scheduler_wait(host->scheduler, deadline_ms);
    task_join(http);
    end_task(hurry);
    smtp_server_close(host->server);
    http_front_close(host->http);
}

static void close_host(struct serving *serving)
{
    struct host *host = &serving->host;
    end_task(serving->reloader);
    end_task(serving->asked_reloader);
    end_task(serving->greeter);
    end_task(serving->tester);
    uint64_t deadline_ms = task_in_ms(host->router.config->shutdown_ms);
    consumers_stop(host->router.consumers);
    if (host->server)
        finish_what_runs(serving);
    consumers_finish(host->router.consumers, deadline_ms);
    worker_stop_all();
    scheduler_close(host->scheduler);
    consumers_close(host->router.consumers);
    bindings_close(host->router.bindings);
    durable_close(&host->router, task_in_ms(host->router.config->shutdown_ms));
    control_close(serving->control);
    watch_close(serving->watch);
    if (host->router.delivery)
        delivery_close(host->router.delivery);
    if (host->dns)
        dns_close(host->dns);
    http_client_close(host->router.http);
    config_release(host->router.config);
    problem_list_close(&host->last_reload.problems);
}

static void wait_for_the_end(struct serving *serving)
{
    for (;;) {
        task_stage("serving");
        int number = loop_signal_wait(TASK_FOREVER);
        if (number != SIGHUP)
            return;
        host_ask_for_reload(serving);
    }
}

static int serve_directory(struct serving *serving)
{
    struct problem_list problems;
    problem_list_open(&problems);
    struct config *config = host_load_config(serving, NULL, &problems);
    host_print_problems(&problems);
    problem_list_close(&problems);
    if (!config) {
        worker_stop_all();
        return EXIT_FAILURE;
    }
    problem_list_open(&serving->host.last_reload.problems);
    serving->host.last_reload.time_ms = unix_now_ms();
    struct err err = {0};
    int result = EXIT_FAILURE;
    if (open_host(serving, config, &err) < 0) {
        fprintf(stderr, "postern: %s\n", err.text);
    } else {
        EVENT(NULL, STATUS_HOST_STARTED, FIELD("name", str_of(config->host_name)),
              FIELD("directory", str_of(config->directory)),
              FIELD("version", STR(POSTERN_VERSION)));
        host_note_rules(config);
        say_ready(serving);
        scheduler_start(serving->host.scheduler);
        serving->reloader = task_start("reload", host_reload_when_changed, serving);
        serving->asked_reloader = task_start("reload", host_reload_when_asked, serving);
        if (serving->host.number == 0)
            serving->tester = task_start("tests", host_test_first_workers, serving);
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
    shared_place_clear(&(struct shared_place){host->shared, host->number});
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

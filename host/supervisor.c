/* The service's life:
 *
 *     preparing --sockets open--> starting --host 0, then all--> serving --SIGTERM, SIGINT--> stopping --> ended
 *                                    |                            |  ^
 *                                    `-- host 0 ends: ended       `--' SIGHUP: a reload in every host
 *
 * The first host starts alone: what ends it before it serves would end them all, so the start fails with what it has
 * said, once. From then on nothing that happens to a host ends the service. */
#include "supervisor.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "notify.h"
#include "supervisor_hosts.h"

#include "base/loop.h"

#define TICK_MS         1000
#define ANSWERING_MS    10000 /* a host silent for longer is not vouched for */
#define SHUTDOWN_MS_MAX (3600ULL * 1000)
#define STOP_GRACE_MS   10000
#define STOP_AGAIN_MS   5000

struct service {
    struct supervisor supervisor;
    struct notify notify;
    unsigned stops_wanted; /* SIGTERM and SIGINT so far */
    bool reload_wanted, is_reloading;
    unsigned serving_count; /* as last told */
    uint64_t tick_ms, since_watchdog_ms;
};

/* --- starting --- */

static int take_signals(void *arg)
{
    struct service *service = arg;
    int number;
    while ((number = loop_signal_wait(TASK_FOREVER)) > 0) {
        if (number == SIGHUP)
            service->reload_wanted = true;
        else
            service->stops_wanted++;
        task_signal_raise_all(&service->supervisor.changed);
    }
    return 0;
}

/* Until it serves, or has failed to. */
static void wait_for_start(struct service *service, const struct hosted *hosted)
{
    while (!hosted->is_ready && !hosted->has_ended && !service->stops_wanted)
        task_signal_wait(&service->supervisor.changed, TASK_FOREVER);
}

static void start_hosts(struct service *service, unsigned first, unsigned end)
{
    struct supervisor *supervisor = &service->supervisor;
    for (unsigned i = first; i < end; i++)
        hosted_start(&supervisor->hosts[i]);
    for (unsigned i = first; i < end; i++)
        wait_for_start(service, &supervisor->hosts[i]);
}

static bool start(struct service *service)
{
    struct supervisor *supervisor = &service->supervisor;
    start_hosts(service, 0, 1);
    if (supervisor->hosts[0].has_ended) {
        fputs("postern: the first host ended before it could serve\n", stderr);
        return false;
    }
    if (!service->stops_wanted)
        start_hosts(service, 1, supervisor->host_count);
    return true;
}

/* --- serving --- */

static unsigned count_serving(const struct supervisor *supervisor)
{
    unsigned count = 0;
    for (unsigned i = 0; i < supervisor->host_count; i++)
        count += supervisor->hosts[i].is_ready;
    return count;
}

static void tell_state(struct service *service, const char *state)
{
    service->serving_count = count_serving(&service->supervisor);
    notify_say(&service->notify, "%sSTATUS=%u of %u hosts serve\n", state,
               service->serving_count, service->supervisor.host_count);
}

static void greet(struct service *service)
{
    const struct supervisor *supervisor = &service->supervisor;
    char text[NET_ADDRESS_TEXT_BYTES];
    for (size_t i = 0; i < supervisor->listener_count; i++)
        printf("listening %s %s\n", i < supervisor->smtp_listener_count ? "smtp" : "http",
               net_address_text(&supervisor->addresses[i], text));
    fflush(stdout);
    EVENT(NULL, STATUS_SUPERVISOR_STARTED, FIELD_NUMBER("hosts", supervisor->host_count),
          FIELD_NUMBER("serving", count_serving(supervisor)), FIELD_NUMBER("pid", getpid()),
          FIELD("version", STR(POSTERN_VERSION)));
    if (geteuid() == 0 && !supervisor->privilege.is_changed)
        EVENT(NULL, STATUS_SUPERVISOR_PRIVILEGED,
              FIELD("hint", STR("name one as `user:` in host.yaml")));
    tell_state(service, "READY=1\n");
}

static bool is_anybody_reloading(const struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->host_count; i++)
        if (supervisor->hosts[i].is_reloading)
            return true;
    return false;
}

static void begin_reload(struct service *service)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    service->reload_wanted = false;
    service->is_reloading = true;
    notify_say(&service->notify, "RELOADING=1\nMONOTONIC_USEC=%llu\n",
               (unsigned long long)now.tv_sec * 1000000 +
                   (unsigned long long)now.tv_nsec / 1000);
    for (unsigned i = 0; i < service->supervisor.host_count; i++)
        hosted_reload(&service->supervisor.hosts[i]);
}

static void follow_reload(struct service *service)
{
    if (service->reload_wanted)
        begin_reload(service);
    if (service->is_reloading && !is_anybody_reloading(&service->supervisor)) {
        service->is_reloading = false;
        tell_state(service, "READY=1\n");
    }
}

static void tick(struct service *service)
{
    struct supervisor *supervisor = &service->supervisor;
    bool all_answer = true;
    for (unsigned i = 0; i < supervisor->host_count; i++) {
        struct hosted *hosted = &supervisor->hosts[i];
        hosted_check(hosted, service->tick_ms);
        if (hosted->silent_ms > ANSWERING_MS)
            all_answer = false;
    }
    service->since_watchdog_ms += service->tick_ms;
    if (service->notify.watchdog_ms && all_answer &&
        service->since_watchdog_ms * 2 >= service->notify.watchdog_ms) {
        notify_say(&service->notify, "WATCHDOG=1\n");
        service->since_watchdog_ms = 0;
    }
}

static void serve(struct service *service)
{
    struct supervisor *supervisor = &service->supervisor;
    uint64_t watchdog_ms = service->notify.watchdog_ms;
    service->tick_ms =
        watchdog_ms && watchdog_ms < 4 * TICK_MS ? watchdog_ms / 4 + 1 : TICK_MS;
    uint64_t next_ms = task_in_ms(service->tick_ms);
    while (!service->stops_wanted) {
        task_stage("%u of %u hosts serve", service->serving_count, supervisor->host_count);
        if (task_signal_wait(&supervisor->changed, next_ms) == -ETIMEDOUT) {
            tick(service);
            next_ms = task_in_ms(service->tick_ms);
        }
        follow_reload(service);
        if (count_serving(supervisor) != service->serving_count)
            tell_state(service, "");
    }
}

/* --- stopping --- */

static void send_all(struct supervisor *supervisor, int signal)
{
    for (unsigned i = 0; i < supervisor->host_count; i++)
        hosted_send(&supervisor->hosts[i], signal);
}

static bool is_any_running(const struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->host_count; i++)
        if (supervisor->hosts[i].process)
            return true;
    return false;
}

/* As each host has it from the host.yaml that it read last. */
static uint64_t longest_shutdown_ms(const struct supervisor *supervisor)
{
    uint64_t longest_ms = 0;
    for (unsigned i = 0; i < supervisor->host_count; i++) {
        uint64_t shutdown_ms = atomic_load(&supervisor->hosts[i].slot->shutdown_ms);
        if (shutdown_ms > longest_ms)
            longest_ms = shutdown_ms;
    }
    return longest_ms < SHUTDOWN_MS_MAX ? longest_ms : SHUTDOWN_MS_MAX;
}

/* Did all hosts end by themselves? */
static bool stop(struct service *service)
{
    struct supervisor *supervisor = &service->supervisor;
    unsigned asked = service->stops_wanted;
    bool is_graceful = true;
    uint64_t patience_ms = longest_shutdown_ms(supervisor) + STOP_GRACE_MS;
    uint64_t deadline_ms = task_in_ms(patience_ms);
    notify_say(&service->notify,
               "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu\n"
               "STATUS=Messages in flight are finished\n",
               (unsigned long long)patience_ms * 1000);
    supervisor->is_stopping = true;
    task_signal_raise_all(&supervisor->changed);
    send_all(supervisor, SIGTERM);
    while (is_any_running(supervisor)) {
        task_stage("stopping");
        int result = task_signal_wait(&supervisor->changed, deadline_ms);
        if (service->stops_wanted > asked) {
            asked = service->stops_wanted;
            uint64_t sooner_ms = task_in_ms(STOP_AGAIN_MS);
            deadline_ms = sooner_ms < deadline_ms ? sooner_ms : deadline_ms;
            send_all(supervisor, SIGTERM);
        }
        if (result == -ETIMEDOUT) {
            is_graceful = false;
            deadline_ms = TASK_FOREVER;
            send_all(supervisor, SIGKILL);
        }
    }
    return is_graceful;
}

static int supervise(void *arg)
{
    struct service *service = arg;
    loop_signals_open();
    loop_each_turn(status_flush);
    struct task *signals = task_start("signals", take_signals, service);
    bool is_well = start(service);
    if (is_well && !service->stops_wanted) {
        greet(service);
        serve(service);
    }
    is_well = stop(service) && is_well;
    task_cancel(signals);
    task_join(signals);
    EVENT(NULL, STATUS_SUPERVISOR_STOPPED, FIELD_NUMBER("pid", getpid()));
    supervisor_release(&service->supervisor);
    status_flush();
    return is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}

static struct config *load(const char *directory)
{
    struct problem_list problems;
    problem_list_open(&problems);
    struct config *config = config_load(directory, CONFIG_SERVE, &problems);
    host_print_problems(&problems);
    problem_list_close(&problems);
    return config;
}

int supervisor_serve(const char *directory)
{
    struct service service = {.supervisor = {.directory = directory, .shared_fd = -1}};
    struct supervisor *supervisor = &service.supervisor;
    supervisor->config = load(directory);
    if (!supervisor->config)
        return EXIT_FAILURE;
    status_log_level(str_of(supervisor->config->log_level));
    struct err err = {0};
    int result = EXIT_FAILURE;
    /* What the caller has left open is not for the hosts. */
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    notify_open(&service.notify);
    if (supervisor_prepare(supervisor, &err) < 0) {
        fprintf(stderr, "postern: %s\n", err.text);
        supervisor_release(supervisor);
    } else {
        result = loop_run_task("supervisor", supervise, &service);
    }
    notify_close(&service.notify);
    return result;
}

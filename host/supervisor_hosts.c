#include "supervisor_hosts.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervised.h"

#include "base/mem.h"
#include "net/listening_socket.h"

#define REST_MS_MAX   60000
#define LONG_LIFE_MS  60000 /* after it, a failure is the first again */
#define KILL_AFTER_MS 5000  /* SIGABRT leaves a core dump, if the host still can */
#define FDS_MAX       (2 + SUPERVISED_SOCKETS_MAX)

uint64_t hosted_rest_ms(unsigned failures)
{
    if (failures == 0)
        return 0;
    return failures > 6 ? REST_MS_MAX : 1000ULL << (failures - 1);
}

/* --- sockets --- */

static void close_sockets(struct hosted *hosted)
{
    for (size_t i = 0; i < hosted->supervisor->listener_count; i++) {
        if (hosted->sockets[i] >= 0)
            close(hosted->sockets[i]);
        hosted->sockets[i] = -1;
    }
}

/* Those that were closed, and those that the host before has stopped or not come to listen on. */
static int open_sockets(struct hosted *hosted, struct err *err)
{
    struct supervisor *supervisor = hosted->supervisor;
    for (size_t i = 0; i < supervisor->listener_count; i++) {
        int *socket = &hosted->sockets[i];
        if (*socket >= 0 && net_listening_socket_is_open(*socket))
            continue;
        if (*socket >= 0)
            close(*socket);
        *socket =
            net_listening_socket_bind(&supervisor->addresses[i], NET_SOCKET_SHARED, err);
        if (*socket < 0)
            return *socket;
        net_listening_socket_address(*socket, &supervisor->addresses[i]);
    }
    return 0;
}

int hosted_open(struct hosted *hosted, struct supervisor *supervisor, unsigned number,
                struct err *err)
{
    *hosted = (struct hosted){.supervisor = supervisor,
                              .number = number,
                              .slot = &supervisor->shared->hosts[number]};
    hosted->sockets = mem_zero(supervisor->listener_count, sizeof *hosted->sockets);
    for (size_t i = 0; i < supervisor->listener_count; i++)
        hosted->sockets[i] = -1;
    return open_sockets(hosted, err);
}

/* --- the process --- */

static int spawn(struct hosted *hosted, int channel)
{
    const struct supervisor *supervisor = hosted->supervisor;
    char number[16], socket_count[16];
    snprintf(number, sizeof number, "%u", hosted->number);
    snprintf(socket_count, sizeof socket_count, "%zu", supervisor->listener_count);
    const char *user = supervisor->config->user, *group = supervisor->config->group;
    const char *const words[] = {
        "postern-host",   supervisor->directory, number, socket_count,
        user ? user : "", group ? group : "",    NULL};
    int fds[FDS_MAX] = {channel, supervisor->shared_fd};
    memcpy(fds + 2, hosted->sockets, supervisor->listener_count * sizeof *fds);
    const struct process_options options = {
        .path = "/proc/self/exe",
        .words = words,
        .environment = (const char *const *)environ,
        .fds = fds,
        .fd_count = 2 + supervisor->listener_count,
    };
    return process_start(&options, &hosted->process);
}

static int start_process(struct hosted *hosted, struct err *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return err_set(err, -errno, "%s", strerror(errno));
    int result = net_packet_open(ends[0], &hosted->channel);
    if (result < 0)
        close(ends[0]);
    else
        result = spawn(hosted, ends[1]);
    close(ends[1]);
    if (result < 0) {
        if (hosted->channel)
            net_packet_close(hosted->channel);
        hosted->channel = NULL;
        return err_set(err, result, "%s", strerror(-result));
    }
    atomic_store(&hosted->slot->pid, process_pid(hosted->process));
    hosted->heartbeat = atomic_load(&hosted->slot->heartbeat);
    hosted->silent_ms = 0;
    return 0;
}

static void obey(struct hosted *hosted, struct str word)
{
    if (str_equal(word, STR(SUPERVISED_READY))) {
        hosted->is_ready = hosted->supervisor->has_served = true;
        if (hosted->is_reloading) /* what it has read may be older than the wish */
            hosted_send(hosted, SIGHUP);
    } else if (str_equal(word, STR(SUPERVISED_RELOADED))) {
        hosted->is_reloading = false;
    }
    task_signal_raise_all(&hosted->supervisor->changed);
}

static void wait_for_its_end(struct hosted *hosted)
{
    char word[SUPERVISED_WORD_BYTES_MAX];
    ssize_t length;
    do {
        length = net_packet_receive(hosted->channel, word, sizeof word, TASK_FOREVER);
        if (length > 0)
            obey(hosted, (struct str){word, (size_t)length});
    } while (length > 0 || length == -EMSGSIZE);
    process_wait(hosted->process, TASK_FOREVER);
}

static void clear_away(struct hosted *hosted)
{
    struct process *process = hosted->process;
    if (!hosted->supervisor->is_stopping)
        EVENT(NULL, STATUS_HOST_CRASHED, FIELD_NUMBER("host", hosted->number),
              FIELD_NUMBER("pid", process_pid(process)),
              FIELD_NUMBER("signal", process_signal(process)),
              FIELD_NUMBER("exit", process_status(process)));
    process_free(process);
    net_packet_close(hosted->channel);
    hosted->process = NULL;
    hosted->channel = NULL;
    hosted->is_ready = hosted->is_reloading = false;
    atomic_store(&hosted->slot->pid, 0);
}

/* Once, from its start to its end. */
static void run(struct hosted *hosted)
{
    struct err err = {0};
    task_stage("host %u", hosted->number);
    if (open_sockets(hosted, &err) < 0 || start_process(hosted, &err) < 0) {
        EVENT(NULL, STATUS_SUPERVISOR_PROBLEM, FIELD_NUMBER("host", hosted->number),
              FIELD("problem", str_of(err.text)));
    } else {
        wait_for_its_end(hosted);
        clear_away(hosted);
    }
    hosted->has_ended = true;
    task_signal_raise_all(&hosted->supervisor->changed);
}

/* --- staying alive --- */

static bool has_others_serving(const struct hosted *hosted)
{
    const struct supervisor *supervisor = hosted->supervisor;
    for (unsigned i = 0; i < supervisor->host_count; i++)
        if (i != hosted->number && supervisor->hosts[i].is_ready)
            return true;
    return false;
}

/* The last host's sockets stay: clients had better wait than be refused. */
static void rest(struct hosted *hosted, uint64_t duration_ms)
{
    struct supervisor *supervisor = hosted->supervisor;
    uint64_t deadline_ms = task_in_ms(duration_ms);
    task_stage("host %u rests", hosted->number);
    if (duration_ms && has_others_serving(hosted))
        close_sockets(hosted);
    while (duration_ms && !supervisor->is_stopping &&
           task_signal_wait(&supervisor->changed, deadline_ms) == 0)
        ;
}

static int keep(void *arg)
{
    struct hosted *hosted = arg;
    for (;;) {
        uint64_t started_ms = task_now_ms();
        run(hosted);
        if (!hosted->supervisor->has_served)
            return 0;
        if (task_now_ms() - started_ms >= LONG_LIFE_MS)
            hosted->failures = 0;
        uint64_t rest_ms = hosted_rest_ms(hosted->failures++);
        rest(hosted, rest_ms);
        if (hosted->supervisor->is_stopping)
            return 0;
        uint64_t restarts = atomic_fetch_add(&hosted->slot->restarts, 1) + 1;
        EVENT(NULL, STATUS_HOST_RESTARTED, FIELD_NUMBER("host", hosted->number),
              FIELD_NUMBER("restarts", restarts), FIELD_NUMBER("rested_ms", rest_ms));
    }
}

void hosted_start(struct hosted *hosted)
{
    hosted->task = task_start("host", keep, hosted);
}

void hosted_send(struct hosted *hosted, int signal)
{
    if (hosted->process)
        process_send(hosted->process, signal);
}

void hosted_reload(struct hosted *hosted)
{
    hosted->is_reloading = hosted->process != NULL;
    if (hosted->is_ready)
        hosted_send(hosted, SIGHUP);
}

/* Time is what the supervisor has been awake for: a machine that sleeps does not make its hosts late. */
void hosted_check(struct hosted *hosted, uint64_t elapsed_ms)
{
    uint64_t heartbeat = atomic_load(&hosted->slot->heartbeat);
    uint64_t before_ms = hosted->silent_ms, hang_ms = hosted->supervisor->config->hang_ms;
    if (!hosted->process || heartbeat != hosted->heartbeat) {
        hosted->heartbeat = heartbeat;
        hosted->silent_ms = 0;
        return;
    }
    hosted->silent_ms += elapsed_ms;
    if (before_ms < hang_ms && hosted->silent_ms >= hang_ms) {
        EVENT(NULL, STATUS_HOST_HUNG, FIELD_NUMBER("host", hosted->number),
              FIELD_NUMBER("pid", process_pid(hosted->process)),
              FIELD_NUMBER("silent_ms", hosted->silent_ms));
        hosted_send(hosted, SIGABRT);
    }
    if (hosted->silent_ms >= hang_ms + KILL_AFTER_MS)
        hosted_send(hosted, SIGKILL);
}

void hosted_close(struct hosted *hosted)
{
    if (hosted->task)
        task_join(hosted->task);
    if (!hosted->sockets)
        return;
    close_sockets(hosted);
    free(hosted->sockets);
}

#include "supervised.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "host.h"
#include "privilege.h"

#include "base/mem.h"
#include "base/task.h"
#include "net/listening_socket.h"
#include "net/packet.h"

#define HEARTBEAT_MS 1000
#define SAY_MS       1000

struct supervised {
    struct net_packet_socket *channel;
    pid_t supervisor;
};

/* --- postern-host --- */

/* A session of its own: a terminal's Ctrl-C is the supervisor's to forward. The kernel tells of its death, and if it
 * has died before that was asked for, this is the end. */
static int follow_supervisor(const struct shared *shared, struct err *err)
{
    setsid();
    prctl(PR_SET_NAME, "postern-host");
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        return err_set(err, -errno, "PR_SET_PDEATHSIG: %s", strerror(errno));
    if (getppid() != (pid_t)shared->service_pid)
        return err_set(err, -ESRCH, "the supervisor has gone");
    return 0;
}

/* Reads the words; descriptors are closed in the host's own children. */
static bool inherit(char **argv, struct inherited *inherited, int *sockets, struct err *err)
{
    unsigned long long number, count;
    if (!str_to_number(str_of(argv[2]), &number) || number >= SHARED_HOSTS_MAX ||
        !str_to_number(str_of(argv[3]), &count) || count > SUPERVISED_SOCKETS_MAX) {
        err_set(err, -EINVAL, "postern-host is started by `postern serve` only");
        return false;
    }
    for (int i = 0; i < (int)count; i++)
        sockets[i] = SUPERVISED_SOCKET_FD + i;
    for (int fd = SUPERVISED_CHANNEL_FD; fd < SUPERVISED_SOCKET_FD + (int)count; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    *inherited = (struct inherited){.number = (unsigned)number,
                                    .channel = SUPERVISED_CHANNEL_FD,
                                    .sockets = sockets,
                                    .socket_count = count};
    inherited->shared = shared_map(SUPERVISED_SHARED_FD, err);
    return inherited->shared != NULL;
}

static int start(char **argv, struct inherited *inherited, int *sockets, struct err *err)
{
    struct privilege privilege;
    const char *user = *argv[4] ? argv[4] : NULL, *group = *argv[5] ? argv[5] : NULL;
    if (privilege_find(user, group, &privilege, err) < 0 ||
        privilege_drop(&privilege, err) < 0 || !inherit(argv, inherited, sockets, err))
        return err->code;
    return follow_supervisor(inherited->shared, err);
}

int supervised_main(int argc, char **argv)
{
    struct err err = {0};
    struct inherited inherited = {0};
    int sockets[SUPERVISED_SOCKETS_MAX];
    if (argc != 6)
        err_set(&err, -EINVAL, "postern-host is started by `postern serve` only");
    else
        start(argv, &inherited, sockets, &err);
    if (err.code) {
        fprintf(stderr, "postern-host: %s\n", err.text);
        return EXIT_FAILURE;
    }
    struct host_options options = {
        .directory = argv[1], .mode = CONFIG_SERVE, .inherited = &inherited};
    int result = host_serve(&options);
    shared_unmap(inherited.shared);
    return result;
}

/* --- the sockets --- */

static bool is_for(const struct net_address *wanted, int socket)
{
    struct net_address address = {0};
    net_listening_socket_address(socket, &address);
    uint16_t port = net_address_port(wanted);
    return net_address_same_ip(wanted, &address) &&
           (port == 0 || port == net_address_port(&address));
}

/* 0 when there is none, which takes a restart. */
static int take_socket(int *sockets, size_t count, const struct net_address *wanted,
                       const char *option)
{
    for (size_t i = 0; i < count; i++) {
        int socket = sockets[i];
        if (socket && is_for(wanted, socket)) {
            sockets[i] = 0;
            return socket;
        }
    }
    EVENT(NULL, STATUS_RESTART_NEEDED, FIELD("option", str_of(option)));
    return 0;
}

static void assign_smtp(struct smtp_options *smtp, int *sockets, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < smtp->listener_count; i++) {
        struct smtp_listener_options *listener = &smtp->listeners[i];
        listener->inherited_socket =
            take_socket(sockets, count, &listener->address, "listen");
        if (listener->inherited_socket)
            smtp->listeners[kept++] = *listener;
    }
    smtp->listener_count = kept;
}

static void assign_http(struct http_options *http, int *sockets, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < http->listener_count; i++) {
        struct http_listener_options *listener = &http->listeners[i];
        listener->inherited_socket =
            take_socket(sockets, count, &listener->address, "http");
        if (listener->inherited_socket)
            http->listeners[kept++] = *listener;
    }
    http->listener_count = kept;
}

void supervised_assign_sockets(const struct inherited *inherited, struct config *config)
{
    int sockets[SUPERVISED_SOCKETS_MAX];
    memcpy(sockets, inherited->sockets, inherited->socket_count * sizeof *sockets);
    assign_smtp(&config->smtp, sockets, inherited->socket_count);
    assign_http(&config->http, sockets, inherited->socket_count);
    for (size_t i = 0; i < inherited->socket_count; i++) {
        if (sockets[i]) {
            net_listening_socket_stop(sockets[i]);
            close(sockets[i]);
        }
    }
}

/* --- the channel --- */

struct supervised *supervised_open(const struct inherited *inherited, struct err *err)
{
    struct supervised *supervised = mem_zero(1, sizeof *supervised);
    supervised->supervisor = (pid_t)inherited->shared->service_pid;
    int result = net_packet_open(inherited->channel, &supervised->channel);
    if (result == 0)
        return supervised;
    err_set(err, result, "the supervisor's channel: %s", strerror(-result));
    free(supervised);
    return NULL;
}

void supervised_say(struct supervised *supervised, const char *word)
{
    const struct str packet = str_of(word);
    net_packet_send(supervised->channel, &packet, 1, -1, task_in_ms(SAY_MS));
}

int supervised_wait_alone(struct supervised *supervised)
{
    char word[SUPERVISED_WORD_BYTES_MAX];
    ssize_t length;
    do
        length = net_packet_receive(supervised->channel, word, sizeof word, TASK_FOREVER);
    while (length > 0 || length == -EMSGSIZE);
    return length == -ECANCELED ? -ECANCELED : 0;
}

bool supervised_is_alone(const struct supervised *supervised)
{
    return getppid() != supervised->supervisor;
}

void supervised_close(struct supervised *supervised)
{
    if (!supervised)
        return;
    net_packet_break(supervised->channel);
    net_packet_close(supervised->channel);
    free(supervised);
}

/* --- the heart --- */

int supervised_beat(void *shared_host)
{
    struct shared_host *slot = shared_host;
    task_stage("beating");
    do
        atomic_fetch_add_explicit(&slot->heartbeat, 1, memory_order_relaxed);
    while (task_sleep(HEARTBEAT_MS) == 0);
    return 0;
}

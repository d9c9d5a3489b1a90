/* One host as its supervisor sees it: its sockets, its process, and the task that keeps it alive.
 *
 *     resting --delay over--> starting --"ready"--> serving
 *        ^                       |                     |
 *        `------- its process has ended ---------------'
 *
 * Every host has sockets of its own (SO_REUSEPORT), which the supervisor binds and keeps, and on which the host listens
 * once it can serve. What waits in them when it dies waits for the next one. Only when that one is not started at once
 * are they closed, so that the kernel gives the connections to the other hosts; new ones are bound for its start. That
 * needs the right to bind low ports, which the supervisor keeps and hosts do not have. */
#pragma once

#include "config.h"
#include "privilege.h"
#include "shared.h"

#include "base/process.h"
#include "base/task.h"
#include "net/packet.h"

struct hosted;

struct supervisor {
    const char *directory;
    struct config *config; /* as it was at the start */
    struct privilege privilege;
    struct shared *shared;
    int shared_fd;
    struct net_address *
        addresses; /* of the listeners, with the ports that the kernel chose: SMTP's, then HTTP's */
    size_t listener_count, smtp_listener_count;
    struct hosted *hosts;
    unsigned host_count;
    bool has_served; /* some host has been ready */
    bool is_stopping;
    /* A host is ready, has reloaded or has ended; or a signal has come. */
    struct task_signal changed;
};

/* Opens all that hosts need, with those sockets: 0 or `err`. To be released either way. */
int supervisor_prepare(struct supervisor *supervisor, struct err *err);
void supervisor_release(struct supervisor *supervisor);

struct hosted {
    struct supervisor *supervisor;
    unsigned number;
    struct shared_host *slot;
    int *sockets;            /* one per listener; -1: closed */
    struct process *process; /* NULL: none */
    struct net_packet_socket *channel;
    bool is_ready;
    bool is_reloading;
    bool has_ended; /* ever */
    unsigned failures;
    uint64_t heartbeat; /* the last that was seen */
    uint64_t silent_ms; /* since then */
    struct task *task;
};

/* Opens the sockets; `supervisor->addresses` learn their ports. */
int hosted_open(struct hosted *hosted, struct supervisor *supervisor, unsigned number,
                struct err *err);
/* Starts its task, which starts the process, and starts it again until the supervisor stops. What ends before any host
 * has served is not started again: the start has failed. */
void hosted_start(struct hosted *hosted);
void hosted_send(struct hosted *hosted, int signal);
/* is_reloading, until it says that it has. */
void hosted_reload(struct hosted *hosted);
/* Looks for heartbeats; a host that has had none for too long is killed. */
void hosted_check(struct hosted *hosted, uint64_t elapsed_ms);
/* Waits for the end of its task, if there is one, and closes the sockets. */
void hosted_close(struct hosted *hosted);

/* How long to rest before a start that follows so many failures in a row. */
uint64_t hosted_rest_ms(unsigned failures);

/* A host's side of its supervisor: what it inherits as "postern-host", and what it tells. */
#pragma once

#include "config.h"
#include "shared.h"

#include "base/err.h"

struct inherited {
    unsigned number;
    struct shared *shared;
    int channel; /* a SOCK_SEQPACKET pair's end; the supervisor's death closes the other */
    const int *sockets; /* bound */
    size_t socket_count;
};

/* The descriptors of a host process, and its words: DIRECTORY NUMBER SOCKET-COUNT USER GROUP (the last two may be
 * empty). */
enum { SUPERVISED_CHANNEL_FD = 3, SUPERVISED_SHARED_FD, SUPERVISED_SOCKET_FD };
enum { SUPERVISED_SOCKETS_MAX = 64 };
int supervised_main(int argc, char **argv);

/* What a host says, a packet each. */
#define SUPERVISED_READY    "ready"
#define SUPERVISED_RELOADED "reloaded"
enum { SUPERVISED_WORD_BYTES_MAX = 64 };

/* Gives each listener the socket that was opened for it. A listener without one, as host.yaml has changed since the
 * supervisor started, waits for a restart; a socket without a listener takes no connections. */
void supervised_assign_sockets(const struct inherited *inherited, struct config *config);

struct supervised;
struct supervised *supervised_open(const struct inherited *inherited, struct err *err);
/* In a task; gives up soon, for a supervisor that does not listen is about to end this host anyway. */
void supervised_say(struct supervised *supervised, const char *word);
/* Waits until the supervisor is gone: 0, or -ECANCELED. */
int supervised_wait_alone(struct supervised *supervised);
/* Has the supervisor ended, so that a SIGTERM may be the kernel's? */
bool supervised_is_alone(const struct supervised *supervised);
/* NULL is ignored. */
void supervised_close(struct supervised *supervised);

/* A task: counts the host's heartbeats until it is cancelled. */
int supervised_beat(void *shared_host);

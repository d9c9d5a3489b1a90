/* What the processes of one service share: one memfd, mapped by the supervisor and by every host. Each figure has one
 * writer, is atomic, and outlives the host that wrote it.
 *
 * A host may be broken: the supervisor believes nothing that it reads here beyond what it does with it. What hosts count of
 * rollouts they believe of each other: it decides between two versions that both may run. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"

#include "base/err.h"
#include "status/event.h"

#define SHARED_HOSTS_MAX    CONFIG_HOSTS_MAX
#define SHARED_ROLLOUTS_MAX 16

/* What one host has seen of a worker's new version and of the one before it (rollout.h). */
struct shared_rollout {
    _Atomic uint64_t key;   /* of worker and versions, the same in all hosts; 0: free */
    _Atomic uint64_t state; /* enum canary_state */
    _Atomic uint64_t started_at;
    _Atomic uint64_t runs_before, failures_before, runs, failures;
};

/* The tests of scripts that a host runs, or has run last (test_turn.h). */
struct shared_tests {
    _Atomic uint64_t key;   /* of the versions under test, the same in all hosts */
    _Atomic uint64_t state; /* enum test_turn_state */
};

struct shared_host {
    /* the host's */
    _Atomic uint64_t events[STATUS_EVENT_COUNT];
    _Atomic uint64_t heartbeat; /* grows as long as its loop turns */
    _Atomic uint64_t shutdown_ms;
    struct shared_rollout rollouts[SHARED_ROLLOUTS_MAX];
    struct shared_tests tests;
    /* the supervisor's */
    _Atomic int64_t pid; /* 0 while none runs */
    _Atomic uint64_t restarts;
};

struct shared {
    /* set before the first host starts */
    unsigned host_count;
    int64_t service_pid;
    uint64_t started_at;
    _Alignas(64) struct shared_host hosts[SHARED_HOSTS_MAX];
};

/* Where a host stands in there. */
struct shared_place {
    struct shared *shared;
    unsigned host; /* its number */
};
/* For a host that begins: nothing of what the one before it had under way is. */
void shared_place_clear(const struct shared_place *place);

/* A zeroed one for so many hosts, and the descriptor to hand on (`fd` may be NULL). NULL with `err`. */
struct shared *shared_new(unsigned host_count, int *fd, struct err *err);
/* The same one, in another process. The descriptor stays the caller's. */
struct shared *shared_map(int fd, struct err *err);
void shared_unmap(struct shared *shared);

/* Of all hosts since the service began. */
uint64_t shared_event_count(const struct shared *shared, enum status_event event);

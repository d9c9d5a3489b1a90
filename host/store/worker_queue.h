/* The queues between workers: messages that one sends and another handles, in batches. <directory>/queues.db, used by any
 * number of hosts at once; what a function has written when it returns 0 is on stable storage.
 *
 *     sent --due--> claimed, in a batch --acked--> gone
 *              ^                  | to be tried again     | given up: to its dead letter queue, or gone
 *              `------------------'
 *
 * All wait in a task, as store.h says, and return 0 or a negative errno value. Times are milliseconds since 1970. A queue
 * is there as soon as something was sent to it; its name is any bytes. Each message is handled at least once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct store;

struct store_worker_message {
    uint64_t number; /* the store's; not given */
    struct str id;
    uint64_t sent_ms;
    uint64_t due_ms;     /* not handed out before */
    uint64_t expires_ms; /* removed then, handled or not */
    uint32_t attempts;   /* begun, the present one too */
    bool is_held;        /* in a batch; read only */
    struct str origin;   /* the queue that gave it up; empty: none; read only */
    uint64_t bytes;      /* of the body; read only */
    struct str body;     /* one value (worker/wire.h); empty where messages are listed */
};

struct store_worker_send {
    struct str queue;
    const struct store_worker_message *messages;
    size_t count;
    uint64_t messages_max, bytes_max; /* that may then be in the queue */
};
/* All of them, or none. -EDQUOT: the queue is full. */
int store_worker_queue_send(struct store *store, const struct store_worker_send *sent);

/* --- batches --- */

/* When a queue's next batch is ready: as soon as so many messages are due, or one has been for `wait_ms`. */
struct store_worker_look {
    struct str queue;
    size_t messages_max;
    uint64_t wait_ms;
    uint64_t ready_ms; /* the answer; UINT64_MAX: nothing is there */
};
/* Cheap. `is_owner_dead`: messages are held by an owner whose lease has ended: a claim sets them free. */
int store_worker_queue_look(struct store *store, struct store_worker_look looks[],
                            size_t count, uint64_t now_ms, bool *is_owner_dead);

struct store_worker_claim {
    struct store_worker_look what;
    struct str owner; /* which is alive from now until `until_ms` */
    uint64_t now_ms, until_ms;
    uint64_t bytes_max;   /* of a batch, unless its first message is larger */
    uint32_t batches_max; /* of this queue that all owners may have at once */
};
/* Takes the messages of a batch that is ready, those due for longest first; none when there is no such batch, or when there
 * are `batches_max`. In the arena. */
int store_worker_queue_claim(struct store *store, const struct store_worker_claim *claim,
                             struct arena *arena, struct store_worker_message **messages,
                             size_t *count);
/* As store_lease_renew, for these queues. */
int store_worker_queue_renew(struct store *store, struct str owner, uint64_t until_ms);
/* At the owner's end. */
int store_worker_queue_release(struct store *store, struct str owner);

enum store_worker_fate {
    STORE_WORKER_DONE,    /* handled: removed */
    STORE_WORKER_AGAIN,   /* back, due at due_ms */
    STORE_WORKER_UNTRIED, /* back as it was: this attempt is not counted */
    STORE_WORKER_DEAD,    /* to the dead letter queue, as a new message there, or removed */
};
struct store_worker_settling {
    uint64_t number;
    enum store_worker_fate fate;
    uint64_t due_ms;
    bool is_stale; /* the answer: another owner has had it since; nothing was changed */
};
struct store_worker_settle {
    struct str owner;
    struct store_worker_settling *settlings;
    size_t count;
    struct str dead_letter_queue; /* empty: none */
    uint64_t now_ms, dead_expires_ms;
};
/* All at once. */
int store_worker_queue_settle(struct store *store, struct store_worker_settle *settle);

/* --- upkeep, and for administrators --- */

struct store_worker_queue {
    struct str name;
    uint64_t messages, bytes; /* those that are held too */
    uint64_t held;
    uint64_t dead;      /* of the messages: that came from another queue */
    uint64_t oldest_ms; /* when the oldest was sent; 0: none is there */
};

/* Removes some of those that have expired and nobody holds: what was removed, by queue (`messages`, `bytes`, `dead`), in
 * the arena; none when there are no more. */
int store_worker_queue_expire(struct store *store, uint64_t now_ms, struct arena *arena,
                              struct store_worker_queue **expired, size_t *count);
/* All that have messages, or had them, by name. In the arena. */
int store_worker_queue_list(struct store *store, struct arena *arena,
                            struct store_worker_queue **queues, size_t *count);
/* The messages of one, in the order they were sent, after the one of this number. In the arena; `with_bodies`. */
struct store_worker_listing {
    struct str queue;
    uint64_t after;
    size_t limit;
    bool with_bodies;
    struct store_worker_message *messages;
    size_t count;
};
int store_worker_queue_messages(struct store *store, struct store_worker_listing *listing,
                                struct arena *arena);
/* Removes all that nobody holds: how many. */
int store_worker_queue_purge(struct store *store, struct str queue, uint64_t *count);

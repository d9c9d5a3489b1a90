/* What outlives the process: the queue, the ledger of delivered legs, the activity log. One interface; SQLite behind it
 * today, in <directory>/queue.db, <directory>/activity.db, <directory>/kv.db (kv.h, schedule.h), <directory>/messages.db (kept.h) and
 * <directory>/queues.db (worker_queue.h), each with a write-ahead log, used by any number of hosts at once.
 *
 * All functions that return a result wait in a task, and their work is done on the thread pool. Writes of all tasks that
 * wait at the same time are one transaction and one fsync: when such a function has returned 0, what it wrote is on
 * stable storage. They return a negative errno value when it could not be written (-ENOSPC, -EIO, -EBUSY …): then
 * nothing of that call is in the store. A wait is never cut short by a cancellation, since nobody would know then
 * whether the write has happened.
 *
 * Times are milliseconds since 1970. Texts are kept byte for byte, valid UTF-8 or not. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct store;

struct store_options {
    const char *directory; /* made (0700) when it is not there; its parent exists */
    uint64_t
        body_inline_bytes; /* bodies up to this are in the database, longer ones files: 256 KiB */
    /* Told what an administrator must know: a corrupt entry or database that was set aside, writes that fail. In the
     * loop's thread; may be NULL. */
    void (*report)(void *arg, struct str what, struct str detail);
    void *report_arg;
};

/* Blocks (at start): opens, migrates; a database that is corrupt is set aside, what can be read of it is taken over,
 * and that is reported. NULL with the reason: no rights, made by a newer Postern, no space. */
struct store *store_open(const struct store_options *options, struct err *err);
/* Waits in a task until what was begun is written. */
void store_close(struct store *store);

/* --- the queue: a message, and a leg for each address it still has to go to --- */

/* All that is needed to send it on as it is, and to tell its sender when that fails. */
struct store_message {
    struct str id; /* [0-9a-z]{1,64}, unique: Postern's name for this entry */
    uint64_t created_ms;
    struct str reverse_path; /* said in MAIL (rewritten by SRS already); empty: <> */
    /* Who is told of failures: the original reverse-path; empty: nobody may be (null or unauthenticated sender). */
    struct str return_path;
    struct str envid; /* RFC 3461, decoded; empty: none */
    uint8_t ret;      /* RFC 3461 RET: 0 not said, 1 FULL, 2 HDRS */
    bool is_8bit, is_utf8;
    struct str
        activity_id; /* the message's id in the activity log, which its legs' outcomes go to; may be empty */
    const struct str *parts; /* given: the content in pieces; read: one piece */
    size_t part_count;
};

enum store_leg_state {
    STORE_WAITING,
    STORE_HELD,
    STORE_SET_ASIDE /* corrupt: only `drop` and an administrator's eyes */
};

struct store_leg {
    uint64_t id; /* the store's; 0 when given to store_queue_add */
    struct str message_id;
    struct str recipient; /* said in RCPT */
    struct str
        destination; /* what scheduling goes by: the recipient's domain in normal form */
    struct str
        original; /* the recipient at this host for whom it came: for notices and the activity log */
    struct str orcpt; /* RFC 3461, as given: "rfc822;user@…" decoded; empty: none */
    uint8_t notify;   /* RFC 3461 mask; 0: not said */
    uint64_t next_ms; /* not to be tried before */
    uint32_t attempts;
    bool is_delay_told;
    enum store_leg_state state;
    struct str last_reply, last_peer; /* of the last attempt, one line */
    uint64_t created_ms;              /* the message's; read only */
    uint64_t bytes;                   /* of the content; read only */
    struct str owner;                 /* who is sending it now; read only, empty: nobody */
    struct str reverse_path;          /* the message's; read only */
};

/* Durable when it returns 0. -EEXIST: the id is taken; -EINVAL: it is none, or there is no leg. */
int store_queue_add(struct store *store, const struct store_message *message,
                    const struct store_leg legs[], size_t leg_count);

/* Leases. An owner is alive until `until_ms`; renewing is one small write for all its legs. Legs of an owner that is no
 * longer alive can be claimed by others. */
int store_lease_renew(struct store *store, struct str owner, uint64_t now_ms,
                      uint64_t until_ms);
/* Gives back what the owner still holds, at its end. */
int store_lease_release(struct store *store, struct str owner);

struct store_claim {
    struct str owner; /* must have a lease that is alive: else -ESTALE */
    uint64_t now_ms;
    size_t legs_max;
    size_t per_destination_max; /* of this claim and what the owner holds already */
    /* Destinations that are not to be asked now (in back-off, or out of rate). */
    const struct str *not_to;
    size_t not_to_count;
};
/* Takes legs that are due: in turn over their destinations, within one destination the youngest message first. In the
 * arena. A leg whose envelope is not what it was is not taken: it is now STORE_SET_ASIDE, and that was reported. */
int store_queue_claim(struct store *store, const struct store_claim *claim,
                      struct arena *arena, struct store_leg **legs, size_t *count);
/* When the next leg is due that nobody holds; UINT64_MAX when there is none. */
int store_queue_next(struct store *store, uint64_t now_ms, uint64_t *next_ms);

/* The message of a leg, with its content checked (length and checksum). -ENOENT: no such message; -EBADMSG: it is
 * corrupt: its legs are now STORE_SET_ASIDE, and that was reported. */
int store_queue_read(struct store *store, struct str message_id, struct arena *arena,
                     struct store_message *message);

/* The leg goes back with these next_ms, attempts, last_reply, last_peer, is_delay_told. With `notice` (may be NULL; one
 * leg) that message is added in the same transaction. -ESTALE: another owner has it by now, or it has
 * ended or was set aside; nothing was changed. (An owner whose lease has ended may still say this of what nobody has
 * taken since.) */
int store_queue_retry(struct store *store, struct str owner, const struct store_leg *leg,
                      const struct store_message *notice,
                      const struct store_leg *notice_leg);
/* The leg is done with: delivered, or given up and its notice (may be NULL) added in the same transaction. The last leg
 * takes its message along. -ESTALE as above. */
int store_queue_end(struct store *store, struct str owner, uint64_t leg_id,
                    const struct store_message *notice, const struct store_leg *notice_leg);

/* For administrators. */
struct store_filter {
    struct str message_id, destination, recipient,
        reverse_path; /* empty: any; recipient and reverse_path: exactly */
    int state;        /* enum store_leg_state; -1: any */
    size_t limit, offset;
};
struct store_queue_sum {
    uint64_t messages, legs, held, set_aside, in_delivery, bytes,
        oldest_ms /* created; 0: none */;
};
int store_queue_list(struct store *store, const struct store_filter *filter,
                     struct arena *arena, struct store_leg **legs, size_t *count);
int store_queue_summary(struct store *store, uint64_t now_ms, struct store_queue_sum *sum);
/* On all legs that the filter finds and nobody is sending now: how many. `drop` without a notice. */
int store_queue_make_due(struct store *store, const struct store_filter *filter,
                         uint64_t now_ms, uint64_t *count);
int store_queue_hold(struct store *store, const struct store_filter *filter,
                     uint64_t *count);
int store_queue_release(struct store *store, const struct store_filter *filter,
                        uint64_t now_ms, uint64_t *count);
int store_queue_drop(struct store *store, const struct store_filter *filter,
                     uint64_t *count);

/* --- the ledger: legs that were delivered though their sender was told to come again --- */

/* `key`: what names the leg (an HMAC). Durable. */
int store_ledger_add(struct store *store, const struct str keys[], size_t count,
                     uint64_t expires_ms);
/* found[i]: whether keys[i] is there and has not expired. */
int store_ledger_find(struct store *store, const struct str keys[], size_t count,
                      uint64_t now_ms, bool found[]);
/* Whether it has ever had a row since the store was opened or at its opening, by any host: cheap, no waiting; lets a
 * host skip store_ledger_find. */
bool store_ledger_is_used(struct store *store);

/* --- the activity log: a row for each message and recipient; not waited for --- */

struct store_activity {
    struct str message_id, recipient; /* together they name the row */
    uint64_t time_ms;
    struct str from, subject, header_message_id, client, helo;
    uint64_t bytes;
    struct str spf, dkim, dmarc, arc;
    double spam_score; /* negative: none */
    struct str rule, worker, worker_version, worker_outcome, action;
    struct str
        status; /* forwarded, queued, handled, dropped, rejected, deliveryFailed, error */
    struct str reply;   /* what the sender was told */
    struct str actions; /* what was sent for it, as JSON */
    struct str trail;   /* the stages with their times, as JSON */
};
struct store_attempt {
    struct str message_id, recipient; /* of the row */
    uint64_t time_ms;
    struct str destination, peer, tls, reply,
        failure_class; /* class: empty when delivered */
    struct str status; /* delivered, deferred, failed */
    uint64_t duration_ms;
};
/* Copied, and written soon (within a second) with whatever else waits: a crash can lose the last of them, never mail. When
 * writing cannot keep up, the oldest not yet written are dropped and that is reported with their count. */
void store_activity_add(struct store *store, const struct store_activity *activity);
void store_activity_attempt(struct store *store, const struct store_attempt *attempt);
/* A queued message's end; a row that has two legs is `forwarded` only when both are, else deliveryFailed. */
void store_activity_status(struct store *store, struct str message_id, struct str recipient,
                           struct str status);
/* Removes rows older than this. */
int store_activity_purge(struct store *store, uint64_t before_ms);

struct store_activity_filter {
    struct str message_id, recipient, from, status, rule, worker,
        text;                    /* empty: any; `text`: within from, recipient, subject */
    uint64_t since_ms, until_ms; /* 0: any */
    uint64_t after_row;          /* --follow: rows younger than this one */
    size_t limit;                /* the youngest so many, oldest first */
};
struct store_activity_row {
    uint64_t row;
    struct store_activity activity;
    struct store_attempt *attempts;
    size_t attempt_count;
};
int store_activity_list(struct store *store, const struct store_activity_filter *filter,
                        struct arena *arena, struct store_activity_row **rows,
                        size_t *count);

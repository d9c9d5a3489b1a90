/* What the files of this folder share of an open store. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "backlog.h"
#include "body.h"
#include "kept.h"
#include "kv.h"
#include "lane.h"
#include "leg.h"
#include "log.h"
#include "query.h"
#include "shared.h"
#include "store.h"

#include "base/table.h"
#include "base/task.h"

/* kv.c */
struct store_kv {
    struct store_lane writer;
    struct store_lane *reader; /* in memory there is one connection for both */
    /* kv_overlay.c: what is seen through this one, and which of its keys are no longer; else NULL. */
    struct store_kv *below;
    struct table *taken_up;
};

/* A key is about to be read or changed; to be replaced or deleted. Nothing for one that is over no other. */
int store_kv_overlay_take_up(struct store_kv *kv, struct str space, struct str key);
void store_kv_overlay_hide(struct store_kv *kv, struct str space, struct str key);
int store_kv_overlay_list(struct store_kv *kv, struct str space,
                          struct store_kv_listing *listing, struct arena *arena);
/* Without what is below. */
int store_kv_list_own(struct store_kv *kv, struct str space,
                      struct store_kv_listing *listing, struct arena *arena);

struct store {
    struct store_options options; /* its directory is this one's own */
    char *directory;
    struct store_bodies bodies;
    struct store_shared *shared;
    struct store_lane queue_writer, queue_reader, activity_writer, activity_reader,
        kv_reader, kept_writer, kept_reader, worker_queue_writer, worker_queue_reader;
    struct store_log queue_log;
    struct store_kv kv;
    struct store_backlog activity, kept;
    struct task *upkeep;      /* the last one, ended or not; NULL: none yet */
    uint64_t upkeep_ms;       /* when it began, on the loop's clock */
    uint64_t failure_told_ms; /* on the loop's clock; 0: never */
};

/* Tells the administrator. In the loop's thread. */
void store_tell(const struct store *store, struct str what, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));
#define STORE_ENTRY_SET_ASIDE STR("an entry of the queue is corrupt and was set aside")

struct store_purge {
    uint64_t before_ms;
    size_t count; /* what a piece of it has removed */
};
/* An operation with a struct store_purge: removes some of the keys that have expired. */
int store_ledger_purge(struct store_database *database, void *arg);
/* Whether it has rows. */
int store_ledger_look(struct store_database *database, bool *is_used);

/* Writes rows of the activity log, as a struct store_backlog wants it. */
int store_activity_write(struct store_database *database, void *arg);
/* The same for messages that are kept. */
int store_kept_write(struct store_database *database, void *arg);

/* Once an hour, what nobody waits for: files without a message are removed, keys that have expired. Called by what a host
 * does again and again. */
void store_keep_up(struct store *store);
/* Removes the file of a message that is no longer in the queue. Waits in a task. */
void store_remove_file(struct store *store, struct str id);
/* Milliseconds since 1970. */
uint64_t store_clock_ms(void);

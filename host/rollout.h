/* A worker's new version beside the one before it: each has its share of the messages until worker/canary.h says which is to
 * have them all. Belongs to the snapshots that have the new version; what all hosts see is put together in shared memory,
 * so that all decide the same. A restarted host knows the new version only. */
#pragma once

#include "config.h"
#include "shared.h"

#include "worker/canary.h"

struct rollout;

/* Where hosts put their figures together; NULL with tools that serve nothing. One for each host process. */
struct rollout_board {
    struct shared *shared;
    unsigned host; /* this one's number */
};
/* Nothing is under way in a host that begins. */
void rollout_board_clear(const struct rollout_board *board);

/* Keeps `before`; `worker` is the new version. */
struct rollout *rollout_new(const struct config_worker *before,
                            const struct config_worker *worker,
                            const struct rollout_board *board);
struct rollout *rollout_keep(struct rollout *rollout);
/* NULL is ignored. */
void rollout_release(struct rollout *rollout);

/* The version before. */
const struct config_worker *rollout_before(const struct rollout *rollout);
/* Whether it is about this new version. */
bool rollout_is_of(const struct rollout *rollout, const char *version);

/* Whether the message of this name (whatever its sender brings again with it) goes to the new version. */
bool rollout_takes(struct rollout *rollout, const struct canary_options *options,
                   struct str message_name);

/* A run of one of the versions has ended. */
struct rollout_run {
    bool is_new, has_failed, has_paused; /* the version pauses from here on: its circuit */
};
void rollout_note(struct rollout *rollout, const struct canary_options *options,
                  const struct rollout_run *run);

/* What all hosts have seen, and what follows; what has followed is told once, as an event. */
enum canary_state rollout_state(struct rollout *rollout,
                                const struct canary_options *options,
                                struct canary_figures *figures);

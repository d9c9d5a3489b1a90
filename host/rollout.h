/* A worker's new version beside the one before it: each has its share of the messages until worker/canary.h says which is to
 * have them all. Belongs to the snapshots that have the new version; what all hosts see is put together in shared memory,
 * so that all decide the same. A host that starts goes on with what kept_version.h has, and the others' figures. */
#pragma once

#include "config.h"
#include "shared.h"

#include "status/event.h"
#include "worker/canary.h"

struct rollout;

/* Keeps `before`; `worker` is the new version; `place` (may be NULL) is where hosts put their figures together. */
struct rollout *rollout_new(const struct config_worker *before,
                            const struct config_worker *worker,
                            const struct shared_place *place);
struct rollout *rollout_keep(struct rollout *rollout);
/* NULL is ignored. */
void rollout_release(struct rollout *rollout);

/* The version before. */
const struct config_worker *rollout_before(const struct rollout *rollout);
/* Whether it is about this new version. */
bool rollout_is_of(const struct rollout *rollout, const char *version);

/* The version that gets a message, or runs because of something else. */
struct rollout_choice {
    const struct config_worker *worker;
    struct rollout *rollout;             /* NULL: there is one version only */
    const struct canary_options *canary; /* with a rollout */
    bool is_new;
};
/* `name` is that of the message (what its sender brings again with it) or event: the same one gets the same version. For a
 * worker of a snapshot, which lasts longer than the choice. The trail (may be NULL) is told when there are two versions. A handler that
 * the version before was not asked for (a new `cron:`) is the new one's. */
struct rollout_choice rollout_choose(const struct config_worker *worker,
                                     enum worker_handler handler, struct str name,
                                     struct trail *trail);
/* The run of the chosen version has ended. */
void rollout_note(const struct rollout_choice *choice, const struct worker_outcome *ended);

/* What all hosts have seen, and what follows; what has followed is told once, as an event. */
enum canary_state rollout_state(struct rollout *rollout,
                                const struct canary_options *options,
                                struct canary_figures *figures);

/* The workers of a snapshot: each version that the snapshot before has is taken over, isolate and all. A new version of a worker
 * with `canary:` comes beside the last one that has had all messages (rollout.h). */
#include <string.h>

#include "config.h"
#include "kept_version.h"
#include "rollout.h"

#include "base/table.h"

/* --- the snapshot before --- */

/* The version that new ones are measured by: while or after a new one was found worse, the one before that. */
static const struct config_worker *proven_version(const struct config_worker *older)
{
    struct canary_figures figures;
    if (older->rollout &&
        rollout_state(older->rollout, &older->canary, &figures) != CANARY_PROMOTED)
        return rollout_before(older->rollout);
    return older;
}

static bool is_same_version(const struct config_worker *a, const struct config_worker *b)
{
    return strcmp(a->version, b->version) == 0;
}

static void take_over(struct config_worker *worker, const struct config_worker *older)
{
    const struct config_worker *proven = older ? proven_version(older) : NULL;
    const struct config_worker *same = NULL;
    if (older && is_same_version(older, worker))
        same = older;
    else if (proven && is_same_version(proven, worker))
        same = proven;
    worker->is_new = !same;
    worker->worker = same ? worker_keep(same->worker) : worker_new(&worker->options);
}

/* --- rollouts --- */

static void roll_out(struct config_worker *worker, const struct config_worker *older,
                     const struct shared_place *place)
{
    const struct config_worker *proven = proven_version(older);
    if (worker->canary.share_percent == 0 || is_same_version(proven, worker))
        return;
    if (older->rollout && rollout_is_of(older->rollout, worker->version))
        worker->rollout = rollout_keep(older->rollout);
    else
        worker->rollout = rollout_new(proven, worker, place);
}

/* A host has started: what was tried before goes on, though nobody remembers the figures. */
static void go_on(struct config_worker *worker, const struct shared_place *place)
{
    struct config_worker *kept =
        worker->canary.share_percent ? kept_version_read(worker) : NULL;
    if (!kept || is_same_version(kept, worker))
        return;
    kept->worker = worker_new(&kept->options);
    worker->rollout = rollout_new(kept, worker, place);
    worker_release(kept->worker); /* the rollout has it */
}

void config_start_workers(struct config *config, const struct config *before,
                          const struct shared_place *place)
{
    struct str name;
    void *value;
    for (size_t at = 0; table_next(config->workers, &at, &name, &value);) {
        struct config_worker *worker = value;
        const struct config_worker *older =
            before ? table_get(before->workers, name) : NULL;
        if (older && !older->worker)
            older = NULL;
        take_over(worker, older);
        if (older)
            roll_out(worker, older, place);
        else if (!before && place)
            go_on(worker, place);
    }
}

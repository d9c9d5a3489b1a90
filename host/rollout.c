#include "rollout.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kept_version.h"

#include "base/mem.h"
#include "mail/message.h"

struct rollout {
    size_t references;
    const struct config_worker *before;
    char version[CONFIG_VERSION_BYTES], script_hash[CONFIG_VERSION_BYTES];
    uint64_t key;
    const struct shared *shared; /* NULL: this host is alone */
    struct shared_rollout *own;  /* this host's part, in there or `alone` */
    struct shared_rollout alone;
    char *kept_at; /* the file in the state folder; NULL: none */
    bool is_told;
};

/* --- the hosts' figures --- */

static struct shared_rollout *find_part(const struct shared *shared, unsigned host,
                                        uint64_t key)
{
    struct shared_rollout *parts = (struct shared_rollout *)shared->hosts[host].rollouts;
    for (size_t i = 0; i < SHARED_ROLLOUTS_MAX; i++)
        if (atomic_load(&parts[i].key) == key)
            return &parts[i];
    return NULL;
}

/* In shared memory, unless so many are under way that this one is this host's affair. */
static void begin_part(struct rollout *rollout, const struct shared_place *place)
{
    struct shared_rollout *free_part =
        place ? find_part(place->shared, place->host, 0) : NULL;
    rollout->own = free_part ? free_part : &rollout->alone;
    rollout->shared = free_part ? place->shared : NULL;
    *rollout->own =
        (struct shared_rollout){.state = CANARY_RUNNING, .started_at = unix_now_ms()};
    atomic_store(&rollout->own->key, rollout->key);
}

static void add_part(const struct shared_rollout *part, struct canary_figures *figures,
                     enum canary_state *state)
{
    uint64_t now_ms = unix_now_ms(), started_at = atomic_load(&part->started_at);
    uint64_t age_ms = now_ms > started_at ? now_ms - started_at : 0;
    figures->before.runs += atomic_load(&part->runs_before);
    figures->before.failures += atomic_load(&part->failures_before);
    figures->canary.runs += atomic_load(&part->runs);
    figures->canary.failures += atomic_load(&part->failures);
    if (age_ms > figures->age_ms)
        figures->age_ms = age_ms;
    uint64_t said = atomic_load(&part->state);
    if (*state == CANARY_RUNNING && (said == CANARY_RETURNED || said == CANARY_PROMOTED))
        *state = (enum canary_state)said;
}

/* Sums up; the state is what this host has said already, or else another. */
static enum canary_state sum_up(const struct rollout *rollout,
                                struct canary_figures *figures)
{
    enum canary_state state = CANARY_RUNNING;
    *figures = (struct canary_figures){0};
    add_part(rollout->own, figures, &state);
    for (unsigned i = 0; rollout->shared && i < rollout->shared->host_count; i++) {
        const struct shared_rollout *part = find_part(rollout->shared, i, rollout->key);
        if (part && part != rollout->own)
            add_part(part, figures, &state);
    }
    return state;
}

/* --- life --- */

static char *copy_path(const struct config_worker *worker)
{
    struct arena *arena = arena_new();
    const char *path = kept_version_path(worker->home, worker->options.name, arena);
    char *copy = mem_copy_text(path, strlen(path));
    arena_free(arena);
    return copy;
}

struct rollout *rollout_new(const struct config_worker *before,
                            const struct config_worker *worker,
                            const struct shared_place *place)
{
    struct rollout *rollout = mem_zero(1, sizeof *rollout);
    rollout->references = 1;
    rollout->before = before;
    config_keep_memory(before->home);
    worker_keep(before->worker);
    memcpy(rollout->version, worker->version, sizeof rollout->version);
    memcpy(rollout->script_hash, worker->script_hash, sizeof rollout->script_hash);
    rollout->key =
        config_hash64((const struct str[]){worker->options.name, str_of(before->version),
                                           str_of(worker->version)},
                      3);
    begin_part(rollout, place);
    if (place)
        rollout->kept_at = copy_path(worker);
    return rollout;
}

struct rollout *rollout_keep(struct rollout *rollout)
{
    rollout->references++;
    return rollout;
}

void rollout_release(struct rollout *rollout)
{
    if (!rollout || --rollout->references)
        return;
    atomic_store(&rollout->own->key, 0);
    worker_release(rollout->before->worker);
    config_release_memory(rollout->before->home);
    free(rollout->kept_at);
    free(rollout);
}

const struct config_worker *rollout_before(const struct rollout *rollout)
{
    return rollout->before;
}

bool rollout_is_of(const struct rollout *rollout, const char *version)
{
    return strcmp(rollout->version, version) == 0;
}

/* --- the verdict --- */

static void tell(const struct rollout *rollout, enum canary_state state,
                 const struct canary_figures *figures)
{
    EVENT(NULL, state == CANARY_RETURNED ? STATUS_CANARY_RETURNED : STATUS_CANARY_PROMOTED,
          FIELD("worker", rollout->before->options.name),
          FIELD("script", str_part(str_of(rollout->script_hash), 0, CONFIG_HASH_DIGITS)),
          FIELD("before", config_short_hash(rollout->before)),
          FIELD_NUMBER("runs", figures->canary.runs),
          FIELD_NUMBER("failures", figures->canary.failures),
          FIELD_NUMBER("runs_before", figures->before.runs),
          FIELD_NUMBER("failures_before", figures->before.failures));
}

static enum canary_state judge(struct rollout *rollout,
                               const struct canary_options *options,
                               struct canary_figures *figures, bool has_paused)
{
    enum canary_state state = sum_up(rollout, figures);
    figures->is_paused = has_paused;
    if (state == CANARY_RUNNING)
        state = canary_judge(options, figures);
    if (state != CANARY_RUNNING && !rollout->is_told) {
        rollout->is_told = true;
        atomic_store(&rollout->own->state, state);
        tell(rollout, state, figures);
        if (state == CANARY_PROMOTED && rollout->kept_at)
            unlink(rollout->kept_at);
    }
    return state;
}

enum canary_state rollout_state(struct rollout *rollout,
                                const struct canary_options *options,
                                struct canary_figures *figures)
{
    return judge(rollout, options, figures, false);
}

/* --- runs --- */

static bool takes(struct rollout *rollout, const struct canary_options *options,
                  struct str name)
{
    struct canary_figures figures;
    switch (rollout_state(rollout, options, &figures)) {
    case CANARY_RETURNED:
        return false;
    case CANARY_PROMOTED:
        return true;
    case CANARY_RUNNING:
        break;
    }
    const struct str parts[] = {{(const char *)&rollout->key, sizeof rollout->key}, name};
    return canary_takes(options, config_hash64(parts, 2));
}

struct rollout_choice rollout_choose(const struct config_worker *worker,
                                     enum worker_handler handler, struct str name,
                                     struct trail *trail)
{
    struct rollout *rollout = worker->rollout;
    if (!rollout)
        return (struct rollout_choice){.worker = worker, .is_new = true};
    bool is_new = !(rollout->before->needed_handlers & 1U << handler) ||
                  takes(rollout, &worker->canary, name);
    const struct config_worker *chosen = is_new ? worker : rollout->before;
    EVENT(trail, STATUS_CANARY_CHOSEN, FIELD("worker", worker->options.name),
          FIELD("script", config_short_hash(chosen)),
          FIELD("version", is_new ? STR("new") : STR("before")));
    return (struct rollout_choice){chosen, rollout, &worker->canary, is_new};
}

void rollout_note(const struct rollout_choice *choice, const struct worker_outcome *ended)
{
    struct canary_figures figures;
    struct shared_rollout *own = choice->rollout ? choice->rollout->own : NULL;
    if (!own || atomic_load(&own->state) != CANARY_RUNNING)
        return;
    bool is_new = choice->is_new;
    atomic_fetch_add(is_new ? &own->runs : &own->runs_before, 1);
    if (worker_has_failed(ended))
        atomic_fetch_add(is_new ? &own->failures : &own->failures_before, 1);
    judge(choice->rollout, choice->canary, &figures,
          is_new && ended->circuit == CIRCUIT_HAS_OPENED);
}

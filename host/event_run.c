#include "event_run.h"

#include <stdlib.h>

#include "binding.h"

#include "base/mem.h"
#include "status/event.h"

/* Freed at the end of the run, which may come after the caller's. */
struct event_passage {
    struct router *router;
    struct config *config;
    struct rollout_choice version;
    const struct config_worker *worker; /* of that version */
    struct arena *arena;
    struct trail *trail;
    struct event_run what;
};

static struct binding_place place_of(const struct event_passage *run)
{
    return (struct binding_place){.router = run->router,
                                  .config = run->config,
                                  .worker = run->worker,
                                  .trail = run->trail};
}

static void binding(void *arg, const struct worker_call *call, struct arena *arena,
                    struct worker_answer *answer)
{
    const struct event_passage *run = arg;
    struct binding_place place = place_of(run);
    if (call->binding.length == 0 && run->what.call)
        run->what.call(run->what.arg, call, arena, answer);
    else
        binding_call(&place, call, arena, answer);
}

static bool is_action(void *arg, const struct worker_call *call)
{
    struct binding_place place = place_of(arg);
    return binding_is_action(&place, call);
}

static void log_line(void *arg, struct str level, struct str text)
{
    const struct event_passage *run = arg;
    EVENT(run->trail, STATUS_WORKER_LOG, FIELD("level", level),
          FIELD("text", binding_hide_secrets(run->worker, text, run->arena)));
}

static void end_run(void *arg)
{
    struct event_passage *run = arg;
    if (run->what.ended)
        run->what.ended(run->what.arg);
    config_release(run->config);
    arena_free(run->arena);
    free(run);
}

static struct event_passage *begin(const struct event_run *what, struct str id)
{
    struct event_passage *run = mem_zero(1, sizeof *run);
    run->router = what->router;
    run->config = config_keep(what->config);
    run->what = *what;
    run->arena = arena_new();
    run->trail =
        what->trail ? what->trail : trail_new(run->arena, arena_str(run->arena, id));
    run->version = rollout_choose(what->worker, what->event.handler, id, run->trail);
    run->worker = run->version.worker;
    return run;
}

static void tell_end(const struct event_run *what, struct str id,
                     const struct config_worker *worker,
                     const struct worker_outcome *outcome)
{
    const struct status_field fields[] = {
        FIELD("id", id),
        FIELD("worker", worker->options.name),
        FIELD("script", config_short_hash(worker)),
        FIELD("handler", str_of(worker_handler_name(what->event.handler))),
        FIELD("outcome", str_of(worker_result_name(outcome->result))),
        FIELD("why", outcome->text),
        FIELD_NUMBER("actions", outcome->action_count),
        FIELD_NUMBER("cpu_us", outcome->cpu_us),
        what->about,
        what->also,
    };
    size_t count = sizeof fields / sizeof *fields;
    count -= (size_t)!what->about.name + (size_t)!what->also.name;
    status_event(NULL, STATUS_WORKER_ENDED, fields, count);
}

int event_run(const struct event_run *what, struct arena *arena,
              struct worker_outcome *outcome)
{
    struct str id = message_new_id(arena);
    struct event_passage *run = begin(what, id);
    const struct rollout_choice version = run->version;
    const struct worker_actions actions = {.arg = run,
                                           .binding = binding,
                                           .is_action = is_action,
                                           .log = log_line,
                                           .end = end_run};
    int result =
        worker_run_event(version.worker->worker, &what->event, &actions, arena, outcome);
    outcome->text = binding_hide_secrets(version.worker, outcome->text, arena);
    if (result == 0) {
        rollout_note(&version, outcome);
        tell_end(what, id, version.worker, outcome);
    }
    return result;
}

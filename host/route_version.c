/* Which version of a worker decides about a message: while a new one is tried (rollout.h), the message itself says
 * which, so that one that its sender brings again goes the same way. */
#include "rollout.h"
#include "route.h"

/* What a sender's next attempt has too. */
static struct str message_name(const struct passage *passage, const struct outcome *outcome)
{
    const struct message *message = passage->message;
    struct arena *arena = message->arena;
    return str_of(
        arena_printf(arena, "%.*s %.*s %.*s %.*s", STR_ARG(message->reverse_path.text),
                     STR_ARG(outcome->recipient->mailbox.text),
                     STR_ARG(header_value(&message->header, STR("Message-ID"), arena)),
                     STR_ARG(header_value(&message->header, STR("Date"), arena))));
}

struct route_version route_choose_version(const struct passage *passage,
                                          const struct outcome *outcome, struct str name)
{
    const struct config_worker *newest = config_worker_described(passage->config, name);
    if (!newest->rollout)
        return (struct route_version){newest, NULL, NULL, true};
    struct rollout *rollout = newest->rollout;
    bool is_new = rollout_takes(rollout, &newest->canary, message_name(passage, outcome));
    const struct config_worker *worker = is_new ? newest : rollout_before(rollout);
    EVENT(passage->trail, STATUS_CANARY_CHOSEN, FIELD("worker", name),
          FIELD("script", config_short_hash(worker)),
          FIELD("version", is_new ? STR("new") : STR("before")));
    return (struct route_version){worker, rollout, &newest->canary, is_new};
}

void route_note_version(const struct route_version *version,
                        const struct worker_outcome *ended)
{
    if (version->rollout)
        rollout_note(version->rollout, version->canary,
                     &(struct rollout_run){
                         .is_new = version->is_new,
                         .has_failed = worker_has_failed(ended),
                         .has_paused = ended->circuit == CIRCUIT_HAS_OPENED,
                     });
}

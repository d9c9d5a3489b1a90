/* Which version of a worker decides about a message, while a new one is tried (rollout.h). */
#include "route.h"

/* What a sender's next attempt has too. */
static struct str name_for_sender(const struct passage *passage,
                                  const struct outcome *outcome)
{
    const struct message *message = passage->message;
    struct arena *arena = message->arena;
    return str_of(
        arena_printf(arena, "%.*s %.*s %.*s %.*s", STR_ARG(message->reverse_path.text),
                     STR_ARG(outcome->recipient->mailbox.text),
                     STR_ARG(header_value(&message->header, STR("Message-ID"), arena)),
                     STR_ARG(header_value(&message->header, STR("Date"), arena))));
}

struct rollout_choice route_choose_version(const struct passage *passage,
                                           const struct outcome *outcome, struct str worker)
{
    const struct config_worker *newest = config_worker_described(passage->config, worker);
    struct str name = newest->rollout ? name_for_sender(passage, outcome) : STR("");
    return rollout_choose(newest, WORKER_EMAIL, name, passage->trail);
}

/* What becomes of a message whose worker has failed, or pauses because it kept failing: what host.yaml says for that
 * worker (`on_error:`). Without it the message stays with its sender, who comes again. */
#include "route.h"

#include "smtp/replies.h"

/* The leg by which the script had sent it there already, or NULL. */
static const struct leg *leg_sent_to(const struct passage *passage,
                                     const struct outcome *outcome,
                                     const struct mailbox *destination)
{
    list_foreach (node, (struct list *)&passage->legs) {
        const struct leg *leg = list_entry(node, struct leg, node);
        if (leg->outcome == outcome && !leg->is_reply && leg_is_sent(leg) &&
            mailbox_same(&leg->destination, destination))
            return leg;
    }
    return NULL;
}

static struct reply forward(struct passage *passage, struct outcome *outcome,
                            const struct mailbox *destination)
{
    EVENT(passage->trail, STATUS_WORKER_ON_ERROR, FIELD("worker", outcome->worker),
          FIELD("way", STR("forward")), FIELD("to", destination->text),
          FIELD_NUMBER("sent_before", route_sent_count(passage, outcome)));
    const struct leg *leg = leg_sent_to(passage, outcome, destination);
    if (!leg) {
        struct arena *arena = arena_new();
        leg = route_forward(passage, outcome, destination, NULL, arena);
        arena_free(arena);
    }
    return route_leg_reply(passage, leg);
}

static struct reply reject(struct passage *passage, struct outcome *outcome,
                           struct str text)
{
    struct reply reply = reply_rejected(text);
    EVENT(passage->trail, STATUS_WORKER_ON_ERROR, FIELD("worker", outcome->worker),
          FIELD("way", STR("reject")),
          FIELD_NUMBER("sent_before", route_sent_count(passage, outcome)));
    EVENT(passage->trail, STATUS_MESSAGE_REJECTED,
          FIELD("to", outcome->recipient->mailbox.text),
          FIELD("reason", reply_line(&reply, passage->message->arena)));
    outcome->status = "rejected";
    return reply;
}

struct reply route_on_worker_error(struct passage *passage, struct outcome *outcome,
                                   const struct config_on_error *on_error)
{
    switch (on_error->way) {
    case ON_ERROR_FORWARD:
        return forward(passage, outcome, &on_error->destination);
    case ON_ERROR_REJECT:
        return reject(passage, outcome, on_error->reject_text);
    case ON_ERROR_DEFER:
        break;
    }
    outcome->status = "error";
    return reply_worker_failed();
}

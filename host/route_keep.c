/* `keep_messages`: what was routed is kept as it came, with what was found out about it, so that rules and scripts of
 * another day can be tried on it. It costs its sender no wait, and mail needs the disk more. */
#include "kept_message.h"
#include "route.h"

static void tell_not_kept(struct passage *passage, const char *why)
{
    EVENT(passage->trail, STATUS_MESSAGE_NOT_KEPT, FIELD("why", str_of(why)));
}

/* Of each hundred so many, evenly. */
static bool is_due(struct router *router, uint32_t percent)
{
    router->keep_share += percent;
    if (router->keep_share < 100)
        return false;
    router->keep_share -= 100;
    return true;
}

static bool is_wanted(const struct passage *passage)
{
    const struct router *router = passage->router;
    return router->store && passage->config->keep.for_ms &&
           !passage->outcomes[0].recipient->route; /* a bounce, which no rule is about */
}

static struct str envelope_of(const struct passage *passage)
{
    struct kept_message kept = {
        .message = passage->message,
        .recipients =
            arena_array(passage->message->arena, struct mailbox, passage->outcome_count),
        .recipient_count = passage->outcome_count,
        .verdict = passage->verdict,
        .is_reply_unchecked = passage->router->is_reply_unchecked,
    };
    for (size_t i = 0; i < passage->outcome_count; i++)
        kept.recipients[i] = passage->outcomes[i].recipient->mailbox;
    return kept_message_envelope(&kept);
}

void route_keep(struct passage *passage)
{
    struct router *router = passage->router;
    const struct keep_options *options = &passage->config->keep;
    const struct message *message = passage->message;
    if (!is_wanted(passage) || !is_due(router, options->percent))
        return;
    struct store_kept kept = {.id = message->id,
                              .time_ms = message->received_at,
                              .content = blob_view(message->raw)};
    if (router->keep_space && space_is_low(router->keep_space)) {
        tell_not_kept(passage, "the disk is almost full");
        return;
    }
    if (kept.content.length <= options->message_bytes_max)
        kept.envelope = envelope_of(passage);
    if (kept.envelope.length)
        store_kept_add(router->store, &kept, options->bytes_max);
    else
        tell_not_kept(passage, "too large");
}

/* The activity log: a row for each message and recipient when its sender is answered, and what the queue makes of it
 * later. */
#include "route.h"

#include "status/trail_json.h"

/* --- the message --- */

static const struct leg *first_leg(const struct passage *passage,
                                   const struct outcome *outcome, enum leg_fate fate)
{
    list_foreach (node, (struct list *)&passage->legs) {
        const struct leg *leg = list_entry(node, struct leg, node);
        if (leg->outcome == outcome && !leg->is_reply && leg->fate == fate)
            return leg;
    }
    return NULL;
}

/* In the words of the hosted service's log, and two more for what it has no queue for. */
static const char *status_of(const struct passage *passage, const struct outcome *outcome,
                             const struct reply *answer)
{
    if (outcome->status)
        return outcome->status;
    if (reply_is_temporary(&outcome->reply) || reply_is_temporary(answer))
        return "deferred";
    if (first_leg(passage, outcome, LEG_REFUSED))
        return "deliveryFailed";
    if (first_leg(passage, outcome, LEG_QUEUED))
        return "queued";
    return first_leg(passage, outcome, LEG_DELIVERED) ? "forwarded" : "handled";
}

struct store_activity route_activity(const struct passage *passage,
                                     const struct outcome *outcome,
                                     const struct reply *answer)
{
    const struct message *message = passage->message;
    const struct auth_verdict *verdict = passage->verdict;
    struct arena *arena = message->arena;
    char address[NET_ADDRESS_TEXT_BYTES];
    const char *client = net_address_ip_text(&message->client.address, address);
    return (struct store_activity){
        .message_id = message->id,
        .recipient = outcome->recipient->mailbox.text,
        .time_ms = message->received_at,
        .from = message->reverse_path.text,
        .subject = header_value(&message->header, STR("Subject"), arena),
        .header_message_id = header_value(&message->header, STR("Message-ID"), arena),
        .client = arena_str(arena, str_of(client)),
        .helo = message->client.helo,
        .bytes = message->raw->length,
        .spf = passage->auth.spf,
        .dkim = passage->auth.dkim,
        .dmarc = passage->auth.dmarc,
        .arc = passage->auth.arc,
        .spam_score = verdict ? verdict->spam_score : -1,
        .rule = outcome->rule,
        .worker = outcome->worker,
        .worker_version = outcome->worker_version,
        .worker_outcome = outcome->worker_outcome,
        .action = outcome->action,
        .status = str_of(status_of(passage, outcome, answer)),
        .reply = reply_line(outcome->reply.code ? &outcome->reply : answer, arena),
        .actions = route_actions_json(passage, outcome),
    };
}

void route_record(struct passage *passage, const struct reply *answer)
{
    if (!passage->router->store)
        return;
    struct str trail = trail_json(passage->trail, passage->message->arena);
    for (size_t i = 0; i < passage->outcome_count; i++) {
        struct store_activity row = route_activity(passage, &passage->outcomes[i], answer);
        row.trail = trail;
        store_activity_add(passage->router->store, &row);
    }
}

/* --- the queue --- */

static void attempted(void *arg, const struct store_message *message,
                      const struct store_leg *leg, const struct delivery_result *result,
                      bool is_final)
{
    struct router *router = arg;
    struct arena *arena = arena_new();
    bool is_ok = result->status == DELIVERY_OK;
    struct str line = reply_line(&result->reply, arena);
    struct str class =
        is_ok
            ? STR("")
            : str_of(failure_name(failure_classify(&result->reply, result->is_from_peer)));
    EVENT(NULL,
          is_ok      ? STATUS_MESSAGE_FORWARDED
          : is_final ? STATUS_DELIVERY_GIVEN_UP
                     : STATUS_DELIVERY_FAILED,
          FIELD("id", message->activity_id), FIELD("queue_id", message->id),
          FIELD("to", leg->recipient), FIELD("peer", result->peer), FIELD("reply", line),
          FIELD("class", class), FIELD_NUMBER("attempt", leg->attempts),
          FIELD_NUMBER("ms", result->duration_ms));
    store_activity_attempt(router->store, &(struct store_attempt){
                                              .message_id = message->activity_id,
                                              .recipient = leg->original,
                                              .time_ms = unix_now_ms(),
                                              .destination = leg->recipient,
                                              .peer = result->peer,
                                              .tls = result->tls,
                                              .reply = line,
                                              .failure_class = class,
                                              .status = str_of(is_ok      ? "delivered"
                                                               : is_final ? "failed"
                                                                          : "deferred"),
                                              .duration_ms = result->duration_ms,
                                          });
    if (is_ok || is_final)
        store_activity_status(router->store, message->activity_id, leg->original,
                              is_ok ? STR("forwarded") : STR("deliveryFailed"));
    arena_free(arena);
}

static void noticed(void *arg, const struct store_message *message,
                    const struct store_leg *leg, enum notice_action action,
                    const struct store_message *notice)
{
    static const char *const names[] = {"failed", "delayed", "relayed"};
    (void)arg;
    EVENT(NULL, STATUS_NOTICE_QUEUED, FIELD("id", message->activity_id),
          FIELD("queue_id", notice->id), FIELD("action", str_of(names[action])),
          FIELD("to", message->return_path), FIELD("about", leg->original));
}

static void troubled(void *arg, struct str what, struct str detail)
{
    (void)arg;
    EVENT(NULL, STATUS_QUEUE_TROUBLED, FIELD("what", what), FIELD("detail", detail));
}

struct queue_observer route_queue_observer(struct router *router)
{
    return (struct queue_observer){router, attempted, noticed, troubled};
}

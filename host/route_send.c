/* One leg: a message to one destination. In session first; what cannot be delivered for now goes to the queue.
 *
 *     rewritten (SRS), sealed (ARC, DKIM) --sent before?--> delivered
 *             `--delivery_send()--> delivered | refused | soft failure --queue--> queued
 *                                                              `--defer, or no queue--> deferred */
#include <string.h>

#include "route.h"

#include "base/task.h"
#include "delivery/failure.h"
#include "delivery/seal.h"
#include "delivery/srs.h"
#include "mail/hop.h"
#include "smtp/replies.h"

bool leg_is_sent(const struct leg *leg)
{
    return leg->fate == LEG_DELIVERED || leg->fate == LEG_QUEUED;
}

size_t route_sent_count(const struct passage *passage, const struct outcome *outcome)
{
    size_t count = 0;
    list_foreach (node, (struct list *)&passage->legs) {
        const struct leg *leg = list_entry(node, struct leg, node);
        count += leg->outcome == outcome && leg_is_sent(leg);
    }
    return count;
}

static struct leg *leg_new(struct passage *passage, const struct outgoing *outgoing)
{
    struct arena *arena = passage->message->arena;
    struct leg *leg = arena_new_of(arena, struct leg);
    leg->outcome = outgoing->outcome;
    leg->is_reply = outgoing->is_reply;
    leg->destination = *outgoing->destination;
    leg->destination.text = arena_str(arena, outgoing->destination->text);
    leg->destination.local = arena_str(arena, outgoing->destination->local);
    leg->destination.domain = arena_str(arena, outgoing->destination->domain);
    list_append(&passage->legs, &leg->node);
    return leg;
}

/* --- in session --- */

static void record_attempt(struct passage *passage, const struct leg *leg,
                           const struct delivery_result *result, struct arena *arena)
{
    static const char *const names[] = {"delivered", "deferred", "failed"};
    bool is_ok = result->status == DELIVERY_OK;
    struct str line = reply_line(&result->reply, arena);
    struct str class =
        is_ok
            ? STR("")
            : str_of(failure_name(failure_classify(&result->reply, result->is_from_peer)));
    if (is_ok)
        EVENT(passage->trail, STATUS_MESSAGE_FORWARDED, FIELD("to", leg->destination.text),
              FIELD("peer", result->peer), FIELD("tls", result->tls), FIELD("reply", line),
              FIELD_NUMBER("ms", result->duration_ms));
    else
        EVENT(passage->trail, STATUS_DELIVERY_FAILED, FIELD("to", leg->destination.text),
              FIELD("peer", result->peer), FIELD("reply", line), FIELD("class", class),
              FIELD_NUMBER("ms", result->duration_ms));
    if (!passage->router->store)
        return;
    store_activity_attempt(passage->router->store,
                           &(struct store_attempt){
                               .message_id = passage->message->id,
                               .recipient = leg->outcome->recipient->mailbox.text,
                               .time_ms = unix_now_ms(),
                               .destination = leg->destination.text,
                               .peer = result->peer,
                               .tls = result->tls,
                               .reply = line,
                               .failure_class = class,
                               .status = str_of(names[result->status]),
                               .duration_ms = result->duration_ms,
                           });
}

static void attempt(struct passage *passage, const struct outgoing *outgoing,
                    struct leg *leg, struct arena *arena)
{
    static const enum leg_fate fates[] = {LEG_DELIVERED, LEG_DEFERRED, LEG_REFUSED};
    struct delivery_request request = {
        .reverse_path = outgoing->reverse_path,
        .recipient = &leg->destination,
        .parts = outgoing->parts,
        .part_count = outgoing->part_count,
        .is_8bit = outgoing->is_8bit,
        .is_utf8 = outgoing->is_utf8,
        .message_id = outgoing->id,
        .dsn = outgoing->is_reply ? NULL : &passage->message->dsn,
        .dsn_recipient = outgoing->is_reply ? NULL : &leg->outcome->recipient->dsn,
    };
    struct delivery_result result = {0};
    delivery_send(passage->router->delivery, &request, arena, &result);
    leg->fate = fates[result.status];
    leg->reply = result.reply;
    leg->is_from_peer = result.is_from_peer;
    leg->peer_has_dsn = result.peer_has_dsn;
    leg->peer = arena_str(passage->message->arena, result.peer);
    record_attempt(passage, leg, &result, arena);
}

/* --- the queue --- */

static bool may_queue(const struct passage *passage, const struct leg *leg)
{
    const struct router *router = passage->router;
    return leg->fate == LEG_DEFERRED && (router->queue || router->is_trial) &&
           leg->outcome->on_soft_failure == RULE_SOFT_QUEUE &&
           !task_cancelled(task_current());
}

struct store_message route_stored_message(const struct passage *passage)
{
    const struct message *message = passage->message;
    return (struct store_message){
        .id = message->id,
        .created_ms = unix_now_ms(),
        .reverse_path = message->reverse_path.text,
        .return_path = passage->is_sender_known ? message->reverse_path.text : STR(""),
        .envid = message->dsn.envid,
        .ret = (uint8_t)message->dsn.ret,
        .is_8bit = message->is_8bit,
        .is_utf8 = message->is_utf8,
        .activity_id = message->id,
        .parts = passage->content,
        .part_count = passage->content_count,
    };
}

static void put_into_queue(struct passage *passage, const struct outgoing *outgoing,
                           struct leg *leg, struct arena *arena)
{
    const struct smtp_recipient *recipient = leg->outcome->recipient;
    struct store_message message = route_stored_message(passage);
    message.id = message_new_id(arena);
    message.reverse_path = outgoing->reverse_path->text;
    message.is_8bit = outgoing->is_8bit;
    message.is_utf8 = outgoing->is_utf8;
    message.parts = outgoing->parts;
    message.part_count = outgoing->part_count;
    if (outgoing->is_reply) {
        message.return_path = message.envid = STR("");
        message.ret = DSN_RETURN_UNSAID;
    }
    struct store_leg kept = {
        .message_id = message.id,
        .recipient = leg->destination.text,
        .destination = leg->destination.domain,
        .original = recipient->mailbox.text,
        .orcpt = outgoing->is_reply ? STR("") : dsn_orcpt_text(&recipient->dsn, arena),
        .notify = outgoing->is_reply ? 0 : (uint8_t)recipient->dsn.notify,
        .attempts = 1,
        .last_reply = reply_line(&leg->reply, arena),
        .last_peer = leg->peer,
    };
    const struct router *router = passage->router;
    int result = router->is_trial ? 0 : queue_add(router->queue, &message, &kept, 1);
    if (result == 0) {
        leg->fate = LEG_QUEUED;
        EVENT(passage->trail, STATUS_MESSAGE_QUEUED, FIELD("to", leg->destination.text),
              FIELD("queue_id", message.id));
        return;
    }
    EVENT(passage->trail, STATUS_QUEUE_TROUBLED,
          FIELD("what", STR("a message is not queued")),
          FIELD("detail", str_of(strerror(-result))));
}

/* --- the leg --- */

struct leg *route_send(struct passage *passage, const struct outgoing *outgoing,
                       struct arena *arena)
{
    struct leg *leg = leg_new(passage, outgoing);
    if (route_was_sent(passage, leg)) {
        leg->fate = LEG_DELIVERED;
        leg->reply = reply_message_forwarded(passage->message->id);
        EVENT(passage->trail, STATUS_MESSAGE_SENT_BEFORE,
              FIELD("to", leg->destination.text));
        return leg;
    }
    attempt(passage, outgoing, leg, arena);
    if (may_queue(passage, leg))
        put_into_queue(passage, outgoing, leg, arena);
    return leg;
}

/* --- the message itself: envelope and seal --- */

bool route_is_ours(const struct passage *passage, struct str domain)
{
    return rule_set_find_domain(passage->config->rules, domain) ||
           str_equal(domain, str_of(passage->config->forwarding_domain));
}

struct str route_forwarding_domain(const struct passage *passage,
                                   const struct mailbox *recipient)
{
    const char *domain = passage->config->forwarding_domain;
    return domain ? str_of(domain) : recipient->domain;
}

static struct mailbox rewritten_sender(struct passage *passage,
                                       const struct mailbox *recipient, struct arena *arena)
{
    const struct mailbox *sender = &passage->message->reverse_path;
    struct mailbox rewritten = *sender;
    if (!passage->config->has_srs || !passage->router->secret || sender->is_null ||
        route_is_ours(passage, sender->domain)) /* its SPF record is ours to keep true */
        return rewritten;
    struct str domain = route_forwarding_domain(passage, recipient);
    if (srs_encode(passage->router->secret, sender, domain, unix_now_ms(), arena,
                   &rewritten) < 0) {
        EVENT(passage->trail, STATUS_SENDER_NOT_REWRITTEN, FIELD("from", sender->text));
        rewritten = *sender;
    }
    return rewritten;
}

static struct str hop(const struct passage *passage, const struct header *header,
                      struct arena *arena)
{
    if (!passage->router->secret)
        return STR("");
    return hop_field(passage->router->secret, header, passage->own_hops + 1, arena);
}

/* The parts of what goes on, sealed. Returns 0, or a negative errno when it cannot be signed. */
static int compose_forward(struct passage *passage, const struct mailbox *recipient,
                           const struct forward_form *form, struct arena *arena,
                           struct outgoing *outgoing)
{
    const struct message *message = passage->message;
    struct str *parts =
        arena_array(arena, struct str, FORWARD_TOP_COUNT + passage->content_count + 2);
    struct header changed;
    const struct header *header = &changed;
    size_t count = FORWARD_TOP_COUNT;
    int result;
    parts[FORWARD_TRACE] = message->trace;
    parts[FORWARD_HEADERS] = form->headers;
    if (form->wrapped.length) {
        header_parse(form->wrapped, arena, &changed);
        parts[FORWARD_TRACE] = STR(""); /* is within, with the message it is about */
        parts[count++] = form->wrapped;
        result = route_sign(passage, recipient, form->wrapped, arena, &parts[FORWARD_SEAL]);
    } else if (form->edited.length) {
        header_parse(form->edited, arena, &changed);
        parts[count++] = form->edited;
        parts[count++] = str_from(blob_view(message->raw), message->header.body_offset);
        result = route_seal_edited(passage, recipient, header, arena, &parts[FORWARD_SEAL]);
    } else {
        header = &message->header;
        memcpy(parts + count, passage->content, passage->content_count * sizeof *parts);
        count += passage->content_count;
        result = route_seal(passage, recipient, &parts[FORWARD_SEAL]);
    }
    parts[FORWARD_HOP] = hop(passage, header, arena);
    outgoing->parts = parts;
    outgoing->part_count = count;
    return result;
}

struct leg *route_forward(struct passage *passage, struct outcome *outcome,
                          const struct mailbox *destination,
                          const struct forward_form *form, struct arena *arena)
{
    static const struct forward_form as_it_came;
    const struct message *message = passage->message;
    const struct mailbox *recipient = &outcome->recipient->mailbox;
    struct mailbox reverse_path = rewritten_sender(passage, recipient, arena);
    route_note_action(passage, outcome, "forward", destination->text,
                      form ? form->told : STR(""));
    struct outgoing outgoing = {
        .outcome = outcome,
        .reverse_path = &reverse_path,
        .destination = destination,
        .is_8bit = message->is_8bit,
        .is_utf8 = message->is_utf8,
        .id = message->id,
    };
    if (compose_forward(passage, recipient, form ? form : &as_it_came, arena, &outgoing) <
        0) {
        struct leg *leg = leg_new(passage, &outgoing);
        leg->fate = LEG_DEFERRED;
        leg->reply = reply_local_error();
        return leg;
    }
    return route_send(passage, &outgoing, arena);
}

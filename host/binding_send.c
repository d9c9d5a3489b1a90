/* env.EMAIL: a message of the worker's own. The script makes it; that it is in a name the worker may use, and goes where
 * it may write to, is checked here, and it is signed by its From domain. It is sent through the queue: once send()
 * returns it is on stable storage. Bounces come to its return path, by default its From. A trial, which has no queue,
 * hands it to its own delivery. */
#include <errno.h>
#include <string.h>

#include "binding_internal.h"

#include "base/task.h"
#include "delivery/seal.h"
#include "mail/compose.h"
#include "mail/reply_check.h"
#include "smtp/reply.h"

#define RECIPIENTS_MAX 50

/* The message on its way. */
struct sent {
    struct str id;
    struct mailbox from, return_path;
    struct mailbox *recipients;
    size_t recipient_count;
    struct str parts[REPLY_PART_COUNT];
    struct header header;
    bool is_8bit, is_utf8;
};

/* --- what may be --- */

static bool check_sender(struct binding_request *request, const struct mailbox *from)
{
    const struct config *config = request->place->config;
    const struct binding_patterns *allowed = &request->binding->from;
    bool is_allowed =
        allowed->is_given
            ? binding_patterns_match(allowed, from)
            : !config->rules || rule_set_find_domain(config->rules, from->domain);
    if (!is_allowed)
        binding_refuse(request, "E_SENDER_NOT_VERIFIED",
                       "%.*s is not among those that may be in From: add it to `from:` of "
                       "this binding in host.yaml",
                       STR_ARG(from->text));
    return is_allowed;
}

static bool take_recipient(struct binding_request *request, const struct value *given,
                           struct sent *sent)
{
    const struct binding_patterns *allowed = &request->binding->to;
    struct mailbox *recipient = &sent->recipients[sent->recipient_count];
    struct str text = given->kind == VALUE_STRING ? given->string : STR("");
    if (mailbox_parse(text, request->arena, recipient) < 0) {
        binding_refuse(request, "E_VALIDATION_ERROR", "\"%.*s\" is not an address",
                       STR_ARG(text));
        return false;
    }
    if (!(allowed->is_given ? binding_patterns_match(allowed, recipient)
                            : config_is_destination(request->place->config, recipient))) {
        binding_refuse(request, "E_RECIPIENT_NOT_ALLOWED",
                       "%.*s may not be written to: add it to `to:` of this binding in "
                       "host.yaml",
                       STR_ARG(recipient->text));
        return false;
    }
    for (size_t i = 0; i < sent->recipient_count; i++)
        if (mailbox_same(&sent->recipients[i], recipient))
            return true;
    sent->recipient_count++;
    sent->is_utf8 = sent->is_utf8 || recipient->is_utf8;
    return true;
}

static bool take_recipients(struct binding_request *request, struct sent *sent)
{
    const struct value *list = value_get(request->arguments, "recipients");
    if (!list || list->kind != VALUE_TABLE || list->count == 0 ||
        list->count > RECIPIENTS_MAX) {
        binding_refuse(request, "E_VALIDATION_ERROR", "a message has 1 to %d recipients",
                       RECIPIENTS_MAX);
        return false;
    }
    sent->recipients = arena_array(request->arena, struct mailbox, list->count);
    for (size_t i = 0; i < list->count; i++)
        if (!take_recipient(request, &list->items[i], sent))
            return false;
    return true;
}

static bool take_content(struct binding_request *request, struct sent *sent,
                         struct buf *content)
{
    struct str raw;
    struct err err = {0};
    if (!binding_take_text(request, "raw", 1, content->ceiling, &raw))
        return false;
    sent->id = message_new_id(request->arena);
    struct str message_id = str_of(arena_printf(
        request->arena, "<%.*s@%s>", STR_ARG(sent->id), request->place->config->host_name));
    if (compose_raw_message(raw, message_id, unix_now_ms(), content, &err) < 0 ||
        reply_check_message(buf_view(content), request->arena, &sent->from, &err) < 0) {
        binding_refuse(request, "E_VALIDATION_ERROR", "%s", err.text);
        return false;
    }
    sent->parts[REPLY_CONTENT] = buf_view(content);
    header_parse(sent->parts[REPLY_CONTENT], request->arena, &sent->header);
    sent->is_8bit = str_has_8bit(sent->parts[REPLY_CONTENT]);
    sent->is_utf8 = sent->is_utf8 || str_has_8bit(str_part(sent->parts[REPLY_CONTENT], 0,
                                                           sent->header.body_offset));
    return check_sender(request, &sent->from);
}

/* Where bounces go. Of From's domain: so SPF speaks for From (RFC 7489 section 3.1.2), and bounces burden nobody who has
 * not allowed this binding to write in the domain's name. */
static bool take_return_path(struct binding_request *request, struct sent *sent)
{
    const struct value *given = value_get(request->arguments, "returnPath");
    struct str text = given && given->kind == VALUE_STRING ? given->string : STR("");
    sent->return_path = sent->from;
    if (!given)
        return true;
    if (mailbox_parse(text, request->arena, &sent->return_path) == 0 &&
        str_equal(sent->return_path.domain, sent->from.domain)) {
        sent->is_utf8 = sent->is_utf8 || sent->return_path.is_utf8;
        return true;
    }
    binding_refuse(request, "E_VALIDATION_ERROR",
                   "returnPath: \"%.*s\" is not an address of %.*s", STR_ARG(text),
                   STR_ARG(sent->from.domain));
    return false;
}

/* --- the seal --- */

static bool sign(struct binding_request *request, struct sent *sent)
{
    const struct config *config = request->place->config;
    if (!config->keys || !config->has_seal)
        return true;
    struct err err = {0};
    const struct seal_request seal = {
        .header = &sent->header,
        .body = str_from(sent->parts[REPLY_CONTENT], sent->header.body_offset),
        .domains = &sent->from.domain,
        .domain_count = 1,
        .now_ms = unix_now_ms(),
    };
    if (seal_message(config->keys, &seal, request->arena, &sent->parts[REPLY_SIGNATURES],
                     &err) == 0)
        return true;
    if (err.code)
        EVENT(request->place->trail, STATUS_QUEUE_TROUBLED,
              FIELD("what", STR("a key cannot sign")), FIELD("detail", str_of(err.text)));
    binding_fail(request, "E_INTERNAL_SERVER_ERROR", "the message could not be signed");
    return false;
}

/* --- the queue --- */

/* Its rows in the activity log, which the queue goes on with. */
static void record(const struct binding_request *request, const struct sent *sent)
{
    const struct config_worker *worker = request->place->worker;
    for (size_t i = 0; i < sent->recipient_count; i++)
        store_activity_add(
            request->place->router->store,
            &(struct store_activity){
                .message_id = sent->id,
                .recipient = sent->recipients[i].text,
                .time_ms = unix_now_ms(),
                .from = sent->from.text,
                .subject = header_value(&sent->header, STR("Subject"), request->arena),
                .header_message_id =
                    header_value(&sent->header, STR("Message-ID"), request->arena),
                .bytes = sent->parts[REPLY_CONTENT].length,
                .spam_score = -1,
                .worker = worker->options.name,
                .worker_version = str_of(worker->script_hash),
                .action = STR("send"),
                .status = STR("queued"),
            });
}

static void put_into_queue(struct binding_request *request, const struct sent *sent)
{
    const struct router *router = request->place->router;
    struct store_leg *legs =
        arena_array(request->arena, struct store_leg, sent->recipient_count);
    for (size_t i = 0; i < sent->recipient_count; i++)
        legs[i] = (struct store_leg){
            .message_id = sent->id,
            .recipient = sent->recipients[i].text,
            .destination = sent->recipients[i].domain,
            .original = sent->recipients[i].text,
        };
    const struct store_message message = {
        .id = sent->id,
        .created_ms = unix_now_ms(),
        .reverse_path = sent->return_path.text,
        .return_path = sent->return_path.text,
        .is_8bit = sent->is_8bit,
        .is_utf8 = sent->is_utf8,
        .activity_id = sent->id,
        .parts = sent->parts,
        .part_count = REPLY_PART_COUNT,
    };
    int result = router->space && space_is_low(router->space)
                     ? -ENOSPC
                     : queue_add(router->queue, &message, legs, sent->recipient_count);
    if (result < 0)
        binding_fail(request, "E_STORE", "the message could not be stored: %s",
                     strerror(-result));
    else
        record(request, sent);
}

/* --- a trial --- */

static void deliver_now(struct binding_request *request, const struct sent *sent)
{
    for (size_t i = 0; i < sent->recipient_count && !request->has_failed; i++) {
        const struct delivery_request delivery = {
            .reverse_path = &sent->return_path,
            .recipient = &sent->recipients[i],
            .parts = sent->parts,
            .part_count = REPLY_PART_COUNT,
            .is_8bit = sent->is_8bit,
            .is_utf8 = sent->is_utf8,
            .message_id = sent->id,
        };
        struct delivery_result result = {0};
        delivery_send(request->place->router->delivery, &delivery, request->arena, &result);
        if (result.status != DELIVERY_OK)
            binding_refuse(request, "E_DELIVERY_FAILED", "%.*s",
                           STR_ARG(reply_line(&result.reply, request->arena)));
    }
}

static void note_action(const struct binding_request *request, const struct sent *sent)
{
    struct str subject = header_value(&sent->header, STR("Subject"), request->arena);
    for (size_t i = 0; i < sent->recipient_count; i++)
        binding_note_action(request, "send", sent->recipients[i].text, subject);
}

static void tell(struct binding_request *request, const struct sent *sent)
{
    EVENT(request->place->trail, STATUS_MESSAGE_SENT, FIELD("from", sent->from.text),
          FIELD("to", sent->recipients[0].text),
          FIELD_NUMBER("recipients", sent->recipient_count), FIELD("queue_id", sent->id));
    value_begin_table(&request->result);
    value_put_string(&request->result, "messageId", sent->id);
    value_end_table(&request->result);
}

void binding_send_send(struct binding_request *request)
{
    struct sent sent = {0};
    struct buf content;
    buf_init(&content, request->place->config->smtp.message_bytes_max);
    if (take_recipients(request, &sent) && take_content(request, &sent, &content) &&
        take_return_path(request, &sent) && sign(request, &sent)) {
        note_action(request, &sent);
        if (request->place->router->queue)
            put_into_queue(request, &sent);
        else
            deliver_now(request, &sent);
        if (!request->has_failed)
            tell(request, &sent);
    }
    buf_free(&content);
}

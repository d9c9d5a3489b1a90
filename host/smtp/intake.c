/* The content of a message from the stream into the transaction, and what becomes of it: one reply, or with PRDR
 * (draft-hall-prdr-00) one for each of several recipients between 353 and the last. A message that is refused
 * before the handler sees it has one reply in any case, as the draft advises.
 *
 * A content that is refused for what it holds is read to its end all the same, so that the session stays in
 * step; but not for ever: a sender that is past SKIP_FACTOR times the limit loses the connection. */
#include <errno.h>

#include "mail/header.h"
#include "smtp/internal.h"
#include "smtp/received.h"

#define SKIP_FACTOR 2

static uint64_t unbearable_bytes(const struct smtp_session *session)
{
    return SKIP_FACTOR * smtp_session_options(session)->message_bytes_max;
}

void smtp_intake_open(struct smtp_session *session, bool is_dotted)
{
    struct transaction *transaction = session->transaction;
    const struct smtp_options *options = smtp_session_options(session);
    if (transaction->has_content) {
        smtp_pace_resume(&transaction->pace, task_now_ms());
        return;
    }
    transaction->has_content = true;
    smtp_content_open(&transaction->content, is_dotted, options->message_bytes_max,
                      options->line_bytes_max);
    smtp_content_expect(&transaction->content, transaction->shared.announced_bytes);
    smtp_pace_start(&transaction->pace, options, task_now_ms());
}

/* --- reading --- */

/* Waits until there is input: 0, or what smtp_session_fail takes. */
static int wait_for_input(struct smtp_session *session, struct smtp_pace *pace)
{
    while (smtp_session_input(session).length == 0) {
        int result =
            net_stream_fill(session->stream, smtp_pace_deadline(pace, task_now_ms()));
        if (result <= 0)
            return result ? result : -EPIPE;
        if (!smtp_pace_add(pace, (size_t)result, task_now_ms()))
            return -ETIME;
    }
    return 0;
}

/* Gives the content the next bytes; the memory held is that of the bytes kept. */
static enum smtp_content_step feed(struct smtp_session *session, struct str input,
                                   size_t *taken)
{
    struct transaction *transaction = session->transaction;
    struct smtp_content *content = &transaction->content;
    struct smtp_limits *limits = session->server->limits;
    if (smtp_limits_hold_memory(limits, smtp_session_options(session), input.length))
        transaction->held_bytes += input.length;
    else
        smtp_content_fail(content, SMTP_FAULT_NO_MEMORY);
    enum smtp_content_step step = smtp_content_feed(content, input, taken);
    if (transaction->held_bytes > content->bytes.length) {
        smtp_limits_release_memory(limits, transaction->held_bytes - content->bytes.length);
        transaction->held_bytes = content->bytes.length;
    }
    return step;
}

int smtp_intake_data(struct smtp_session *session)
{
    struct transaction *transaction = session->transaction;
    enum smtp_content_step step = SMTP_CONTENT_MORE;
    task_stage("receiving DATA of message %.*s", STR_ARG(transaction->shared.message->id));
    while (step == SMTP_CONTENT_MORE) {
        size_t taken;
        int result = wait_for_input(session, &transaction->pace);
        if (result < 0)
            return result;
        step = feed(session, smtp_session_input(session), &taken);
        net_stream_consume(session->stream, taken);
        if (transaction->content.total_bytes > unbearable_bytes(session))
            return -EFBIG;
    }
    return step == SMTP_CONTENT_END ? 0 : -EILSEQ;
}

int smtp_intake_chunk(struct smtp_session *session, uint64_t bytes)
{
    struct transaction *transaction = session->transaction;
    struct smtp_content *content = &transaction->content;
    if (bytes > unbearable_bytes(session) ||
        content->total_bytes + bytes > unbearable_bytes(session))
        return -EFBIG;
    task_stage("receiving a chunk of message %.*s",
               STR_ARG(transaction->shared.message->id));
    while (bytes) {
        size_t taken;
        int result = wait_for_input(session, &transaction->pace);
        if (result < 0)
            return result;
        struct str input = smtp_session_input(session);
        if (input.length > bytes)
            input.length = bytes;
        if (feed(session, input, &taken) == SMTP_CONTENT_BARE_NEWLINE)
            return -EILSEQ;
        net_stream_consume(session->stream, taken);
        bytes -= taken;
    }
    return 0;
}

int smtp_intake_skip(struct smtp_session *session, uint64_t bytes)
{
    struct smtp_pace pace;
    if (bytes > unbearable_bytes(session))
        return -EFBIG;
    smtp_pace_start(&pace, smtp_session_options(session), task_now_ms());
    task_stage("skipping a chunk out of sequence");
    while (bytes) {
        int result = wait_for_input(session, &pace);
        if (result < 0)
            return result;
        size_t input_bytes = smtp_session_input(session).length;
        size_t skipped = input_bytes < bytes ? input_bytes : (size_t)bytes;
        net_stream_consume(session->stream, skipped);
        bytes -= skipped;
    }
    return 0;
}

/* --- the end --- */

struct reply smtp_intake_refusal(const struct smtp_session *session)
{
    const struct smtp_options *options = smtp_session_options(session);
    switch (session->transaction->content.fault) {
    case SMTP_FAULT_NONE:
        return smtp_no_reply();
    case SMTP_FAULT_TOO_BIG:
        return reply_message_too_big(options->message_bytes_max);
    case SMTP_FAULT_NO_MEMORY:
        return reply_no_memory();
    case SMTP_FAULT_LINE_TOO_LONG:
        return reply_line_too_long(options->line_bytes_max);
    case SMTP_FAULT_NUL:
        return reply_message_has_nul();
    }
    return reply_local_error();
}

static void make_message(struct smtp_session *session)
{
    struct transaction *transaction = session->transaction;
    const struct smtp_transaction *shared = &transaction->shared;
    struct message *message = shared->message;
    size_t length;
    char *bytes = smtp_content_take(&transaction->content, &length);
    message->raw = blob_adopt(bytes, length);
    message->is_8bit = transaction->content.is_8bit;
    message->received_at = unix_now_ms();
    header_parse(blob_view(message->raw), message->arena, &message->header);
    struct smtp_received received = {
        .client = &message->client,
        .host_name = smtp_session_options(session)->host_name,
        .id = message->id,
        .at_ms = message->received_at,
        .is_extended = session->is_extended,
        .is_utf8 = message->is_utf8,
    };
    if (shared->recipient_count == 1)
        received.recipient = shared->recipients[0].mailbox.text;
    message->trace = smtp_received_field(&received, message->arena);
}

static bool gives_each_a_reply(const struct transaction *transaction)
{
    return transaction->shared.wants_prdr && transaction->shared.recipient_count > 1;
}

/* What waits to be said goes out before the handler takes its time: replies to what came before the last chunk,
 * and with PRDR that the client is to expect one for each recipient. */
static int speak_before_decision(struct smtp_session *session)
{
    if (gives_each_a_reply(session->transaction)) {
        struct reply started = reply_analysis_started();
        smtp_session_say(session, &started);
    }
    return smtp_session_flush(session);
}

static void say_to_each_recipient(struct smtp_session *session, const struct reply *overall)
{
    const struct smtp_transaction *shared = &session->transaction->shared;
    for (size_t i = 0; i < shared->recipient_count; i++) {
        const struct reply *own = &shared->recipients[i].reply;
        smtp_session_say(session, own->code ? own : overall);
    }
}

static struct reply decide(struct smtp_session *session)
{
    struct transaction *transaction = session->transaction;
    const struct smtp_handler *handler = smtp_session_handler(session);
    task_stage("deciding on message %.*s", STR_ARG(transaction->shared.message->id));
    struct reply reply = handler->message(handler->arg, &transaction->shared);
    if (reply_is_ok(&reply)) {
        session->message_count++;
        session->idle_command_count = 0;
    }
    if (gives_each_a_reply(transaction))
        say_to_each_recipient(session, &reply);
    return reply;
}

struct reply smtp_intake_finish(struct smtp_session *session)
{
    const struct smtp_options *options = smtp_session_options(session);
    struct transaction *transaction = session->transaction;
    const struct header *header = &transaction->shared.message->header;
    if (!smtp_content_finish(&transaction->content))
        return smtp_session_fail(session, -EILSEQ);
    if (transaction->content.fault)
        return smtp_intake_refusal(session);
    make_message(session);
    if (header->body_offset > options->header_bytes_max)
        return reply_header_too_big(options->header_bytes_max);
    if (header_count(header, STR("Received")) > options->hops_max)
        return reply_mail_loop(options->hops_max);
    int result = speak_before_decision(session);
    return result < 0 ? smtp_session_fail(session, result) : decide(session);
}

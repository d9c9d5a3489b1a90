/* A transaction's life. What it allocates is in its message's arena; the handler's `end` comes before anything is
 * freed. */
#include <stdlib.h>

#include "base/mem.h"
#include "smtp/internal.h"

#define FIRST_RECIPIENT_ROOM 1 /* one is the rule, and each has room for a reply */

struct transaction *smtp_transaction_new(struct smtp_session *session)
{
    invariant(!session->transaction, "smtp: a transaction within a transaction");
    struct transaction *transaction = mem_zero(1, sizeof *transaction);
    struct message *message = message_new();
    struct arena *arena = message->arena;
    message->id = message_new_id(arena);
    message->client.address = *net_stream_peer(session->stream);
    message->client.helo = arena_str(arena, str_of(session->helo));
    const char *tls_version = net_stream_tls_version(session->stream);
    if (tls_version) {
        message->client.tls_version = arena_str(arena, str_of(tls_version));
        message->client.tls_cipher =
            arena_str(arena, str_of(net_stream_tls_cipher(session->stream)));
    }
    transaction->arena = arena;
    transaction->shared.message = message;
    session->transaction = transaction;
    return transaction;
}

void smtp_transaction_end(struct smtp_session *session)
{
    struct transaction *transaction = session->transaction;
    if (!transaction)
        return;
    const struct smtp_handler *handler = smtp_session_handler(session);
    if (transaction->has_begun)
        handler->end(handler->arg, &transaction->shared);
    if (transaction->has_content)
        smtp_content_close(&transaction->content);
    smtp_limits_release_memory(session->server->limits, transaction->held_bytes);
    message_release(transaction->shared.message);
    free(transaction);
    session->transaction = NULL;
}

struct smtp_recipient *smtp_transaction_next_recipient(struct transaction *transaction)
{
    struct smtp_transaction *shared = &transaction->shared;
    if (shared->recipient_count == transaction->recipient_room) {
        size_t room = transaction->recipient_room ? 2 * transaction->recipient_room
                                                  : FIRST_RECIPIENT_ROOM;
        struct smtp_recipient *larger =
            arena_array(transaction->arena, struct smtp_recipient, room);
        if (shared->recipient_count)
            memcpy(larger, shared->recipients, shared->recipient_count * sizeof *larger);
        shared->recipients = larger;
        transaction->recipient_room = room;
    }
    struct smtp_recipient *next = &shared->recipients[shared->recipient_count];
    *next = (struct smtp_recipient){0};
    return next;
}

bool smtp_transaction_has_recipients(const struct smtp_session *session)
{
    return session->transaction && session->transaction->shared.recipient_count > 0;
}

struct reply smtp_transaction_parameter_refusal(const struct smtp_session *session,
                                                enum smtp_parameter_problem problem,
                                                struct str keyword, const char *usage)
{
    if (keyword.length && !session->is_extended)
        return reply_unknown_parameter(keyword); /* HELO: extensions are not on */
    switch (problem) {
    case SMTP_PARAMETERS_OK:
        return smtp_no_reply();
    case SMTP_PARAMETERS_MALFORMED:
        return reply_bad_arguments(usage);
    case SMTP_PARAMETER_UNKNOWN:
        return reply_unknown_parameter(keyword);
    case SMTP_PARAMETER_BAD_VALUE:
        return reply_bad_parameter(keyword);
    case SMTP_PARAMETER_TWICE:
        return reply_parameter_given_twice(keyword);
    }
    return reply_local_error();
}

struct reply smtp_transaction_refusal(const struct smtp_session *session)
{
    const struct transaction *transaction = session->transaction;
    if (!transaction)
        return reply_bad_sequence("say MAIL first");
    if (smtp_transaction_has_recipients(session))
        return smtp_no_reply();
    return transaction->recipient_attempts ? reply_no_valid_recipients()
                                           : reply_bad_sequence("say RCPT first");
}

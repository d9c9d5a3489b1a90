/* MAIL (RFC 5321 section 4.1.1.2) with SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), RET and ENVID
 * (RFC 3461) and PRDR (draft-hall-prdr-00). */
#include "smtp/address.h"
#include "smtp/internal.h"

static struct reply mail_check(const struct smtp_session *session)
{
    if (!session->helo)
        return reply_bad_sequence("say EHLO first");
    if (session->transaction)
        return reply_bad_sequence("a transaction is open, say RSET to drop it");
    if (session->transaction_count >= smtp_session_options(session)->transactions_max)
        return reply_too_many_transactions();
    return smtp_no_reply();
}

/* Room for the announced size: none is kept for it, but a message that cannot be taken now is better refused
 * before its bytes have come. */
static struct reply size_refusal(const struct smtp_session *session, uint64_t size)
{
    const struct smtp_options *options = smtp_session_options(session);
    struct smtp_limits *limits = session->server->limits;
    if (size > options->message_bytes_max)
        return reply_message_too_big(options->message_bytes_max);
    if (!smtp_limits_hold_memory(limits, options, size))
        return reply_no_memory();
    smtp_limits_release_memory(limits, size);
    return smtp_no_reply();
}

/* Reads the command into the transaction; code 0 when it is well formed. */
static struct reply read_command(const struct smtp_session *session,
                                 struct transaction *transaction,
                                 const struct smtp_command *command)
{
    struct message *message = transaction->shared.message;
    struct str rest = command->argument;
    if (!smtp_command_cut_keyword(&rest, STR("FROM:")) ||
        smtp_path_parse(&rest, SMTP_REVERSE_PATH, transaction->arena,
                        &message->reverse_path) < 0)
        return reply_bad_sender();
    struct smtp_mail_parameters parameters;
    struct str keyword;
    enum smtp_parameter_problem problem =
        smtp_mail_parameters_parse(rest, transaction->arena, &parameters, &keyword);
    struct reply refusal = smtp_transaction_parameter_refusal(
        session, problem, keyword, "MAIL FROM:<user@domain> [KEYWORD[=value] ...]");
    if (refusal.code)
        return refusal;
    if (command->bytes == SMTP_LINE_8BIT && !parameters.is_utf8)
        return reply_needs_smtputf8();
    message->is_utf8 = parameters.is_utf8;
    message->dsn = parameters.dsn;
    transaction->shared.announced_bytes = parameters.size;
    transaction->shared.wants_prdr = parameters.wants_prdr;
    return size_refusal(session, parameters.size);
}

static struct reply begin(const struct smtp_session *session,
                          struct transaction *transaction,
                          const struct smtp_command *command)
{
    const struct smtp_handler *handler = smtp_session_handler(session);
    struct reply reply = read_command(session, transaction, command);
    if (reply.code)
        return reply;
    return handler->begin(handler->arg, &transaction->shared);
}

static struct reply mail_proceed(struct smtp_session *session,
                                 const struct smtp_command *command)
{
    session->transaction_count++;
    struct transaction *transaction = smtp_transaction_new(session);
    struct reply reply = begin(session, transaction, command);
    transaction->has_begun = reply_is_ok(&reply);
    if (!transaction->has_begun)
        smtp_transaction_end(session);
    return reply;
}

const struct smtp_verb_steps smtp_mail_steps = {mail_check, mail_proceed};

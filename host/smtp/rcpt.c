/* RCPT (RFC 5321 section 4.1.1.3) with NOTIFY and ORCPT (RFC 3461). */
#include "smtp/address.h"
#include "smtp/internal.h"

/* Each attempt may cost memory until the transaction ends: so many more than may succeed are looked at. */
#define ATTEMPTS_PER_RECIPIENT 10

static struct reply rcpt_check(const struct smtp_session *session)
{
    const struct transaction *transaction = session->transaction;
    uint32_t recipients_max = smtp_session_options(session)->recipients_max;
    if (!transaction)
        return reply_bad_sequence("say MAIL first");
    if (transaction->has_content)
        return reply_bad_sequence("the message has begun, go on with BDAT");
    if (transaction->shared.recipient_count >= recipients_max ||
        transaction->recipient_attempts / ATTEMPTS_PER_RECIPIENT >= recipients_max)
        return reply_too_many_recipients();
    return smtp_no_reply();
}

/* Reads the command into the recipient; code 0 when it is well formed. */
static struct reply read_command(const struct smtp_session *session,
                                 const struct smtp_command *command,
                                 struct smtp_recipient *recipient)
{
    const struct transaction *transaction = session->transaction;
    struct str rest = command->argument;
    if (!smtp_command_cut_keyword(&rest, STR("TO:")) ||
        smtp_path_parse(&rest, SMTP_FORWARD_PATH, transaction->arena, &recipient->mailbox) <
            0)
        return reply_bad_recipient();
    struct str keyword;
    enum smtp_parameter_problem problem =
        smtp_rcpt_parameters_parse(rest, transaction->arena, &recipient->dsn, &keyword);
    struct reply refusal = smtp_transaction_parameter_refusal(
        session, problem, keyword, "RCPT TO:<user@domain> [KEYWORD=value ...]");
    if (refusal.code)
        return refusal;
    if (command->bytes == SMTP_LINE_8BIT && !transaction->shared.message->is_utf8)
        return reply_needs_smtputf8();
    return smtp_no_reply();
}

static struct reply rcpt_proceed(struct smtp_session *session,
                                 const struct smtp_command *command)
{
    const struct smtp_handler *handler = smtp_session_handler(session);
    struct transaction *transaction = session->transaction;
    struct smtp_recipient *recipient = smtp_transaction_next_recipient(transaction);
    transaction->recipient_attempts++;
    struct reply reply = read_command(session, command, recipient);
    if (reply.code)
        return reply;
    reply = handler->recipient(handler->arg, &transaction->shared, recipient);
    if (reply_is_ok(&reply))
        transaction->shared.recipient_count++;
    return reply;
}

const struct smtp_verb_steps smtp_rcpt_steps = {rcpt_check, rcpt_proceed};

/* DATA (RFC 5321 section 4.1.1.4). */
#include "smtp/internal.h"

static struct reply data_check(const struct smtp_session *session)
{
    const struct transaction *transaction = session->transaction;
    if (transaction && transaction->has_content)
        return reply_bad_sequence("the message has begun, go on with BDAT");
    return smtp_transaction_refusal(session);
}

static int ask_for_content(struct smtp_session *session)
{
    struct reply reply = reply_send_data();
    smtp_session_say(session, &reply);
    return smtp_session_flush(session);
}

static struct reply receive(struct smtp_session *session)
{
    smtp_intake_open(session, true);
    int result = ask_for_content(session);
    if (result == 0)
        result = smtp_intake_data(session);
    return result < 0 ? smtp_session_fail(session, result) : smtp_intake_finish(session);
}

static struct reply data_proceed(struct smtp_session *session,
                                 const struct smtp_command *command)
{
    (void)command;
    struct reply reply = receive(session);
    smtp_transaction_end(session);
    return reply;
}

const struct smtp_verb_steps smtp_data_steps = {data_check, data_proceed};

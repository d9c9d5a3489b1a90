/* STARTTLS (RFC 3207). */
#include "smtp/internal.h"

static struct reply starttls_check(const struct smtp_session *session)
{
    if (net_stream_tls_version(session->stream))
        return reply_bad_sequence("TLS is on");
    if (!smtp_session_offers_tls(session))
        return reply_not_implemented();
    if (!session->is_extended)
        return reply_bad_sequence("say EHLO first");
    return smtp_no_reply();
}

static struct reply starttls_proceed(struct smtp_session *session,
                                     const struct smtp_command *command)
{
    (void)command;
    struct reply reply = reply_start_tls();
    smtp_session_say(session, &reply);
    if (smtp_session_flush(session) == 0)
        smtp_session_start_tls(session);
    return smtp_no_reply();
}

const struct smtp_verb_steps smtp_starttls_steps = {starttls_check, starttls_proceed};

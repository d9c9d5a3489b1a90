/* HELO and EHLO (RFC 5321 section 4.1.1.1): the client's name is kept for the trace and not believed. Both
 * reset the session, as RSET does. */
#include <stdlib.h>

#include "base/mem.h"
#include "smtp/internal.h"

static bool introduce(struct smtp_session *session, struct str name, bool is_extended)
{
    if (!smtp_helo_is_valid(name))
        return false;
    smtp_transaction_end(session);
    free(session->helo);
    session->helo = mem_copy_text(name.at, name.length);
    session->is_extended = is_extended;
    return true;
}

static struct reply ehlo_proceed(struct smtp_session *session,
                                 const struct smtp_command *command)
{
    const struct smtp_options *options = smtp_session_options(session);
    if (!introduce(session, command->argument, true))
        return reply_bad_arguments("EHLO <your host name>");
    return reply_hello_extended(options->host_name, options->message_bytes_max,
                                smtp_session_offers_tls(session));
}

static struct reply helo_proceed(struct smtp_session *session,
                                 const struct smtp_command *command)
{
    if (!introduce(session, command->argument, false))
        return reply_bad_arguments("HELO <your host name>");
    return reply_hello(smtp_session_options(session)->host_name);
}

const struct smtp_verb_steps smtp_ehlo_steps = {NULL, ehlo_proceed};
const struct smtp_verb_steps smtp_helo_steps = {NULL, helo_proceed};

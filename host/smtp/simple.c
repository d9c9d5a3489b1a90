/* The verbs that need a reply and little else (RFC 5321 sections 4.1.1.5 to 4.1.1.10), and what is no verb of
 * ours. */
#include "smtp/internal.h"

static struct reply rset_proceed(struct smtp_session *session,
                                 const struct smtp_command *command)
{
    (void)command;
    smtp_transaction_end(session);
    return reply_ok();
}

static struct reply noop_proceed(struct smtp_session *session,
                                 const struct smtp_command *command)
{
    (void)session;
    (void)command;
    return reply_ok();
}

static struct reply vrfy_proceed(struct smtp_session *session,
                                 const struct smtp_command *command)
{
    (void)session;
    (void)command;
    return reply_cannot_verify();
}

static struct reply help_proceed(struct smtp_session *session,
                                 const struct smtp_command *command)
{
    (void)session;
    (void)command;
    return reply_help();
}

static struct reply quit_proceed(struct smtp_session *session,
                                 const struct smtp_command *command)
{
    (void)command;
    session->has_quit = session->is_ending = true;
    return reply_bye(smtp_session_options(session)->host_name);
}

static struct reply not_implemented_proceed(struct smtp_session *session,
                                            const struct smtp_command *command)
{
    (void)session;
    (void)command;
    return reply_not_implemented();
}

/* The lines that follow are a browser's, under another's control: none of them is read. */
static struct reply http_proceed(struct smtp_session *session,
                                 const struct smtp_command *command)
{
    (void)command;
    session->is_ending = true;
    return reply_not_smtp();
}

static struct reply unknown_proceed(struct smtp_session *session,
                                    const struct smtp_command *command)
{
    (void)session;
    (void)command;
    return reply_unknown_command();
}

const struct smtp_verb_steps smtp_rset_steps = {NULL, rset_proceed};
const struct smtp_verb_steps smtp_noop_steps = {NULL, noop_proceed};
const struct smtp_verb_steps smtp_vrfy_steps = {NULL, vrfy_proceed};
const struct smtp_verb_steps smtp_help_steps = {NULL, help_proceed};
const struct smtp_verb_steps smtp_quit_steps = {NULL, quit_proceed};
const struct smtp_verb_steps smtp_not_implemented_steps = {NULL, not_implemented_proceed};
const struct smtp_verb_steps smtp_http_steps = {NULL, http_proceed};
const struct smtp_verb_steps smtp_unknown_steps = {NULL, unknown_proceed};

/* The verbs: what each asks of its line, and who answers. */
#include "smtp/internal.h"

/* Commands that lead nowhere (NOOP, RSET, VRFY …) past this many are errors. */
#define IDLE_COMMANDS_MAX 100

enum verb_argument { ARGUMENT_NONE, ARGUMENT_OPTIONAL, ARGUMENT_REQUIRED };

static const struct verb {
    const char *usage;
    const struct smtp_verb_steps *steps;
    enum verb_argument argument;
    enum smtp_line_bytes worst_bytes; /* that the verb itself judges */
    bool leads_nowhere;
} verbs[SMTP_VERB_COUNT] = {
    [SMTP_UNKNOWN] = {"", &smtp_unknown_steps, ARGUMENT_OPTIONAL, SMTP_LINE_8BIT, false},
    [SMTP_HELO] = {"HELO <your host name>", &smtp_helo_steps, ARGUMENT_REQUIRED,
                   SMTP_LINE_ASCII, true},
    [SMTP_EHLO] = {"EHLO <your host name>", &smtp_ehlo_steps, ARGUMENT_REQUIRED,
                   SMTP_LINE_ASCII, true},
    [SMTP_MAIL] = {"MAIL FROM:<user@domain>", &smtp_mail_steps, ARGUMENT_REQUIRED,
                   SMTP_LINE_8BIT, false},
    [SMTP_RCPT] = {"RCPT TO:<user@domain>", &smtp_rcpt_steps, ARGUMENT_REQUIRED,
                   SMTP_LINE_8BIT, false},
    [SMTP_DATA] = {"DATA", &smtp_data_steps, ARGUMENT_NONE, SMTP_LINE_ASCII, false},
    /* whatever is wrong with it, its chunk must be dealt with */
    [SMTP_BDAT] = {"BDAT <bytes> [LAST]", &smtp_bdat_steps, ARGUMENT_OPTIONAL,
                   SMTP_LINE_CONTROL, false},
    [SMTP_RSET] = {"RSET", &smtp_rset_steps, ARGUMENT_NONE, SMTP_LINE_ASCII, true},
    [SMTP_NOOP] = {"NOOP", &smtp_noop_steps, ARGUMENT_OPTIONAL, SMTP_LINE_ASCII, true},
    [SMTP_VRFY] = {"VRFY <user>", &smtp_vrfy_steps, ARGUMENT_REQUIRED, SMTP_LINE_8BIT,
                   true},
    [SMTP_HELP] = {"HELP", &smtp_help_steps, ARGUMENT_OPTIONAL, SMTP_LINE_ASCII, true},
    [SMTP_QUIT] = {"QUIT", &smtp_quit_steps, ARGUMENT_NONE, SMTP_LINE_ASCII, false},
    [SMTP_STARTTLS] = {"STARTTLS", &smtp_starttls_steps, ARGUMENT_NONE, SMTP_LINE_ASCII,
                       false},
    [SMTP_NOT_IMPLEMENTED] = {"", &smtp_not_implemented_steps, ARGUMENT_OPTIONAL,
                              SMTP_LINE_8BIT, false},
    [SMTP_HTTP] = {"", &smtp_http_steps, ARGUMENT_OPTIONAL, SMTP_LINE_CONTROL, false},
};

/* What every verb has in common; code 0 when the verb itself may judge. */
static struct reply check(const struct smtp_session *session, const struct verb *verb,
                          const struct smtp_command *command)
{
    bool has_argument = command->argument.length > 0;
    if (command->bytes > verb->worst_bytes)
        return command->bytes == SMTP_LINE_CONTROL ? reply_command_has_control_bytes()
                                                   : reply_command_has_8bit_bytes();
    if ((verb->argument == ARGUMENT_NONE && has_argument) ||
        (verb->argument == ARGUMENT_REQUIRED && !has_argument))
        return reply_bad_arguments(verb->usage);
    return verb->steps->check ? verb->steps->check(session) : smtp_no_reply();
}

struct reply smtp_verb_reply(struct smtp_session *session, struct str line)
{
    struct smtp_command command;
    smtp_command_parse(line, &command);
    const struct verb *verb = &verbs[command.verb];
    if (verb->leads_nowhere && ++session->idle_command_count > IDLE_COMMANDS_MAX)
        session->error_count++;
    struct reply reply = check(session, verb, &command);
    return reply.code ? reply : verb->steps->proceed(session, &command);
}

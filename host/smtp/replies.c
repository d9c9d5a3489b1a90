#include "smtp/replies.h"

#include <inttypes.h>

/* --- the session --- */

struct reply reply_greeting(const char *host_name)
{
    return reply_make(220, "", "%s ESMTP Postern", host_name);
}

struct reply reply_hello(const char *host_name)
{
    return reply_make(250, "", "%s", host_name);
}

struct reply reply_hello_extended(const char *host_name, uint64_t message_bytes_max,
                                  bool offers_tls)
{
    return reply_make(250, "",
                      "%s\nPIPELINING\nSIZE %" PRIu64 "\n8BITMIME\nSMTPUTF8\n"
                      "ENHANCEDSTATUSCODES\nCHUNKING\nDSN\nPRDR%s",
                      host_name, message_bytes_max, offers_tls ? "\nSTARTTLS" : "");
}

struct reply reply_ok(void)
{
    return reply_make(250, "2.0.0", "OK");
}

struct reply reply_bye(const char *host_name)
{
    return reply_make(221, "2.0.0", "%s closes the connection", host_name);
}

struct reply reply_help(void)
{
    return reply_make(214, "2.0.0",
                      "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY STARTTLS HELP QUIT\n"
                      "See RFC 5321");
}

struct reply reply_cannot_verify(void)
{
    return reply_make(252, "2.0.0", "Cannot verify here; send mail and see");
}

struct reply reply_start_tls(void)
{
    return reply_make(220, "2.0.0", "Ready to start TLS");
}

/* --- the session ends with these --- */

struct reply reply_too_many_connections(void)
{
    return reply_make(421, "4.7.0", "Too many connections, try again later");
}

struct reply reply_too_many_connections_from_address(void)
{
    return reply_make(421, "4.7.0",
                      "Too many connections from your address, try again later");
}

struct reply reply_too_many_errors(void)
{
    return reply_make(421, "4.7.0", "Too many errors, closing");
}

struct reply reply_too_many_transactions(void)
{
    return reply_make(421, "4.7.0", "Enough for one session, connect again");
}

struct reply reply_timed_out(void)
{
    return reply_make(421, "4.4.2", "Timed out waiting for you, closing");
}

struct reply reply_too_slow(void)
{
    return reply_make(421, "4.4.2", "Data comes too slowly, closing");
}

struct reply reply_shutting_down(void)
{
    return reply_make(421, "4.3.2", "Shutting down, try again later");
}

struct reply reply_talked_early(void)
{
    return reply_make(554, "5.5.1", "You spoke before the greeting");
}

struct reply reply_not_smtp(void)
{
    return reply_make(554, "5.5.1", "This is an SMTP server");
}

struct reply reply_bare_newline(void)
{
    return reply_make(550, "5.6.11", "Bare CR or LF: lines end with CRLF (RFC 5321)");
}

struct reply reply_unreadable_chunk(void)
{
    return reply_make(501, "5.5.4", "Say BDAT <bytes> [LAST]; closing");
}

/* --- commands --- */

struct reply reply_unknown_command(void)
{
    return reply_make(500, "5.5.2", "Unknown command");
}

struct reply reply_not_implemented(void)
{
    return reply_make(502, "5.5.1", "Command not implemented");
}

struct reply reply_command_too_long(uint32_t bytes_max)
{
    return reply_make(500, "5.5.2", "Line too long: at most %" PRIu32 " bytes", bytes_max);
}

struct reply reply_command_has_control_bytes(void)
{
    return reply_make(500, "5.5.2", "Control characters in a command");
}

struct reply reply_command_has_8bit_bytes(void)
{
    return reply_make(500, "5.5.2", "Only ASCII in this command");
}

struct reply reply_bad_arguments(const char *usage)
{
    return reply_make(501, "5.5.4", "Say %s", usage);
}

struct reply reply_bad_sequence(const char *what_now)
{
    return reply_make(503, "5.5.1", "Bad sequence of commands: %s", what_now);
}

/* --- MAIL and RCPT --- */

struct reply reply_sender_ok(void)
{
    return reply_make(250, "2.1.0", "Sender OK");
}

struct reply reply_recipient_ok(void)
{
    return reply_make(250, "2.1.5", "Recipient OK");
}

struct reply reply_bad_sender(void)
{
    return reply_make(501, "5.1.7", "Bad sender address: say MAIL FROM:<user@domain>");
}

struct reply reply_bad_recipient(void)
{
    return reply_make(501, "5.1.3", "Bad recipient address: say RCPT TO:<user@domain>");
}

struct reply reply_needs_smtputf8(void)
{
    return reply_make(553, "5.6.7", "Such an address needs SMTPUTF8 at MAIL");
}

struct reply reply_unknown_parameter(struct str keyword)
{
    return reply_make(555, "5.5.4", "Unknown parameter %.*s", STR_ARG(keyword));
}

struct reply reply_bad_parameter(struct str keyword)
{
    return reply_make(501, "5.5.4", "Bad value of parameter %.*s", STR_ARG(keyword));
}

struct reply reply_parameter_given_twice(struct str keyword)
{
    return reply_make(501, "5.5.4", "Parameter %.*s given twice", STR_ARG(keyword));
}

struct reply reply_low_space(void)
{
    return reply_make(452, "4.3.1", "Not enough disk space, try again later");
}

struct reply reply_too_many_recipients(void)
{
    return reply_make(452, "4.5.3",
                      "Enough recipients: send the rest in another transaction");
}

struct reply reply_unknown_recipient(void)
{
    return reply_make(550, "5.1.1", "No such address here");
}

struct reply reply_relay_denied(void)
{
    return reply_make(550, "5.7.1", "Relay access denied: not a domain of this host");
}

struct reply reply_srs_forged(void)
{
    return reply_make(550, "5.1.1", "No such address here: its SRS hash is not ours");
}

struct reply reply_srs_expired(void)
{
    return reply_make(550, "5.1.1", "This SRS address has expired");
}

struct reply reply_srs_rate(void)
{
    return reply_make(451, "4.7.1", "Too much mail to SRS addresses, try again later");
}

/* --- the message --- */

struct reply reply_send_data(void)
{
    return reply_make(354, "", "Send the message, end with <CRLF>.<CRLF>");
}

struct reply reply_chunk_ok(uint64_t bytes)
{
    return reply_make(250, "2.0.0", "%" PRIu64 " octets received", bytes);
}

struct reply reply_message_accepted(struct str id)
{
    return reply_make(250, "2.0.0", "Accepted as %.*s", STR_ARG(id));
}

struct reply reply_message_forwarded(struct str id)
{
    return reply_make(250, "2.0.0", "Forwarded as %.*s", STR_ARG(id));
}

struct reply reply_queued(struct str id)
{
    return reply_make(250, "2.0.0", "%.*s queued; the next hop will have it later",
                      STR_ARG(id));
}

struct reply reply_accepted_for_some(struct str id, size_t accepted, size_t recipients)
{
    return reply_make(250, "2.0.0", "%.*s accepted for %zu of %zu recipients", STR_ARG(id),
                      accepted, recipients);
}

struct reply reply_analysis_started(void)
{
    return reply_make(353, "", "Content analysis has started");
}

struct reply reply_no_valid_recipients(void)
{
    return reply_make(554, "5.5.1", "No valid recipients");
}

struct reply reply_message_too_big(uint64_t bytes_max)
{
    return reply_make(552, "5.3.4", "Message too big: at most %" PRIu64 " bytes",
                      bytes_max);
}

struct reply reply_header_too_big(uint32_t bytes_max)
{
    return reply_make(552, "5.3.4", "Header too big: at most %" PRIu32 " bytes", bytes_max);
}

struct reply reply_line_too_long(uint32_t bytes_max)
{
    return reply_make(550, "5.6.0", "A line is too long: at most %" PRIu32 " bytes",
                      bytes_max);
}

struct reply reply_message_has_nul(void)
{
    return reply_make(550, "5.6.0", "The message holds a NUL");
}

struct reply reply_mail_loop(uint32_t hops_max)
{
    return reply_make(554, "5.4.6", "Mail loop: more than %" PRIu32 " Received fields",
                      hops_max);
}

struct reply reply_no_memory(void)
{
    return reply_make(452, "4.3.1", "Too much mail at once, try again later");
}

struct reply reply_own_loop(void)
{
    return reply_make(554, "5.4.6", "Mail loop: this message has been here before");
}

struct reply reply_rejected(struct str reason)
{
    if (reason.length == 0)
        reason = STR("Message refused");
    return reply_make(550, "5.7.1", "%.*s", STR_ARG(reason));
}

struct reply reply_rule_too_costly(void)
{
    return reply_make(451, "4.3.0", "A rule takes too long to evaluate, try again later");
}

struct reply reply_worker_failed(void)
{
    return reply_make(451, "4.3.0", "The message cannot be handled now, try again later");
}

struct reply reply_local_error(void)
{
    return reply_make(451, "4.3.0", "Local error, try again later");
}

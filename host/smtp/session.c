/* A session (RFC 5321 section 3): a task that reads as the dialogue it holds.
 *
 *     PROXY header --> admission --> implicit TLS --> greeting --> { command --> reply }* --> close
 *
 * Invariants: replies go out in the order of their commands, and before the session waits for more input
 * (RFC 2920); the bytes of a command stay in the input, and views of them valid, until it is answered or its
 * verb asks for the input that follows. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/proxy.h"
#include "smtp/internal.h"

#define PROXY_TIMEOUT_MS   ((uint64_t)10 * 1000)
/* How long reject_early_talkers holds the greeting back. */
#define EARLY_TALK_MS      ((uint64_t)200)
/* Closing while the peer still sends would destroy the last reply on its way: what comes is read and
 * dropped until the peer is quiet. */
#define LINGER_QUIET_MS    ((uint64_t)200)
#define LINGER_MS          ((uint64_t)2000)
#define OUTPUT_BYTES_MAX   ((size_t)64 * 1024)
/* Replies to a long pipeline go out in pieces of about this. */
#define OUTPUT_FULL_BYTES  ((size_t)8 * 1024)
/* Commands that lead nowhere (NOOP, RSET, VRFY …) past this many are errors. */
#define IDLE_COMMANDS_MAX  100
/* The first byte of a TLS record that holds a handshake. */
#define TLS_HANDSHAKE_BYTE 0x16

const struct smtp_options *smtp_session_options(const struct smtp_session *session)
{
    return &session->settings->options;
}

const struct smtp_handler *smtp_session_handler(const struct smtp_session *session)
{
    return session->server->handler;
}

bool smtp_session_offers_tls(const struct smtp_session *session)
{
    return session->settings->tls && session->listener->tls == SMTP_TLS_STARTTLS &&
           !net_stream_tls_version(session->stream);
}

void smtp_session_note(const struct smtp_session *session, const char *what,
                       const char *format, ...)
{
    char detail[256];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    const struct smtp_handler *handler = smtp_session_handler(session);
    handler->note(handler->arg, what, net_stream_peer(session->stream), detail);
}

/* --- output --- */

int smtp_session_flush(struct smtp_session *session)
{
    struct str output = buf_view(&session->output);
    int result = 0;
    if (output.length && task_cancelled(session->task)) {
        net_stream_write_now(session->stream, output);
    } else if (output.length) {
        uint64_t deadline_ms =
            task_in_ms(smtp_session_options(session)->command_timeout_ms);
        result = net_stream_write(session->stream, &output, 1, deadline_ms);
    }
    buf_clear(&session->output);
    if (result < 0)
        session->is_ending = session->is_lost = true;
    return result;
}

void smtp_session_say(struct smtp_session *session, const struct reply *reply)
{
    if (!reply->code || session->is_lost)
        return;
    if (session->output.length >= OUTPUT_FULL_BYTES && smtp_session_flush(session) < 0)
        return;
    int result = reply_write(reply, &session->output);
    invariant(result == 0, "smtp: a reply larger than the output");
}

struct reply smtp_session_end_with(struct smtp_session *session, struct reply reply)
{
    session->is_ending = true;
    return reply;
}

struct reply smtp_session_fail(struct smtp_session *session, int result)
{
    session->is_ending = true;
    switch (result) {
    case -ETIMEDOUT:
        return reply_timed_out();
    case -ETIME:
        return reply_too_slow();
    case -ECANCELED:
        return reply_shutting_down();
    case -EILSEQ:
        return reply_bare_newline();
    case -EFBIG:
        return reply_message_too_big(smtp_session_options(session)->message_bytes_max);
    case -EPROTO:
        return reply_not_smtp();
    default:
        session->is_lost = true;
        return smtp_no_reply();
    }
}

/* --- input --- */

static void consume_command(struct smtp_session *session)
{
    net_stream_consume(session->stream, session->command_bytes);
    session->command_bytes = 0;
}

struct str smtp_session_input(struct smtp_session *session)
{
    consume_command(session);
    return net_stream_input(session->stream);
}

/* Waits for more of a command; what was said so far goes out first. */
static int wait_for_command(struct smtp_session *session, uint64_t deadline_ms)
{
    int result = smtp_session_flush(session);
    if (result < 0)
        return result;
    buf_free(&session->output);
    task_stage(session->transaction ? "waiting for a command, in a transaction"
                                    : "waiting for a command");
    result = net_stream_fill(session->stream, deadline_ms);
    if (result == 0)
        return -EPIPE;
    return result < 0 ? result : 0;
}

/* Drops the rest of a line that is too long. */
static int skip_line(struct smtp_session *session, uint64_t deadline_ms)
{
    for (;;) {
        struct str input = net_stream_input(session->stream);
        ptrdiff_t end = str_index(input, '\n');
        net_stream_consume(session->stream, end < 0 ? input.length : (size_t)end + 1);
        if (end >= 0)
            return 0;
        int result = wait_for_command(session, deadline_ms);
        if (result < 0)
            return result;
    }
}

/* A line, with the bytes to its LF in `input`: 0, or -EILSEQ when it ends otherwise than CRLF. */
static int cut_line(struct str input, struct str *line)
{
    if (input.length < 2 || str_index(input, '\r') != (ptrdiff_t)input.length - 2)
        return -EILSEQ;
    *line = str_part(input, 0, input.length - 2);
    return 0;
}

/* Reads a command line: 0; -EMSGSIZE for one too long, which is dropped; or what smtp_session_fail takes. */
static int read_line(struct smtp_session *session, struct str *line)
{
    const struct smtp_options *options = smtp_session_options(session);
    uint64_t deadline_ms = task_in_ms(options->command_timeout_ms);
    for (;;) {
        struct str input = smtp_session_input(session);
        if (input.length && input.at[0] == TLS_HANDSHAKE_BYTE)
            return -EPROTO;
        if (input.length > options->command_bytes_max)
            input.length = options->command_bytes_max;
        ptrdiff_t end = str_index(input, '\n');
        if (end >= 0) {
            session->command_bytes = (size_t)end + 1;
            return cut_line(str_part(input, 0, (size_t)end + 1), line);
        }
        int result = 0;
        if (input.length == options->command_bytes_max)
            result = skip_line(session, deadline_ms);
        if (input.length == options->command_bytes_max)
            return result < 0 ? result : -EMSGSIZE;
        result = wait_for_command(session, deadline_ms);
        if (result < 0)
            return result;
    }
}

/* --- commands --- */

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

static struct reply reply_to(struct smtp_session *session, struct str line)
{
    struct smtp_command command;
    smtp_command_parse(line, &command);
    const struct verb *verb = &verbs[command.verb];
    if (verb->leads_nowhere && ++session->idle_command_count > IDLE_COMMANDS_MAX)
        session->error_count++;
    struct reply reply = check(session, verb, &command);
    return reply.code ? reply : verb->steps->proceed(session, &command);
}

static void count_error(struct smtp_session *session, const struct reply *reply)
{
    if (!reply_is_permanent(reply))
        return;
    session->error_count++;
    smtp_session_note(session, "session.error", "%d %s %.200s", reply->code,
                      reply->enhanced, reply->text);
}

static void answer_next(struct smtp_session *session)
{
    struct str line;
    struct reply reply;
    int result = read_line(session, &line);
    if (result == 0)
        reply = reply_to(session, line);
    else if (result == -EMSGSIZE)
        reply = reply_command_too_long(smtp_session_options(session)->command_bytes_max);
    else
        reply = smtp_session_fail(session, result);
    smtp_session_say(session, &reply);
    count_error(session, &reply);
    session->is_ending = session->is_ending || reply.code == 421;
    if (!session->is_ending &&
        session->error_count >= smtp_session_options(session)->errors_max) {
        reply = smtp_session_end_with(session, reply_too_many_errors());
        smtp_session_say(session, &reply);
    }
}

/* --- the beginning --- */

int smtp_session_start_tls(struct smtp_session *session)
{
    struct err err = {0};
    task_stage("TLS handshake");
    bool is_implicit = session->listener->tls == SMTP_TLS_IMPLICIT;
    if (!is_implicit && smtp_session_input(session).length)
        smtp_session_note(session, "session.error",
                          "what was said in the clear after STARTTLS was dropped");
    uint64_t deadline_ms =
        task_in_ms(smtp_session_options(session)->tls_handshake_timeout_ms);
    /* Behind a PROXY header the handshake may have begun already. */
    int result = (is_implicit ? net_stream_tls_accept_implicit : net_stream_tls_accept)(
        session->stream, session->settings->tls, deadline_ms, &err);
    if (result < 0) {
        smtp_session_note(session, "session.error", "TLS: %s", err.text);
        session->is_ending = session->is_lost = true;
        return result;
    }
    smtp_transaction_end(session);
    free(session->helo);
    session->helo = NULL;
    session->is_extended = false;
    return 0;
}

static bool must_send_proxy_header(const struct smtp_session *session)
{
    for (size_t i = 0; i < session->listener->proxy_count; i++)
        if (net_block_contains(&session->listener->proxies[i],
                               net_stream_peer(session->stream)))
            return true;
    return false;
}

static bool read_proxy_header(struct smtp_session *session)
{
    struct err err = {0};
    if (!must_send_proxy_header(session))
        return true;
    task_stage("waiting for a PROXY header");
    if (proxy_header_read(session->stream, task_in_ms(PROXY_TIMEOUT_MS), &err) == 0)
        return true;
    smtp_session_note(session, "session.error", "PROXY: %s", err.text);
    return false;
}

/* Says a last word; not on a listener whose clients expect TLS first. */
static void turn_away(struct smtp_session *session, const char *what, struct reply reply)
{
    smtp_session_note(session, what, "%d %s", reply.code, reply.text);
    if (session->listener->tls == SMTP_TLS_IMPLICIT &&
        !net_stream_tls_version(session->stream))
        return;
    smtp_session_say(session, &reply);
    session->is_ending = true;
}

static bool admit(struct smtp_session *session)
{
    if (session->server->is_shutting_down) {
        turn_away(session, "session.refused", reply_shutting_down());
        return false;
    }
    enum smtp_admission admission =
        smtp_limits_enter(session->server->limits, smtp_session_options(session),
                          net_stream_peer(session->stream));
    session->is_admitted = admission == SMTP_ADMITTED;
    if (admission == SMTP_FULL)
        turn_away(session, "session.refused", reply_too_many_connections());
    else if (admission == SMTP_ADDRESS_FULL)
        turn_away(session, "session.refused", reply_too_many_connections_from_address());
    return session->is_admitted;
}

/* A client must wait for the greeting (RFC 5321 section 3.1); spam bots do not. */
static bool let_greet(struct smtp_session *session)
{
    bool is_rejecting = smtp_session_options(session)->reject_early_talkers;
    if (is_rejecting && smtp_session_input(session).length == 0 &&
        net_stream_fill(session->stream, task_in_ms(EARLY_TALK_MS)) == 0)
        return false;
    if (smtp_session_input(session).length == 0)
        return true;
    if (is_rejecting)
        turn_away(session, "session.refused", reply_talked_early());
    else
        smtp_session_note(session, "session.error", "spoke before the greeting");
    return !is_rejecting;
}

/* A reload may have taken the certificates away from a listener that needs them. */
static bool begin_with_tls(struct smtp_session *session)
{
    if (session->settings->tls)
        return smtp_session_start_tls(session) == 0;
    smtp_session_note(session, "session.refused", "implicit TLS without a certificate");
    return false;
}

static bool begin(struct smtp_session *session)
{
    if (!read_proxy_header(session) || !admit(session))
        return false;
    if (session->listener->tls == SMTP_TLS_IMPLICIT && !begin_with_tls(session))
        return false;
    return let_greet(session);
}

/* --- a session's life --- */

static struct smtp_session *session_new(const struct smtp_listener *listener,
                                        struct net_stream *stream)
{
    struct smtp_session *session = mem_zero(1, sizeof *session);
    struct smtp_server *server = listener->server;
    session->server = server;
    session->listener = listener;
    session->settings = smtp_settings_keep(server->settings);
    session->stream = stream;
    session->task = task_current();
    buf_init(&session->output, OUTPUT_BYTES_MAX);
    list_append(&server->sessions, &session->in_server);
    server->session_count++;
    return session;
}

static void session_free(struct smtp_session *session)
{
    struct smtp_server *server = session->server;
    smtp_transaction_end(session);
    if (session->is_admitted)
        smtp_limits_leave(server->limits, net_stream_peer(session->stream));
    net_stream_close(session->stream);
    list_remove(&session->in_server);
    smtp_settings_release(session->settings);
    buf_free(&session->output);
    free(session->helo);
    free(session);
    server->session_count--;
    task_signal_raise_all(&server->session_ended);
}

static void greet(struct smtp_session *session)
{
    struct reply greeting = reply_greeting(smtp_session_options(session)->host_name);
    smtp_session_note(session, "session.opened", "%s",
                      net_stream_tls_version(session->stream)
                          ? net_stream_tls_version(session->stream)
                          : "in the clear");
    smtp_session_say(session, &greeting);
}

static void converse(struct smtp_session *session)
{
    while (!session->is_ending) {
        if (session->server->is_shutting_down && !session->transaction) {
            struct reply reply = smtp_session_end_with(session, reply_shutting_down());
            smtp_session_say(session, &reply);
            return;
        }
        answer_next(session);
    }
}

static void linger(struct smtp_session *session)
{
    uint64_t end_ms = task_in_ms(LINGER_MS);
    int result = 1;
    task_stage("closing");
    while (result > 0 && task_now_ms() < end_ms) {
        net_stream_consume(session->stream, net_stream_input(session->stream).length);
        result = net_stream_fill(session->stream, task_in_ms(LINGER_QUIET_MS));
    }
}

void smtp_session_run(const struct smtp_listener *listener, struct net_stream *stream)
{
    struct smtp_session *session = session_new(listener, stream);
    if (begin(session)) {
        greet(session);
        converse(session);
        smtp_session_note(session, "session.ended", "messages=%u errors=%u",
                          session->message_count, session->error_count);
    }
    smtp_session_flush(session);
    if (net_stream_tls_version(stream))
        net_stream_tls_close_notify(stream);
    if (session->is_admitted && session->is_ending && !session->is_lost)
        linger(session);
    session_free(session);
}

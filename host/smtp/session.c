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
#include "smtp/internal.h"

/* Closing while the peer still sends would destroy the last reply on its way: what comes is read and
 * dropped until the peer is quiet. */
#define LINGER_QUIET_MS    ((uint64_t)200)
#define LINGER_MS          ((uint64_t)2000)
#define OUTPUT_BYTES_MAX   ((size_t)64 * 1024)
/* Replies to a long pipeline go out in pieces of about this. */
#define OUTPUT_FULL_BYTES  ((size_t)8 * 1024)
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

struct str smtp_session_input(struct smtp_session *session)
{
    net_stream_consume(session->stream, session->command_bytes);
    session->command_bytes = 0;
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
        bool is_too_long = input.length == options->command_bytes_max;
        int result = is_too_long ? skip_line(session, deadline_ms)
                                 : wait_for_command(session, deadline_ms);
        if (is_too_long && result == 0)
            return -EMSGSIZE;
        if (result < 0)
            return result;
    }
}

/* --- commands --- */

static void count_error(struct smtp_session *session, const struct reply *reply)
{
    if (!reply_is_permanent(reply))
        return;
    session->error_count++;
    smtp_session_note(session, "session.error", "%d %s %.200s", reply->code,
                      reply->enhanced, reply->text);
}

/* What to say next, to a command or to an end of our patience. */
static struct reply next_reply(struct smtp_session *session)
{
    const struct smtp_options *options = smtp_session_options(session);
    struct str line;
    if (session->server->is_shutting_down && !session->transaction)
        return reply_shutting_down();
    if (session->error_count >= options->errors_max)
        return reply_too_many_errors();
    int result = read_line(session, &line);
    if (result == -EMSGSIZE)
        return reply_command_too_long(options->command_bytes_max);
    if (result < 0)
        return smtp_session_fail(session, result);
    return smtp_verb_reply(session, line);
}

static void converse(struct smtp_session *session)
{
    while (!session->is_ending) {
        struct reply reply = next_reply(session);
        smtp_session_say(session, &reply);
        count_error(session, &reply);
        session->is_ending = session->is_ending || reply.code == 421;
    }
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

/* Not after QUIT: that client has said its last, and waits for nothing but the end. */
static bool must_linger(const struct smtp_session *session)
{
    return session->is_admitted && session->is_ending && !session->is_lost &&
           !session->has_quit;
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
    if (smtp_session_open(session)) {
        greet(session);
        converse(session);
        smtp_session_note(session, "session.ended", "messages=%u errors=%u",
                          session->message_count, session->error_count);
    }
    smtp_session_flush(session);
    if (net_stream_tls_version(stream))
        net_stream_tls_close_notify(stream);
    if (must_linger(session))
        linger(session);
    session_free(session);
}

/* postern-bench load: sends messages over many sessions at once and tells, as JSON, how many were taken,
 * how fast, with which latencies and codes.
 *
 * A session's dialogue, with MAIL, RCPT and DATA in one write and the content with its dot in another:
 *
 *   GREETING -> EHLO -> ENVELOPE -> CONTENT -> ENVELOPE …   until --per-connection messages are sent
 *                          |           |
 *                          +-> QUIT <--+                    then, or after a refusal; then a new connection
 *
 * All that is written is constant bytes, so a session only remembers how much of them is still to go. A
 * message's latency runs from its MAIL to the reply to its content. A message counts under the code that
 * decided it; under 0 when the connection broke before. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "mail.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

#define PATIENCE_MS        60000 /* without any event at all */
#define CODE_COUNT         600
#define ENVELOPE_BYTES_MAX 2048

enum step { GREETING, EHLO, ENVELOPE, CONTENT, QUIT };

struct session {
    int fd;
    enum step step;
    unsigned replies_due;
    int refusal;         /* the first code in this envelope that is none of success, or 0 */
    size_t sent;         /* messages on this connection */
    uint64_t begun_ns;   /* the present message's MAIL */
    struct str out;      /* still to be written */
    bool is_out_watched; /* EPOLLOUT is asked for */
    size_t in_length;
    char in[4096];
};

static struct {
    struct sockaddr_in server;
    size_t sessions, messages, per_connection;
    struct bench_mail *mails;
    size_t mail_count;
    char **envelopes; /* a recipient in each, in turn */
    size_t recipient_count;

    int poll;
    size_t begun, ended, open; /* messages begun and ended, sessions open */
    size_t by_code[CODE_COUNT];
    uint32_t *latencies_us; /* of the messages that were taken */
    size_t latency_count;
} load;

static void session_open(struct session *session)
{
    *session = (struct session){.step = GREETING, .replies_due = 1};
    session->fd = bench_connect(&load.server);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};
    if (epoll_ctl(load.poll, EPOLL_CTL_ADD, session->fd, &event) < 0)
        bench_die("epoll_ctl");
    load.open++;
}

static void message_ended(struct session *session, int code)
{
    load.ended++;
    load.by_code[code]++;
    if (code == 250)
        load.latencies_us[load.latency_count++] =
            (uint32_t)((bench_now_ns() - session->begun_ns) / 1000);
}

/* The connection is over: another one takes its place while there are messages left to begin. */
static void session_close(struct session *session)
{
    if (session->step == ENVELOPE || session->step == CONTENT)
        message_ended(session, session->refusal);
    close(session->fd);
    load.open--;
    if (load.begun < load.messages)
        session_open(session);
}

static void watch_out(struct session *session, bool is_wanted)
{
    if (session->is_out_watched == is_wanted)
        return;
    session->is_out_watched = is_wanted;
    struct epoll_event event = {.events = EPOLLIN | (is_wanted ? EPOLLOUT : 0u),
                                .data.ptr = session};
    epoll_ctl(load.poll, EPOLL_CTL_MOD, session->fd, &event);
}

/* Writes what the socket takes. A broken connection is seen by the next recv. */
static void flush(struct session *session)
{
    ssize_t sent = send(session->fd, session->out.at, session->out.length, MSG_NOSIGNAL);
    if (sent > 0)
        session->out = str_from(session->out, (size_t)sent);
    watch_out(session, session->out.length > 0);
}

static void say(struct session *session, enum step step, struct str bytes, unsigned replies)
{
    session->step = step;
    session->out = bytes;
    session->replies_due = replies;
    flush(session);
}

static void say_next_envelope(struct session *session)
{
    if (load.begun == load.messages || session->sent == load.per_connection) {
        say(session, QUIT, STR("QUIT\r\n"), 1);
        return;
    }
    load.begun++;
    session->sent++;
    session->refusal = 0;
    session->begun_ns = bench_now_ns();
    say(session, ENVELOPE, str_of(load.envelopes[load.begun % load.recipient_count]), 3);
}

static void say_content(struct session *session)
{
    const struct bench_mail *mail = &load.mails[load.begun % load.mail_count];
    say(session, CONTENT, (struct str){mail->bytes, mail->length}, 1);
}

static void take_reply(struct session *session, int code)
{
    if (code >= 400 && session->refusal == 0)
        session->refusal = code;
    if (--session->replies_due > 0)
        return;
    errno = 0;
    if (session->step < ENVELOPE && code >= 400)
        bench_die("the server refuses sessions with %d", code);
    switch (session->step) {
    case GREETING:
        say(session, EHLO, STR("EHLO load.bench.test\r\n"), 1);
        break;
    case EHLO:
        say_next_envelope(session);
        break;
    case ENVELOPE:
        if (code == 354) {
            say_content(session);
        } else {
            message_ended(session, session->refusal);
            say(session, QUIT, STR("QUIT\r\n"), 1);
        }
        break;
    case CONTENT:
        message_ended(session, code);
        say_next_envelope(session);
        break;
    case QUIT:
        break;
    }
}

/* False: the connection is over. */
static bool session_read(struct session *session)
{
    ssize_t got = recv(session->fd, session->in + session->in_length,
                       sizeof session->in - session->in_length, 0);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    session->in_length += (size_t)got;

    struct str in = {session->in, session->in_length};
    int code = 0;
    for (size_t taken;
         session->replies_due > 0 && (taken = bench_reply(in.at, in.length, &code)) > 0;) {
        in = str_from(in, taken);
        take_reply(session, code);
    }
    memmove(session->in, in.at, in.length);
    session->in_length = in.length;
    return session->in_length < sizeof session->in;
}

static void run(void)
{
    size_t count = load.sessions < load.messages ? load.sessions : load.messages;
    struct session *sessions = mem_zero(count, sizeof *sessions);
    for (size_t i = 0; i < count; i++)
        session_open(&sessions[i]);
    while (load.open > 0 && load.ended < load.messages) {
        struct epoll_event events[256];
        int ready = epoll_wait(load.poll, events, 256, PATIENCE_MS);
        if (ready == 0)
            bench_die("nothing happened for %d s: %zu of %zu messages have ended",
                      PATIENCE_MS / 1000, load.ended, load.messages);
        for (int i = 0; i < ready; i++) {
            struct session *session = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                flush(session);
            if ((events[i].events & ~(uint32_t)EPOLLOUT) && !session_read(session))
                session_close(session);
        }
    }
    free(sessions);
}

static int by_size(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static double latency_ms(unsigned percent)
{
    if (load.latency_count == 0)
        return 0;
    size_t at = (load.latency_count - 1) * percent / 100;
    return load.latencies_us[at] / 1000.0;
}

static void report(double seconds)
{
    qsort(load.latencies_us, load.latency_count, sizeof *load.latencies_us, by_size);
    printf("{\"messages\": %zu, \"seconds\": %.6f, \"per_second\": %.1f, \"codes\": {",
           load.ended, seconds, (double)load.ended / seconds);
    const char *separator = "";
    for (int code = 0; code < CODE_COUNT; code++)
        if (load.by_code[code]) {
            printf("%s\"%d\": %zu", separator, code, load.by_code[code]);
            separator = ", ";
        }
    printf(
        "}, \"latency_ms\": {\"p50\": %.3f, \"p95\": %.3f, \"p99\": %.3f, \"max\": %.3f}, "
        "\"cpu_seconds\": %.6f}\n",
        latency_ms(50), latency_ms(95), latency_ms(99), latency_ms(100),
        bench_cpu_seconds());
}

/* `to` with the number in the place of "{}". */
static char *envelope_new(const char *from, const char *to, size_t number)
{
    struct buf text;
    struct str rest = str_of(to);
    ptrdiff_t place = str_find(rest, STR("{}"));
    buf_init(&text, ENVELOPE_BYTES_MAX);
    buf_printf(&text, "MAIL FROM:<%s> BODY=8BITMIME\r\nRCPT TO:<", from);
    if (place >= 0) {
        buf_printf(&text, "%.*s%zu", (int)place, to, number);
        rest = str_from(rest, (size_t)place + 2);
    }
    errno = 0;
    if (buf_append(&text, rest) < 0 || buf_append(&text, STR(">\r\nDATA\r\n\0")) < 0)
        bench_die("the addresses are too long");
    return text.memory;
}

static void set_envelopes(const char *from, const char *to)
{
    load.envelopes = mem_zero(load.recipient_count, sizeof *load.envelopes);
    for (size_t i = 0; i < load.recipient_count; i++)
        load.envelopes[i] = envelope_new(from, to, i);
}

/* Into `load`; false: an option is unknown or lacks its value. */
static bool read_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"server", required_argument, NULL, 's'},
        {"sessions", required_argument, NULL, 'n'},
        {"messages", required_argument, NULL, 'm'},
        {"per-connection", required_argument, NULL, 'p'},
        {"bytes", required_argument, NULL, 'b'},
        {"corpus", required_argument, NULL, 'c'},
        {"from", required_argument, NULL, 'f'},
        {"to", required_argument, NULL, 't'},
        {"recipients", required_argument, NULL, 'r'},
        {0},
    };
    const char *from = "anna@sender.test", *to = "ben@bench.test", *corpus = NULL;
    size_t bytes = 5000;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (option) {
        case 's':
            load.server = bench_address(optarg);
            break;
        case 'n':
            load.sessions = bench_number("sessions", optarg, 1);
            break;
        case 'm':
            load.messages = bench_number("messages", optarg, 1);
            break;
        case 'p':
            load.per_connection = bench_number("per-connection", optarg, 1);
            break;
        case 'b':
            bytes = bench_number("bytes", optarg, 1);
            break;
        case 'c':
            corpus = optarg;
            break;
        case 'f':
            from = optarg;
            break;
        case 't':
            to = optarg;
            break;
        case 'r':
            load.recipient_count = bench_number("recipients", optarg, 1);
            break;
        default:
            return false;
        }
    set_envelopes(from, to);
    load.mails = corpus ? bench_mail_load(corpus, &load.mail_count)
                        : bench_mail_generate(bytes, &load.mail_count);
    return true;
}

int bench_load(int argc, char **argv)
{
    load.sessions = 40;
    load.messages = 10000;
    load.per_connection = 1;
    load.recipient_count = 1;
    if (!read_options(argc, argv))
        return 2;
    errno = 0;
    if (!load.server.sin_port)
        bench_die("--server is missing");

    bench_raise_descriptor_limit();
    load.latencies_us = mem_zero(load.messages, sizeof *load.latencies_us);
    load.poll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t begin_ns = bench_now_ns();
    run();
    report((double)(bench_now_ns() - begin_ns) / 1e9);
    bench_mail_free(load.mails, load.mail_count);
    for (size_t i = 0; i < load.recipient_count; i++)
        free(load.envelopes[i]);
    free((void *)load.envelopes);
    free(load.latencies_us);
    close(load.poll);
    return load.by_code[250] == load.messages ? 0 : 1;
}

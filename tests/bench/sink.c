/* postern-bench sink: an SMTP server that takes every message and forgets it. One recv and one send per
 * turn; content is never looked at but for its end.
 *
 * A session is in COMMANDS, or in CONTENT until CRLF.CRLF. Unread bytes stay at the front of its buffer;
 * in CONTENT the last four do, as the end may be cut in two. The CRLF of the DATA line stays too, so that
 * the dot of an empty message is found as any other. */
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"

#define IN_BYTES   ((size_t)32 * 1024)
#define OUT_BYTES  ((size_t)4 * 1024)
#define TAIL_BYTES ((size_t)4) /* of CRLF.CRLF, not yet whole */

struct session {
    int fd;
    bool in_content;
    bool is_ending;   /* QUIT was said: closed once its reply is out */
    uint64_t due_ns;  /* when delayed: when the final reply is sent */
    struct list late; /* in sink.late */
    size_t in_length, out_length;
    char in[IN_BYTES], out[OUT_BYTES];
};

static struct {
    int poll, listener, signals;
    uint64_t delay_ns;
    struct list late; /* sessions whose final reply is due, the earliest first */
    uint64_t connections, messages, bytes;
} sink;

static void session_close(struct session *session)
{
    list_remove(&session->late);
    close(session->fd);
    free(session);
}

static void say(struct session *session, struct str reply)
{
    errno = 0;
    if (session->out_length + reply.length > OUT_BYTES)
        bench_die("a client sends commands without reading replies");
    memcpy(session->out + session->out_length, reply.at, reply.length);
    session->out_length += reply.length;
}

/* Replies are short and their reader waits for them: a socket that does not take one is broken. */
static bool flush(struct session *session)
{
    size_t length = session->out_length;
    session->out_length = 0;
    return length == 0 ||
           send(session->fd, session->out, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static void do_command(struct session *session, struct str line)
{
    if (str_starts_nocase(line, STR("EHLO"))) {
        say(session, STR("250-sink.bench.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
                         "250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"));
    } else if (str_starts_nocase(line, STR("DATA"))) {
        say(session, STR("354 Go on\r\n"));
        session->in_content = true;
    } else if (str_starts_nocase(line, STR("QUIT"))) {
        say(session, STR("221 2.0.0 Bye\r\n"));
        session->is_ending = true;
    } else {
        say(session, STR("250 2.0.0 Ok\r\n"));
    }
}

static void content_ended(struct session *session)
{
    sink.messages++;
    session->in_content = false;
    if (sink.delay_ns == 0) {
        say(session, STR("250 2.0.0 Taken\r\n"));
        return;
    }
    session->due_ns = bench_now_ns() + sink.delay_ns;
    list_append(&sink.late, &session->late);
}

/* Takes what it can from the front of `in`: how many bytes. */
static size_t take_command(struct session *session, struct str in)
{
    ptrdiff_t end = str_index(in, '\n');
    if (end < 0)
        return 0;
    do_command(session, str_part(in, 0, (size_t)end));
    size_t taken = (size_t)end + 1;
    return session->in_content && taken >= 2 ? taken - 2 : taken;
}

static size_t take_content(struct session *session, struct str in)
{
    const char *end = memmem(in.at, in.length, "\r\n.\r\n", 5);
    size_t taken = end ? (size_t)(end - in.at) + 5
                       : in.length - (in.length < TAIL_BYTES ? in.length : TAIL_BYTES);
    sink.bytes += taken;
    if (end)
        content_ended(session);
    return taken;
}

static void take_all(struct session *session)
{
    struct str in = {session->in, session->in_length};
    while (list_empty(&session->late)) {
        size_t taken =
            session->in_content ? take_content(session, in) : take_command(session, in);
        in = str_from(in, taken);
        if (taken == 0)
            break;
    }
    memmove(session->in, in.at, in.length);
    session->in_length = in.length;
}

static void session_read(struct session *session)
{
    ssize_t got = recv(session->fd, session->in + session->in_length,
                       IN_BYTES - session->in_length, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got > 0) {
        session->in_length += (size_t)got;
        take_all(session);
    }
    if (got <= 0 || !flush(session) || session->is_ending || session->in_length == IN_BYTES)
        session_close(session);
}

static void session_accept(void)
{
    int fd = accept4(sink.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct session *session = mem_alloc(sizeof *session);
    session->fd = fd;
    session->in_content = session->is_ending = false;
    session->in_length = session->out_length = 0;
    list_init(&session->late);
    sink.connections++;
    say(session, STR("220 sink.bench.test ESMTP\r\n"));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};
    if (epoll_ctl(sink.poll, EPOLL_CTL_ADD, fd, &event) < 0 || !flush(session))
        session_close(session);
}

/* Sends the final replies that are due: the milliseconds until the next one is, or -1. */
static int say_late_replies(void)
{
    uint64_t now_ns = sink.delay_ns ? bench_now_ns() : 0;
    list_foreach (node, &sink.late) {
        struct session *session = list_entry(node, struct session, late);
        if (session->due_ns > now_ns)
            return (int)((session->due_ns - now_ns) / 1000000) + 1;
        list_remove(&session->late);
        say(session, STR("250 2.0.0 Taken\r\n"));
        take_all(session);
        if (!flush(session) || session->is_ending)
            session_close(session);
    }
    return -1;
}

static void watch(int fd, void *tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = tag};
    if (epoll_ctl(sink.poll, EPOLL_CTL_ADD, fd, &event) < 0)
        bench_die("epoll_ctl");
}

static void open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sink.signals = signalfd(-1, &set, SFD_CLOEXEC);
    watch(sink.signals, &sink.signals);
}

static void open_listener(struct sockaddr_in address)
{
    int on = 1;
    socklen_t length = sizeof address;
    sink.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(sink.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(sink.listener, (struct sockaddr *)&address, length) < 0 ||
        listen(sink.listener, 4096) < 0 ||
        getsockname(sink.listener, (struct sockaddr *)&address, &length) < 0)
        bench_die("listen");
    watch(sink.listener, &sink.listener);
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

/* Until SIGTERM. */
static void serve(void)
{
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(sink.poll, events, 256, say_late_replies());
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &sink.signals)
                return;
            if (events[i].data.ptr == &sink.listener)
                session_accept();
            else
                session_read(events[i].data.ptr);
        }
    }
}

int bench_sink(int argc, char **argv)
{
    static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
                                            {"delay-ms", required_argument, NULL, 'd'},
                                            {0}};
    struct sockaddr_in address = bench_address("127.0.0.1:0");
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (option) {
        case 'l':
            address = bench_address(optarg);
            break;
        case 'd':
            sink.delay_ns = (uint64_t)bench_number("delay-ms", optarg, 0) * 1000000;
            break;
        default:
            return 2;
        }

    bench_raise_descriptor_limit();
    list_init(&sink.late);
    sink.poll = epoll_create1(EPOLL_CLOEXEC);
    open_signals();
    open_listener(address);
    serve();
    printf("{\"connections\": %lu, \"messages\": %lu, \"bytes\": %lu, \"cpu_seconds\": "
           "%.6f}\n",
           sink.connections, sink.messages, sink.bytes, bench_cpu_seconds());
    return 0;
}

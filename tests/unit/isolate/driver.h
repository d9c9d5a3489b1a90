/* The host's side of an isolate, for tests: starts a real one (this program executed again), speaks the
 * protocol of worker/wire.h with it, and writes down all it says. Every wait is bounded. */
#pragma once

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "isolate/isolate.h"
#include "worker/wire.h"

#define DRIVER_WAIT_MS 60000

/* What to load; zero fields have defaults. */
struct load {
    const char *source;
    const char *modules[4][2]; /* name, source */
    const char *env[4][2];     /* name, value */
    double cpu_soft_ms, cpu_hard_ms, memory_bytes, log_bytes_max;
};

struct driver {
    pid_t pid;
    int socket;
    struct wire_gauge *gauge;
    struct wire_inbox inbox;
    struct str unread; /* of the packet that has come */
    struct arena *arena;
    double cpu_hard_ms;
    bool does_not_kill; /* leaves the hard limit to the isolate */
    bool was_killed;    /* at the hard limit */
    uint32_t ended_run; /* the last DONE was END too; else 0 */
    int status;         /* of the ended process (waitpid) */
};

/* A frame that the isolate said; `value` is NULL and type 0 at the end of file. */
struct said {
    unsigned type;
    uint32_t run, call;
    const struct value *value;
};

/* --- sending --- */

static inline void driver_send_fd(struct driver *driver, const struct wire_frame *frame,
                                  int fd)
{
    struct wire_packet_head head;
    struct str part;
    size_t offset = 0;
    bool more;
    do {
        bool is_first = offset == 0;
        more = wire_packet_cut(frame, &offset, &head, &part);
        struct iovec parts[] = {{&head, sizeof head},
                                {(void *)(uintptr_t)part.at, part.length}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        union {
            char bytes[CMSG_SPACE(sizeof(int))];
            struct cmsghdr align;
        } control = {{0}};
        if (fd >= 0 && is_first) {
            message.msg_control = control.bytes;
            message.msg_controllen = sizeof control.bytes;
            struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
            rights->cmsg_level = SOL_SOCKET;
            rights->cmsg_type = SCM_RIGHTS;
            rights->cmsg_len = CMSG_LEN(sizeof fd);
            memcpy(CMSG_DATA(rights), &fd, sizeof fd);
        }
        if (sendmsg(driver->socket, &message, MSG_NOSIGNAL) < 0)
            return; /* it has died: its end is read below */
    } while (more);
}

static inline void driver_send(struct driver *driver, enum wire_type type, uint32_t run,
                               uint32_t call, struct buf *payload)
{
    struct wire_frame frame = {type, run, call, buf_view(payload)};
    driver_send_fd(driver, &frame, -1);
    buf_free(payload);
}

static inline struct buf driver_table(void)
{
    struct buf out;
    buf_init(&out, WIRE_FRAME_BYTES_MAX);
    value_begin_table(&out);
    return out;
}

static inline void driver_put_pairs(struct buf *out, const char *key,
                                    const char *const pairs[4][2])
{
    value_put_table(out, key);
    for (int i = 0; i < 4 && pairs[i][0]; i++)
        value_put_string(out, pairs[i][0], str_of(pairs[i][1]));
    value_end_table(out);
}

static inline void driver_send_load(struct driver *driver, const struct load *load)
{
    struct buf out = driver_table();
    value_put_string(&out, "name", STR("support"));
    value_put_string(&out, "script", STR("support.lua"));
    value_put_string(&out, "source", str_of(load->source));
    driver_put_pairs(&out, "modules", load->modules);
    driver_put_pairs(&out, "env", load->env);
    value_put_table(&out, "limits");
    value_put_number(&out, "cpuSoftMs", load->cpu_soft_ms > 0 ? load->cpu_soft_ms : 20000);
    value_put_number(&out, "cpuHardMs", driver->cpu_hard_ms);
    value_put_number(&out, "memoryBytes",
                     load->memory_bytes > 0 ? load->memory_bytes : 64.0 * 1024 * 1024);
    value_put_number(&out, "logBytesMax",
                     load->log_bytes_max > 0 ? load->log_bytes_max : 16384);
    value_end_table(&out);
    value_end_table(&out);
    driver_send(driver, WIRE_LOAD, 0, 0, &out);
}

/* --- the process --- */

static inline void driver_exec(int socket, int gauge)
{
    int high_socket = fcntl(socket, F_DUPFD, 20), high_gauge = fcntl(gauge, F_DUPFD, 20);
    dup2(high_socket, WIRE_SOCKET_FD);
    dup2(high_gauge, WIRE_GAUGE_FD);
    char *arguments[] = {"postern-isolate", "support", NULL};
    execv("/proc/self/exe", arguments);
    _exit(127);
}

static inline struct driver *driver_spawn(const struct load *load)
{
    struct driver *driver = mem_zero(1, sizeof *driver);
    int sockets[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
    int gauge = memfd_create("gauge", MFD_CLOEXEC);
    assert_int_equal(ftruncate(gauge, sizeof(struct wire_gauge)), 0);
    driver->gauge =
        mmap(NULL, sizeof *driver->gauge, PROT_READ | PROT_WRITE, MAP_SHARED, gauge, 0);
    driver->cpu_hard_ms = load->cpu_hard_ms > 0 ? load->cpu_hard_ms : 30000;
    driver->arena = arena_new();
    wire_inbox_init(&driver->inbox);
    driver->pid = fork();
    if (driver->pid == 0)
        driver_exec(sockets[1], gauge);
    close(sockets[1]);
    close(gauge);
    driver->socket = sockets[0];
    driver_send_load(driver, load);
    return driver;
}

/* Closes the socket and waits for the process: its wait status. */
static inline int driver_stop(struct driver *driver)
{
    int status = driver->status;
    close(driver->socket);
    if (driver->pid)
        waitpid(driver->pid, &status, 0);
    munmap(driver->gauge, sizeof *driver->gauge);
    wire_inbox_free(&driver->inbox);
    arena_free(driver->arena);
    free(driver);
    return status;
}

/* The watchdog of the host. */
static inline void driver_watch(struct driver *driver)
{
    clockid_t clock;
    struct timespec now;
    if (driver->does_not_kill || !driver->gauge->run || !driver->pid ||
        clock_getcpuclockid(driver->pid, &clock) != 0 || clock_gettime(clock, &now) != 0)
        return;
    double used_ns =
        (double)now.tv_sec * 1e9 + (double)now.tv_nsec - (double)driver->gauge->run_cpu_ns;
    if (used_ns > driver->cpu_hard_ms * 1e6) {
        kill(driver->pid, SIGKILL);
        driver->was_killed = true;
    }
}

static inline void driver_reap(struct driver *driver)
{
    if (driver->pid)
        waitpid(driver->pid, &driver->status, 0);
    driver->pid = 0;
}

/* --- receiving --- */

/* What the host takes for an END of its own. */
static inline struct said end_within_done(struct driver *driver)
{
    uint32_t run = driver->ended_run;
    driver->ended_run = 0;
    return (struct said){.type = WIRE_END, .run = run};
}

/* False: it has ended. */
static inline bool driver_receive_packet(struct driver *driver)
{
    static char packet[WIRE_PACKET_BYTES];
    ssize_t length = recv(driver->socket, packet, sizeof packet, 0);
    driver->unread = (struct str){packet, length > 0 ? (size_t)length : 0};
    return length > 0;
}

static inline struct said driver_receive(struct driver *driver)
{
    if (driver->ended_run)
        return end_within_done(driver);
    struct wire_frame frame;
    for (int waited_ms = 0; waited_ms < DRIVER_WAIT_MS;) {
        struct pollfd readable = {driver->socket, POLLIN, 0};
        if (driver->unread.length == 0 && poll(&readable, 1, 10) == 0) {
            waited_ms += 10;
            driver_watch(driver);
            continue;
        }
        if (driver->unread.length == 0 && !driver_receive_packet(driver)) {
            driver_reap(driver);
            return (struct said){0};
        }
        int taken = wire_inbox_take(&driver->inbox, &driver->unread, &frame);
        assert_true(taken >= 0);
        if (taken == 0)
            continue;
        struct str payload = arena_str(driver->arena, frame.payload);
        const struct value *value = value_decode(payload, driver->arena);
        assert_non_null(value);
        if (frame.type == WIRE_DONE && value_get_bool(value, "ended", false))
            driver->ended_run = frame.run;
        return (struct said){frame.type, frame.run, frame.call, value};
    }
    fail_msg("the isolate says nothing");
    return (struct said){0};
}

/* A copy, NUL-terminated, of a string in what was said; "" when it is missing. */
static inline const char *said_text(struct driver *driver, const struct said *said,
                                    const char *key)
{
    return arena_text(driver->arena, value_get_string(said->value, key, STR("")));
}

/* Starts an isolate that must be READY. */
static inline struct driver *driver_start_with(const struct load *load)
{
    struct driver *driver = driver_spawn(load);
    struct said said = driver_receive(driver);
    while (said.type == WIRE_LOG)
        said = driver_receive(driver);
    if (said.type == WIRE_BROKEN)
        fail_msg("broken: %.*s", STR_ARG(said.value->string));
    assert_int_equal(said.type, WIRE_READY);
    return driver;
}

static inline struct driver *driver_start(const char *source)
{
    return driver_start_with(&(struct load){.source = source});
}

/* Starts an isolate that must be BROKEN, and returns why (in static memory). */
static inline const char *driver_broken(const struct load *load)
{
    static char why[4096];
    struct driver *driver = driver_spawn(load);
    struct said said = driver_receive(driver);
    assert_int_equal(said.type, WIRE_BROKEN);
    snprintf(why, sizeof why, "%.*s", STR_ARG(said.value->string));
    assert_int_equal(driver_receive(driver).type, 0);
    driver_stop(driver);
    return why;
}

/* --- messages --- */

#define DRIVER_MAIL                                                                        \
    "From: Anna <anna@corp.test>\r\n"                                                      \
    "To: support@example.com\r\n"                                                          \
    "Subject: a folded\r\n"                                                                \
    "  subject\r\n"                                                                        \
    "X-Note: one\r\n"                                                                      \
    "x-note: two\r\n"                                                                      \
    "\r\n"                                                                                 \
    "Hello.\r\n"

/* Sends EMAIL; raw goes beside it as a memfd when it is long. */
static inline void driver_send_raw(struct driver *driver, uint32_t run, struct str raw)
{
    struct buf out = driver_table();
    int fd = -1;
    value_put_string(&out, "from", STR("anna@corp.test"));
    value_put_string(&out, "to", STR("support@example.com"));
    value_put_number(&out, "rawSize", (double)raw.length);
    if (raw.length <= WIRE_INLINE_BYTES) {
        value_put_string(&out, "raw", raw);
    } else {
        fd = memfd_create("raw", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_int_equal(write(fd, raw.at, raw.length), raw.length);
        assert_int_equal(fcntl(fd, F_ADD_SEALS,
                               F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL),
                         0);
    }
    value_put_bool(&out, "canBeForwarded", true);
    value_put_table(&out, "captures");
    value_put_string(&out, "1", STR("42"));
    value_put_string(&out, "id", STR("42"));
    value_end_table(&out);
    value_put_table(&out, "client");
    value_put_string(&out, "ip", STR("192.0.2.1"));
    value_put_string(&out, "helo", STR("mx.corp.test"));
    value_end_table(&out);
    value_end_table(&out);
    struct wire_frame frame = {WIRE_EMAIL, run, 0, buf_view(&out)};
    driver_send_fd(driver, &frame, fd);
    buf_free(&out);
    if (fd >= 0)
        close(fd);
}

static inline void driver_send_mail(struct driver *driver, uint32_t run)
{
    driver_send_raw(driver, run, STR(DRIVER_MAIL));
}

/* `event` is an open table, which this ends and sends. */
static inline void driver_send_event(struct driver *driver, uint32_t run,
                                     const char *handler, struct buf *event)
{
    struct buf out = driver_table();
    value_end_table(event);
    value_put_string(&out, "handler", str_of(handler));
    value_put_number(&out, "remainingMs", 30000);
    value_write_string(&out, STR("event"));
    buf_append(&out, buf_view(event));
    value_end_table(&out);
    driver_send(driver, WIRE_EVENT, run, 0, &out);
    buf_free(event);
}

static inline void driver_answer_ok(struct driver *driver, uint32_t run, uint32_t call)
{
    struct buf out = driver_table();
    value_put_bool(&out, "ok", true);
    value_put_string(&out, "messageId", STR("<1@postern.test>"));
    value_put_bool(&out, "queued", false);
    value_end_table(&out);
    driver_send(driver, WIRE_ANSWER, run, call, &out);
}

static inline void driver_answer_refused(struct driver *driver, uint32_t run, uint32_t call)
{
    struct buf out = driver_table();
    value_put_bool(&out, "ok", false);
    value_put_string(&out, "code", STR("E_UPSTREAM"));
    value_put_string(&out, "message", STR("550 5.1.1 no such user"));
    value_put_bool(&out, "permanent", true);
    value_put_table(&out, "smtp");
    value_put_number(&out, "code", 550);
    value_put_string(&out, "enhanced", STR("5.1.1"));
    value_put_string(&out, "text", STR("no such user"));
    value_end_table(&out);
    value_end_table(&out);
    driver_send(driver, WIRE_ANSWER, run, call, &out);
}

/* --- a whole run --- */

#define REPORT_BYTES 65536

/* All that a run said, a line each:
 *   log info: text
 *   call forward x@y.test X-A=1
 *   ok | rejected: reason | exception: text | …
 *   end
 * or "died" when the isolate is gone. Each call is answered at once: ok, or a refusal when the recipient
 * starts with "refused". In static memory. */
static inline const char *driver_report(struct driver *driver, uint32_t run);

static inline size_t report_call(struct driver *driver, const struct said *said, char *line,
                                 size_t room)
{
    const char *names[] = {"name",    "recipient", "from", "to",
                           "subject", "text",      "html", "raw"};
    size_t used = (size_t)snprintf(line, room, "call");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *text = said_text(driver, said, names[i]);
        if (*text)
            used += (size_t)snprintf(line + used, room - used, " %s%s%s",
                                     i > 1 ? names[i] : "", i > 1 ? "=" : "", text);
    }
    const struct value *headers = value_get(said->value, "headers");
    for (size_t i = 0; headers && i < headers->count; i++)
        used += (size_t)snprintf(
            line + used, room - used, " %.*s=%.*s",
            STR_ARG(value_get_string(&headers->items[i], "name", STR("?"))),
            STR_ARG(value_get_string(&headers->items[i], "value", STR("?"))));
    return used + (size_t)snprintf(line + used, room - used, "\n");
}

static inline size_t report_frame(struct driver *driver, const struct said *said,
                                  char *line, size_t room)
{
    const char *text = said_text(driver, said, "text");
    switch (said->type) {
    case WIRE_LOG:
        return (size_t)snprintf(line, room, "log %s: %s\n",
                                said_text(driver, said, "level"), text);
    case WIRE_CALL:
        return report_call(driver, said, line, room);
    case WIRE_DONE:
        return (size_t)snprintf(line, room, "%s%s%s\n", said_text(driver, said, "result"),
                                *text ? ": " : "", text);
    case WIRE_END:
        return (size_t)snprintf(line, room, "end\n");
    default:
        return (size_t)snprintf(line, room, "died\n");
    }
}

static inline const char *driver_report(struct driver *driver, uint32_t run)
{
    static char report[REPORT_BYTES];
    size_t used = 0;
    for (;;) {
        struct said said = driver_receive(driver);
        if (said.type)
            assert_int_equal(said.run, run);
        used += report_frame(driver, &said, report + used, sizeof report - used);
        assert_true(used < sizeof report);
        if (said.type == WIRE_END || !said.type)
            return report;
        if (said.type != WIRE_CALL)
            continue;
        if (strncmp(said_text(driver, &said, "recipient"), "refused", 7) == 0)
            driver_answer_refused(driver, said.run, said.call);
        else
            driver_answer_ok(driver, said.run, said.call);
    }
}

/* One script, one message: what it said. */
static inline const char *run_script_with(const struct load *load)
{
    struct driver *driver = driver_start_with(load);
    driver_send_mail(driver, 1);
    const char *report = driver_report(driver, 1);
    driver_stop(driver);
    return report;
}

#define HANDLER(body) "return { email = function(message, env, ctx)\n" body "\nend }"

static inline const char *run_handler(const char *source)
{
    return run_script_with(&(struct load){.source = source});
}

#define assert_starts(text, prefix)                                                        \
    assert_string_equal(                                                                   \
        strncmp((text), (prefix), strlen(prefix)) == 0 ? (prefix) : (text), (prefix))
#define assert_has(text, part)                                                             \
    assert_string_equal(strstr((text), (part)) ? (part) : (text), (part))

/* main() of every test of the isolate: this program is its own isolate. */
#define ISOLATE_TEST_MAIN(tests)                                                           \
    int main(int argc, char **argv)                                                        \
    {                                                                                      \
        if (argc == 2 && strcmp(argv[0], "postern-isolate") == 0)                          \
            return isolate_main(argv[1]);                                                  \
        return cmocka_run_group_tests(tests, NULL, NULL);                                  \
    }

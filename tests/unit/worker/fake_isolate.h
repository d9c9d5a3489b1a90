/* An isolate in C that does as it is told, badly behaved too: the test program executed again as
 * "postern-isolate". LOAD's source says how loading goes; the first word of a message says what becomes of
 * it. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "worker/wire.h"

#define FAKE_MANY 40

enum fake_plan { FINISH, END, WAIT, COUNT };

static struct {
    struct wire_gauge *gauge;
    struct wire_inbox inbox;
    struct arena *arena;
    int passed_fd;
    bool is_deaf;
    enum fake_plan plans[1000]; /* what follows the answer, by call number */
    uint32_t answer_count, good_count;
} fake;

static inline bool fake_receive(struct wire_frame *frame)
{
    static char packet[WIRE_PACKET_BYTES];
    static struct str unread;
    for (;;) {
        if (unread.length && wire_inbox_take(&fake.inbox, &unread, frame) == 1)
            return true;
        char control[CMSG_SPACE(sizeof(int))];
        struct iovec piece = {packet, sizeof packet};
        struct msghdr message = {.msg_iov = &piece,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        ssize_t length = recvmsg(WIRE_SOCKET_FD, &message, 0);
        if (length <= 0)
            return false;
        const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        if (head)
            memcpy(&fake.passed_fd, CMSG_DATA(head), sizeof(int));
        unread = (struct str){packet, (size_t)length};
    }
}

static inline void fake_send(enum wire_type type, uint32_t run, uint32_t call,
                             struct buf *payload)
{
    struct wire_frame frame = {type, run, call, payload ? buf_view(payload) : STR("N")};
    struct wire_packet_head head;
    struct str part;
    size_t offset = 0;
    bool more;
    do {
        more = wire_packet_cut(&frame, &offset, &head, &part);
        struct iovec pieces[] = {{&head, sizeof head},
                                 {(void *)(uintptr_t)part.at, part.length}};
        struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
        if (sendmsg(WIRE_SOCKET_FD, &message, MSG_NOSIGNAL) < 0)
            _exit(0);
    } while (more);
    if (payload)
        buf_free(payload);
}

static inline struct buf fake_table(void)
{
    struct buf out;
    buf_init(&out, WIRE_FRAME_BYTES_MAX);
    value_begin_table(&out);
    return out;
}

static inline void fake_done(uint32_t run, const char *result, struct str text)
{
    struct buf out = fake_table();
    value_put_string(&out, "result", str_of(result));
    value_put_string(&out, "text", text);
    value_put_number(&out, "cpuUs", 12);
    value_end_table(&out);
    fake_send(WIRE_DONE, run, 0, &out);
}

static inline void fake_finish(uint32_t run, const char *result, struct str text)
{
    fake_done(run, result, text);
    fake_send(WIRE_END, run, 0, NULL);
}

static inline void fake_forward(uint32_t run, uint32_t call, const char *header,
                                enum fake_plan plan)
{
    struct buf out = fake_table();
    value_put_string(&out, "name", STR("forward"));
    value_put_string(&out, "recipient", STR("team@corp.test"));
    value_put_table(&out, "headers");
    value_write_number(&out, 1);
    value_begin_table(&out);
    value_put_string(&out, "name", str_of(header));
    value_put_string(&out, "value", STR("yes"));
    value_end_table(&out);
    value_end_table(&out);
    value_end_table(&out);
    fake.plans[call] = plan;
    fake_send(WIRE_CALL, run, call, &out);
}

static inline void fake_log(uint32_t run, size_t bytes)
{
    struct buf out = fake_table();
    value_put_string(&out, "level", STR("info"));
    char *text = malloc(bytes);
    memset(text, 'x', bytes);
    value_put_string(&out, "text", (struct str){text, bytes});
    free(text);
    value_end_table(&out);
    fake_send(WIRE_LOG, run, 0, &out);
}

static inline _Noreturn void fake_spin(uint32_t run)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    fake.gauge->run_cpu_ns = (uint64_t)used.tv_sec * 1000000000U + (uint64_t)used.tv_nsec;
    fake.gauge->run = run;
    for (volatile unsigned turns = 0;; turns++)
        ;
}

/* A message of 100,000 bytes through the memfd: its size, and whether it is sealed. */
static inline void fake_large(uint32_t run)
{
    struct stat stat;
    char text[64];
    fstat(fake.passed_fd, &stat);
    snprintf(text, sizeof text, "%ld bytes, %s", (long)stat.st_size,
             pwrite(fake.passed_fd, "x", 1, 0) < 0 ? "sealed" : "open");
    close(fake.passed_fd);
    fake_finish(run, "ok", str_of(text));
}

static inline bool fake_is(struct str raw, const char *word)
{
    return str_starts(raw, str_of(word)) &&
           (raw.length == strlen(word) || raw.at[strlen(word)] == ' ');
}

/* What a well-behaved isolate may do. */
static inline bool fake_behave(uint32_t run, struct str raw, const struct value *email)
{
    if (raw.length == 0)
        fake_large(run);
    else if (fake_is(raw, "ok"))
        fake_finish(run, "ok", value_get_string(email, "from", STR("?")));
    else if (fake_is(raw, "reject"))
        fake_finish(run, "rejected", STR("go away"));
    else if (fake_is(raw, "forward"))
        fake_forward(run, 1 + run % 900, "X-Seen", FINISH);
    else if (fake_is(raw, "act-and-wait"))
        fake_forward(run, 1 + run % 900, "X-Seen", WAIT);
    else if (fake_is(raw, "later")) {
        fake_done(run, "ok", STR(""));
        fake_forward(run, 1 + run % 900, "X-Seen", END);
    } else if (fake_is(raw, "log")) {
        for (int i = 0; i < 100; i++)
            fake_log(run, 1000);
        fake_finish(run, "ok", STR(""));
    } else
        return fake_is(raw, "hold") || fake_is(raw, "deaf");
    return true;
}

/* What no isolate should. */
static inline void fake_misbehave(uint32_t run, struct str raw)
{
    static const char garbage[] = "\x41garbage";
    if (fake_is(raw, "spin"))
        fake_spin(run);
    if (fake_is(raw, "spin-unseen"))
        fake_spin(0);
    fake.gauge->run = fake_is(raw, "vanish") ? 0 : run;
    if (fake_is(raw, "crash") || fake_is(raw, "vanish"))
        _exit(1);
    if (fake_is(raw, "garbage"))
        send(WIRE_SOCKET_FD, garbage, sizeof garbage, 0);
    if (fake_is(raw, "stranger"))
        fake_finish(run + 1000, "ok", STR(""));
    if (fake_is(raw, "end-only"))
        fake_send(WIRE_END, run, 0, NULL);
    if (fake_is(raw, "odd-result"))
        fake_done(run, "splendid", STR(""));
    if (fake_is(raw, "bad-header"))
        fake_forward(run, 1, "X-Bad\r\nX-Worse", FINISH);
    if (fake_is(raw, "many"))
        for (uint32_t call = 1; call <= FAKE_MANY; call++)
            fake_forward(run, call, "X-Seen", COUNT);
    if (fake_is(raw, "flood"))
        for (uint32_t call = 0;; call++)
            fake_forward(run, call % 1000, "X-Seen", WAIT);
}

static inline void fake_answer(const struct wire_frame *frame)
{
    const struct value *answer = value_decode(frame->payload, fake.arena);
    bool is_ok = value_get_bool(answer, "ok", false);
    enum fake_plan plan = fake.plans[frame->call % 1000];
    char count[32];
    fake.good_count += is_ok;
    if (plan == FINISH)
        fake_finish(frame->run, "ok",
                    value_get_string(answer, is_ok ? "messageId" : "code", STR("?")));
    if (plan == END)
        fake_send(WIRE_END, frame->run, 0, NULL);
    if (plan == COUNT && ++fake.answer_count == FAKE_MANY) {
        snprintf(count, sizeof count, "%u of %u", fake.good_count, fake.answer_count);
        fake_finish(frame->run, "ok", str_of(count));
    }
}

static inline void fake_email(const struct wire_frame *frame)
{
    const struct value *email = value_decode(frame->payload, fake.arena);
    struct str raw = value_get_string(email, "raw", STR(""));
    if (fake_is(raw, "deaf"))
        fake.is_deaf = true;
    if (!fake_behave(frame->run, raw, email))
        fake_misbehave(frame->run, raw);
}

static inline void fake_load(const struct wire_frame *frame)
{
    const struct value *load = value_decode(frame->payload, fake.arena);
    struct str source = value_get_string(load, "source", STR(""));
    struct buf out;
    buf_init(&out, WIRE_FRAME_BYTES_MAX);
    if (str_equal(source, STR("crash")))
        _exit(1);
    if (str_equal(source, STR("broken"))) {
        value_write_string(&out, STR("test.lua:1: no return\nhint"));
        fake_send(WIRE_BROKEN, 0, 0, &out);
        _exit(0);
    }
    value_begin_table(&out);
    value_put_bool(&out, "email", true);
    value_end_table(&out);
    fake_send(WIRE_READY, 0, 0, &out);
}

static inline int fake_isolate(void)
{
    struct wire_frame frame;
    fake.gauge = mmap(NULL, sizeof *fake.gauge, PROT_READ | PROT_WRITE, MAP_SHARED,
                      WIRE_GAUGE_FD, 0);
    fake.passed_fd = -1;
    wire_inbox_init(&fake.inbox);
    while (fake_receive(&frame)) {
        fake.arena = arena_new();
        if (frame.type == WIRE_LOAD)
            fake_load(&frame);
        else if (frame.type == WIRE_EMAIL)
            fake_email(&frame);
        else if (frame.type == WIRE_ANSWER)
            fake_answer(&frame);
        else if (frame.type == WIRE_CANCEL && !fake.is_deaf)
            fake_send(WIRE_END, frame.run, 0, NULL);
        arena_free(fake.arena);
    }
    _exit(0);
}

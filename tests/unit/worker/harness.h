/* A message through a worker, with actions that write down what they are asked; for tests whose program is
 * its own isolate. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "base/mem.h"
#include "mail/message.h"
#include "worker/worker.h"

struct sending {
    struct worker *worker;
    const char *raw;
    size_t raw_bytes;    /* 0: strlen(raw) */
    uint64_t forward_ms; /* how long a forward takes */
    /* what came of it */
    struct task *task;
    struct worker_outcome outcome;
    size_t forward_count, log_bytes, end_count;
    int result;
    int forward_result; /* of the wait within it */
    char text[256];
};

static inline struct worker_limits test_limits(void)
{
    return (struct worker_limits){.cpu_soft_ms = 100,
                                  .cpu_hard_ms = 200,
                                  .wall_ms = 20000,
                                  .memory_bytes = (uint64_t)64 << 20,
                                  .messages_max = 8,
                                  .actions_max = 32,
                                  .log_bytes_max = 16 * 1024,
                                  .idle_ms = 20000};
}

static inline struct worker *test_worker(const char *source, struct worker_limits limits)
{
    const struct worker_options options = {.name = STR("test"),
                                           .script = STR("test.lua"),
                                           .source = str_of(source),
                                           .limits = limits};
    return worker_new(&options);
}

static inline void on_forward(void *arg, const struct worker_forward *forward,
                              struct arena *arena, struct worker_answer *answer)
{
    struct sending *sending = arg;
    (void)arena;
    assert_int_equal(forward->recipient.length, strlen("team@corp.test"));
    assert_true(forward->header_count == 0 ||
                forward->headers[0].name.length == strlen("X-Seen"));
    sending->forward_count++;
    if (sending->forward_ms)
        sending->forward_result = task_sleep(sending->forward_ms);
    answer->is_ok = true;
    answer->message_id = STR("<sent>");
}

static inline void on_reply(void *arg, const struct worker_reply *reply,
                            struct arena *arena, struct worker_answer *answer)
{
    (void)arg;
    (void)reply;
    (void)arena;
    answer->code = STR("E_NO_REPLY");
}

static inline void on_log(void *arg, struct str level, struct str text)
{
    struct sending *sending = arg;
    (void)level;
    sending->log_bytes += text.length;
}

static inline void on_end(void *arg)
{
    struct sending *sending = arg;
    sending->end_count++;
}

static inline int send_one(void *arg)
{
    struct sending *sending = arg;
    struct message *message = message_new();
    size_t bytes = sending->raw_bytes ? sending->raw_bytes : strlen(sending->raw);
    char *raw = mem_zero(bytes, 1);
    memcpy(raw, sending->raw, strlen(sending->raw));
    message->raw = blob_adopt(raw, bytes);
    message->reverse_path.text = STR("ann@mail.test");
    net_address_parse(STR("192.0.2.1"), 25, &message->client.address);
    const struct worker_email email = {.message = message,
                                       .recipient = {.text = STR("support@example.com")},
                                       .can_be_forwarded = true};
    const struct worker_actions actions = {.arg = sending,
                                           .forward = on_forward,
                                           .reply = on_reply,
                                           .log = on_log,
                                           .end = on_end};
    struct arena *arena = arena_new();
    sending->result =
        worker_run(sending->worker, &email, &actions, arena, &sending->outcome);
    size_t length = sending->outcome.text.length < sizeof sending->text
                        ? sending->outcome.text.length
                        : sizeof sending->text - 1;
    memcpy(sending->text, length ? sending->outcome.text.at : "", length);
    message_release(message);
    arena_free(arena);
    return sending->result;
}

static inline void send_begin(struct sending *sending)
{
    sending->task = task_start("sending", send_one, sending);
}

static inline void send_join(struct sending *sending)
{
    task_join(sending->task);
}

/* Sends one message and waits for its outcome. */
static inline enum worker_result send_and_wait(struct sending *sending)
{
    send_begin(sending);
    send_join(sending);
    assert_int_equal(sending->result, 0);
    return sending->outcome.result;
}

/* The pid of the only isolate, 0: none. */
static inline void see_pid(const struct worker_view *view, void *arg)
{
    *(int *)arg = view->pid;
}

static inline int isolate_pid(void)
{
    int pid = 0;
    worker_each(see_pid, &pid);
    return pid;
}

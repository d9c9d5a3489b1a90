/* Frames from a hostile isolate to the host: whatever comes, each run ends once and nothing leaks. The input is
 * a list of { type, run, call, length (2 bytes, little-endian), payload }. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uv.h>

#include "base/mem.h"
#include "worker/internal.h"

#define RECORD_HEAD_BYTES 5
#define RUN_COUNT         2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    uv_loop_t loop;
    struct worker *worker;
    size_t end_count;
    struct str input;
} fuzz;

static void act(struct str recipient, struct arena *arena, struct worker_answer *answer)
{
    answer->is_ok = recipient.length % 2 == 0;
    answer->message_id = answer->text = arena_str(arena, recipient);
}

static void forward(void *arg, const struct worker_forward *what, struct arena *arena,
                    struct worker_answer *answer)
{
    (void)arg;
    for (size_t i = 0; i < what->set_count; i++)
        invariant(what->set[i].name.length > 0, "fuzz: a header without a name");
    for (size_t i = 0; i < what->remove_count; i++)
        answer->is_permanent |= what->remove[i].length > 0;
    act(what->recipient, arena, answer);
}

static void reply(void *arg, const struct worker_reply *what, struct arena *arena,
                  struct worker_answer *answer)
{
    (void)arg;
    act(what->to, arena, answer);
}

static void take_log(void *arg, struct str level, struct str text)
{
    (void)arg;
    invariant(level.length && text.length <= fuzz.worker->limits.log_bytes_max,
              "fuzz: log over its limit");
}

static void end(void *arg)
{
    (void)arg;
    fuzz.end_count++;
}

static struct isolate_process *isolate_open(int *far)
{
    int fds[2];
    struct isolate_process *isolate = mem_zero(1, sizeof *isolate);
    invariant(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0 &&
                  net_packet_open(fds[0], &isolate->socket) == 0,
              "fuzz: no socket");
    *far = fds[1];
    isolate->worker = fuzz.worker;
    isolate->references = 1;
    isolate->state = ISOLATE_READY;
    isolate->slots = mem_zero(fuzz.worker->limits.messages_max, sizeof(struct run *));
    wire_inbox_init(&isolate->inbox);
    list_init(&isolate->node);
    list_init(&isolate->runs);
    return isolate;
}

static struct run *run_begin(struct isolate_process *isolate,
                             struct worker_outcome *outcome, struct arena *arena)
{
    struct run *run = mem_zero(1, sizeof *run);
    worker_run_begun();
    run->references = 1;
    run->worker = worker_keep(fuzz.worker);
    run->deadline_ms = TASK_FOREVER;
    run->actions = (struct worker_actions){
        .forward = forward, .reply = reply, .log = take_log, .end = end};
    run->outcome = outcome;
    run->arena = arena;
    list_init(&run->calls);
    run_enter(run, isolate);
    return run;
}

/* The next record as a frame; false at the end. */
static bool next_frame(struct wire_frame *frame)
{
    const uint8_t *head = (const uint8_t *)fuzz.input.at;
    if (fuzz.input.length < RECORD_HEAD_BYTES)
        return false;
    size_t length = head[3] | (size_t)head[4] << 8;
    if (length > fuzz.input.length - RECORD_HEAD_BYTES)
        length = fuzz.input.length - RECORD_HEAD_BYTES;
    *frame = (struct wire_frame){(enum wire_type)head[0], head[1], head[2],
                                 str_part(fuzz.input, RECORD_HEAD_BYTES, length)};
    fuzz.input = str_from(fuzz.input, RECORD_HEAD_BYTES + length);
    return true;
}

static int talk(void *arg)
{
    (void)arg;
    int far;
    struct isolate_process *isolate = isolate_open(&far);
    struct arena *arena = arena_new();
    struct worker_outcome outcomes[RUN_COUNT] = {0};
    struct run *runs[RUN_COUNT];
    struct wire_frame frame;
    fuzz.end_count = 0;
    for (int i = 0; i < RUN_COUNT; i++)
        runs[i] = run_begin(isolate, &outcomes[i], arena);
    while (next_frame(&frame) && run_take(isolate, &frame) == 0)
        if (frame.type == WIRE_CALL)
            task_sleep(0);
    isolate_kill(isolate, ISOLATE_VIOLATION, 0);
    list_foreach (node, &isolate->runs)
        run_isolate_died(list_entry(node, struct run, node));
    for (int i = 0; i < RUN_COUNT; i++) {
        runs[i]->outcome = NULL;
        run_release(runs[i]);
    }
    while (fuzz.end_count < RUN_COUNT)
        task_sleep(0);
    isolate_release(isolate);
    arena_free(arena);
    close(far);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!fuzz.worker) {
        const struct worker_options options = {
            .name = STR("fuzz"),
            .limits = {.messages_max = 4, .actions_max = 4, .log_bytes_max = 100}};
        uv_loop_init(&fuzz.loop);
        task_runtime_open(&fuzz.loop);
        fuzz.worker = worker_new(&options);
    }
    fuzz.input = (struct str){(const char *)data, size};
    struct task *task = task_start("fuzz", talk, NULL);
    uv_run(&fuzz.loop, UV_RUN_DEFAULT);
    return task_join(task);
}

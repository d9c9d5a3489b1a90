/* The isolate process: set up, receive the script, enter the sandbox, then serve one frame after the other. */
#include "isolate.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

#include "channel.h"
#include "cpu.h"
#include "internal.h"
#include "lua_state.h"
#include "run.h"
#include "sandbox.h"
#include "script.h"

#include "mail/charset.h"

/* Until the LOAD frame says better. */
static const struct isolate_limits first_limits = {
    .cpu_soft_ns = UINT64_C(100) * 1000 * 1000,
    .cpu_hard_ns = UINT64_C(500) * 1000 * 1000,
    .memory_bytes = (size_t)64 * 1024 * 1024,
    .log_bytes_max = (size_t)16 * 1024,
};

#define CPU_MS_MAX 3600000
#define NS_PER_MS  1000000
#define BYTES_MAX  ((uint64_t)1 << 40)

static void take_limits(struct isolate *isolate)
{
    const struct value *limits = value_get(isolate->load, "limits");
    struct isolate_limits *mine = &isolate->limits;
    mine->cpu_soft_ns = NS_PER_MS * value_get_count(limits, "cpuSoftMs", CPU_MS_MAX,
                                                    mine->cpu_soft_ns / NS_PER_MS);
    mine->cpu_hard_ns = NS_PER_MS * value_get_count(limits, "cpuHardMs", CPU_MS_MAX,
                                                    mine->cpu_hard_ns / NS_PER_MS);
    mine->memory_bytes =
        value_get_count(limits, "memoryBytes", BYTES_MAX, mine->memory_bytes);
    mine->log_bytes_max =
        value_get_count(limits, "logBytesMax", BYTES_MAX, mine->log_bytes_max);
    if (sandbox_limit_memory(mine->memory_bytes) != 0)
        isolate_die(ISOLATE_EXIT_SANDBOX, "the address space cannot be limited");
}

static bool take_load(struct isolate *isolate, const struct wire_frame *frame)
{
    if (isolate->load)
        isolate_die(ISOLATE_EXIT_PROTOCOL, "a second script");
    isolate->load_arena = arena_new();
    isolate->load =
        value_decode(arena_str(isolate->load_arena, frame->payload), isolate->load_arena);
    if (!isolate->load || isolate->load->kind != VALUE_TABLE)
        isolate_die(ISOLATE_EXIT_PROTOCOL, "a payload is malformed");
    take_limits(isolate);
    return script_load(isolate);
}

/* False: the script is broken, there is nothing to serve. */
static bool take_frame(struct isolate *isolate, const struct wire_frame *frame)
{
    if (frame->type != WIRE_LOAD && !isolate->load)
        isolate_die(ISOLATE_EXIT_PROTOCOL, "no script");
    switch (frame->type) {
    case WIRE_LOAD:
        return take_load(isolate, frame);
    case WIRE_EMAIL:
    case WIRE_EVENT:
        isolate_run_start(isolate, frame);
        break;
    case WIRE_ANSWER:
        isolate_run_answer(isolate, frame);
        break;
    case WIRE_CANCEL:
        isolate_run_cancel(isolate, frame->run);
        break;
    default:
        isolate_die(ISOLATE_EXIT_PROTOCOL, "a frame that only isolates send");
    }
    if (isolate->received_fd >= 0)
        isolate_die(ISOLATE_EXIT_PROTOCOL, "unexpected descriptors");
    return true;
}

/* The frame is in hand, nothing of it has been decoded: does its text speak of reading mail? Converters of
 * character sets are files, so it is now or never; they cost a small isolate 0.6 MB and 4 ms. */
static void open_charsets(const struct wire_frame *load)
{
    static const char *const words[] = {"mime", "parse", "attachments"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_find(load->payload, str_of(words[i])) >= 0)
            charset_open_all();
    charset_open_no_more();
}

static void serve(struct isolate *isolate, struct wire_frame *frame)
{
    while (take_frame(isolate, frame)) {
        isolate_run_ready_fibers(isolate);
        if (!channel_receive(isolate, frame))
            return;
    }
    channel_flush();
}

static struct wire_gauge *map_gauge(void)
{
    void *page = mmap(NULL, sizeof(struct wire_gauge), PROT_READ | PROT_WRITE, MAP_SHARED,
                      WIRE_GAUGE_FD, 0);
    close(WIRE_GAUGE_FD);
    if (page == MAP_FAILED)
        isolate_die(ISOLATE_EXIT_SANDBOX, "the gauge cannot be mapped");
    return page;
}

/* Scripts live in UTC, wherever the machine is; and the C library need not look for a time zone. */
static void forget_surroundings(const char *worker_name)
{
    char title[16];
    snprintf(title, sizeof title, "lua:%s", worker_name);
    prctl(PR_SET_NAME, title, 0, 0, 0);
    clearenv();
    setenv("TZ", "UTC0", 1);
    tzset();
}

static void open_isolate(struct isolate *isolate)
{
    *isolate = (struct isolate){.limits = first_limits, .received_fd = -1};
    for (int i = 0; i < WORKER_HANDLER_COUNT; i++)
        isolate->handlers[i] = LUA_NOREF;
    list_init(&isolate->runs);
    list_init(&isolate->ready);
    wire_inbox_init(&isolate->inbox);
    buf_init(&isolate->out, WIRE_FRAME_BYTES_MAX);
    buf_init(&isolate->call, WIRE_FRAME_BYTES_MAX);
    isolate->gauge = map_gauge();
    if (lua_state_open(isolate) != 0)
        isolate_die(ISOLATE_EXIT_LUA, "no memory for a Lua state");
}

int isolate_main(const char *worker_name)
{
    static struct isolate isolate;
    if (sandbox_close_descriptors() != 0)
        isolate_die(ISOLATE_EXIT_SANDBOX, "descriptors cannot be closed");
    forget_surroundings(worker_name);
    open_isolate(&isolate);
    if (cpu_open(&isolate) != 0)
        isolate_die(ISOLATE_EXIT_SANDBOX, "the CPU timer cannot be started");
    struct wire_frame frame;
    if (!channel_receive(&isolate, &frame))
        _exit(0);
    open_charsets(&frame);
    if (sandbox_enter() != 0)
        isolate_die(ISOLATE_EXIT_SANDBOX, "the sandbox cannot be entered");
    serve(&isolate, &frame);
    _exit(0);
}

/* A message's run and its fibers.
 *
 *   EMAIL -> isolate_run_start -> handler fiber is ready
 *   ready -> fiber_resume -> ended | failed | has made a call (CALL is sent) -> ANSWER -> ready
 *   handler ended or failed -> DONE;  no fiber left -> END, run_free
 *
 * The loop, not the Lua stack, decides what a yield means: only a WAIT_MARK that arrives here sends the
 * call that was prepared; one that got stuck on the way (in a string.gsub callback) has never been made. */
#include "run.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lauxlib.h>

#include "bind.h"
#include "channel.h"
#include "convert.h"
#include "cpu.h"
#include "lua_state.h"

#include "base/mem.h"

#define RAW_BYTES_MAX     ((uint64_t)1 << 32)
/* A larger request's memory is given back. */
#define CALL_BYTES_KEPT   WIRE_PACKET_BYTES
#define NOT_ENOUGH_MEMORY STR("not enough memory")

char wait_mark;

/* --- runs --- */

struct run *isolate_run_new(struct isolate *isolate, uint32_t id)
{
    struct run *run = mem_zero(1, sizeof *run);
    run->isolate = isolate;
    run->id = id;
    run->raw_fd = -1;
    run->arena = isolate->spare_arena ? isolate->spare_arena : arena_new();
    isolate->spare_arena = NULL;
    list_init(&run->fibers);
    list_append(&isolate->runs, &run->node);
    return run;
}

static void fiber_free(struct fiber *fiber)
{
    luaL_unref(fiber->run->isolate->lua, LUA_REGISTRYINDEX, fiber->reference);
    list_remove(&fiber->node);
    list_remove(&fiber->ready);
    fiber->run->fiber_count--;
    free(fiber);
}

void isolate_run_free(struct run *run)
{
    list_foreach (node, &run->fibers)
        fiber_free(list_entry(node, struct fiber, node));
    isolate_run_raw_close(run);
    if (run->raw_fd >= 0)
        close(run->raw_fd);
    list_remove(&run->node);
    arena_free(run->isolate->spare_arena);
    run->isolate->spare_arena = run->arena;
    arena_reset(run->arena);
    free(run);
}

static struct run *find_run(struct isolate *isolate, uint32_t id)
{
    list_foreach (node, &isolate->runs) {
        struct run *run = list_entry(node, struct run, node);
        if (run->id == id)
            return run;
    }
    return NULL;
}

static void send_nothing(struct run *run, enum wire_type type)
{
    struct buf *out = &run->isolate->out;
    buf_clear(out);
    value_write_nil(out);
    channel_send(type, run->id, 0, buf_view(out));
}

static void end_run(struct run *run)
{
    if (!run->is_ended)
        send_nothing(run, WIRE_END);
    isolate_run_free(run);
}

struct str isolate_run_shortened(struct str text, size_t bytes_max)
{
    if (text.length <= bytes_max)
        return text;
    text.length = bytes_max;
    while (text.length && ((unsigned char)text.at[text.length] & 0xc0) == 0x80)
        text.length--;
    return text;
}

/* --- DONE --- */

struct outcome {
    const char *result;
    struct str text, traceback; /* empty: left out */
    int smtp_code; /* of the upstream that refused an uncaught forward(); 0: none */
    struct str smtp_enhanced, smtp_text;
};

static void put_upstream_reply(struct buf *out, const struct outcome *outcome)
{
    value_put_table(out, "smtp");
    value_put_number(out, "code", outcome->smtp_code);
    value_put_string(out, "enhanced", outcome->smtp_enhanced);
    value_put_string(out, "text", outcome->smtp_text);
    value_end_table(out);
}

static void send_done(struct run *run, const struct outcome *outcome)
{
    struct buf *out = &run->isolate->out;
    buf_clear(out);
    value_begin_table(out);
    value_put_string(out, "result", str_of(outcome->result));
    if (outcome->text.length)
        value_put_string(out, "text", outcome->text);
    if (outcome->traceback.length)
        value_put_string(out, "traceback", outcome->traceback);
    if (outcome->smtp_code)
        put_upstream_reply(out, outcome);
    value_put_number(out, "cpuUs", (double)cpu_used_ns(run) / 1000);
    if (run->is_ended)
        value_put_bool(out, "ended", true);
    value_end_table(out);
    channel_send(WIRE_DONE, run->id, 0, buf_view(out));
    run->is_done = true;
}

/* Protected: the error on top of the fiber's stack, as text, with its traceback, into the outcome. */
struct description {
    struct fiber *fiber;
    struct outcome *outcome;
};

static struct str keep_text(lua_State *lua, struct run *run, size_t bytes_max)
{
    struct str text;
    text.at = lua_tolstring(lua, -1, &text.length);
    return arena_str(run->arena, isolate_run_shortened(text, bytes_max));
}

static struct str keep_field(lua_State *lua, struct run *run, const char *name)
{
    lua_getfield(lua, -1, name);
    struct str text =
        lua_isstring(lua, -1) ? keep_text(lua, run, RUN_TEXT_BYTES_MAX) : STR("");
    lua_pop(lua, 1);
    return text;
}

/* If the error on top is a forward() that an upstream refused: what it said. */
static void keep_upstream_reply(lua_State *lua, struct run *run, struct outcome *outcome)
{
    if (!lua_istable(lua, -1) || !str_equal(keep_field(lua, run, "call"), STR("forward")))
        return;
    lua_getfield(lua, -1, "smtp");
    if (lua_istable(lua, -1)) {
        lua_getfield(lua, -1, "code");
        outcome->smtp_code = (int)lua_tointeger(lua, -1);
        lua_pop(lua, 1);
        outcome->smtp_enhanced = keep_field(lua, run, "enhanced");
        outcome->smtp_text = keep_field(lua, run, "text");
    }
    lua_pop(lua, 1);
}

static int describe(lua_State *lua)
{
    struct description *description = lua_touserdata(lua, 1);
    struct fiber *fiber = description->fiber;
    lua_xmove(fiber->lua, lua, 1);
    keep_upstream_reply(lua, fiber->run, description->outcome);
    push_error_text(lua, -1);
    description->outcome->text = keep_text(lua, fiber->run, RUN_TEXT_BYTES_MAX);
    luaL_traceback(lua, fiber->lua, NULL, 0);
    description->outcome->traceback = keep_text(lua, fiber->run, RUN_TRACEBACK_BYTES_MAX);
    return 0;
}

static struct outcome outcome_of_error(struct fiber *fiber, int status)
{
    struct outcome outcome = {.result = "exception"};
    lua_State *lua = fiber->run->isolate->lua;
    if (lua_state_call(fiber->run->isolate, describe,
                       &(struct description){fiber, &outcome}) != 0) {
        lua_pop(lua, 1);
        if (!outcome.text.length)
            outcome.text = STR("the error could not be described");
    }
    if (fiber->run->is_cpu_exceeded)
        outcome.result = "exceededCpu";
    else if (status == LUA_ERRMEM || str_ends_nocase(outcome.text, NOT_ENOUGH_MEMORY))
        outcome.result = "exceededMemory";
    return outcome;
}

static struct outcome outcome_of_return(const struct run *run)
{
    if (run->is_cpu_exceeded)
        return (struct outcome){.result = "exceededCpu", .text = STR("CPU limit exceeded")};
    if (run->is_rejected)
        return (struct outcome){.result = "rejected", .text = run->reason};
    return (struct outcome){.result = "ok"};
}

/* --- fibers --- */

void isolate_fiber_start(struct run *run, lua_State *lua, int argument_count,
                         bool is_handler)
{
    lua_State *coroutine = lua_newthread(lua);
    lua_insert(lua, -(argument_count + 2));
    lua_xmove(lua, coroutine, argument_count + 1);
    int reference = luaL_ref(lua, LUA_REGISTRYINDEX);
    struct fiber *fiber = mem_zero(1, sizeof *fiber);
    *fiber = (struct fiber){
        .run = run,
        .lua = coroutine,
        .reference = reference,
        .argument_count = argument_count,
        .is_handler = is_handler,
    };
    list_append(&run->fibers, &fiber->node);
    run->fiber_count++;
    list_append(&run->isolate->ready, &fiber->ready);
}

static void send_call(struct fiber *fiber)
{
    struct run *run = fiber->run;
    fiber->call = ++run->last_call;
    channel_send(WIRE_CALL, run->id, fiber->call, buf_view(&run->isolate->call));
    run->isolate->has_call = false;
    if (run->isolate->call.capacity > CALL_BYTES_KEPT)
        buf_free(&run->isolate->call);
}

static bool is_waiting(const struct fiber *fiber)
{
    return fiber->run->isolate->has_call && lua_gettop(fiber->lua) > 0 &&
           lua_touserdata(fiber->lua, 1) == WAIT_MARK;
}

/* A script has called coroutine.yield() outside a coroutine of its own. */
static void stray_yield(struct fiber *fiber)
{
    lua_settop(fiber->lua, 0);
    lua_pushliteral(fiber->lua, "attempt to yield from outside a coroutine");
}

/* The fiber has returned (status 0) or failed. */
static void end_fiber(struct fiber *fiber, int status)
{
    struct run *run = fiber->run;
    struct outcome outcome =
        status == 0 ? outcome_of_return(run) : outcome_of_error(fiber, status);
    if (fiber->is_handler) {
        run->is_ended = run->fibers.next == run->fibers.prev; /* the only one */
        send_done(run, &outcome);
    } else if (status != 0) {
        isolate_run_log(run, STR("error"), outcome.text);
    }
    fiber_free(fiber);
}

static void fiber_resume(struct fiber *fiber)
{
    struct run *run = fiber->run; /* NOLINT(clang-analyzer-unix.Malloc): see below */
    struct isolate *isolate = run->isolate;
    list_remove(&fiber->ready);
    isolate->has_call = false;
    isolate->fiber = fiber;
    cpu_enter(run);
    int status = lua_resume(fiber->lua, fiber->argument_count);
    if (status == LUA_YIELD && is_waiting(fiber)) {
        lua_settop(fiber->lua, 0);
        send_call(fiber);
    } else {
        if (status == LUA_YIELD)
            stray_yield(fiber);
        end_fiber(fiber, status);
        lua_state_collect_if_short(isolate);
    }
    cpu_leave(run);
    if (list_empty(&run->fibers))
        end_run(run);
}

void isolate_run_ready_fibers(struct isolate *isolate)
{
    while (!list_empty(&isolate->ready)) {
        /* clang-analyzer does not see that list_remove has changed isolate->ready. */
        fiber_resume(list_entry(isolate->ready.next, struct fiber, ready));
    }
}

/* --- the host's frames --- */

/* Protected: handler(message, env, ctx). */
static int start_handler(lua_State *lua)
{
    struct run *run = lua_touserdata(lua, 1);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, run->isolate->handler);
    bind_object_push(lua, "message", run);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, run->isolate->environment);
    bind_object_push(lua, "ctx", run);
    isolate_fiber_start(run, lua, 3, true);
    return 0;
}

static const struct value *decode_or_die(struct run *run, struct str payload)
{
    const struct value *value = value_decode(arena_str(run->arena, payload), run->arena);
    if (!value || value->kind != VALUE_TABLE)
        isolate_die(ISOLATE_EXIT_PROTOCOL, "a payload is malformed");
    return value;
}

/* Takes over the memfd and looks whether it holds what was announced. */
static void take_raw(struct run *run)
{
    run->raw_bytes =
        (size_t)value_get_count(run->email, "rawSize", RAW_BYTES_MAX, SIZE_MAX);
    run->raw_fd = run->isolate->received_fd;
    run->isolate->received_fd = -1;
    const struct value *raw = value_get(run->email, "raw");
    size_t length = SIZE_MAX - 1;
    if (raw && raw->kind == VALUE_STRING && run->raw_fd < 0)
        length = raw->string.length;
    else if (!raw && run->raw_fd >= 0)
        length = (size_t)lseek(run->raw_fd, 0, SEEK_END);
    if (length != run->raw_bytes)
        isolate_die(ISOLATE_EXIT_PROTOCOL, "a message is not as long as announced");
}

void isolate_run_start(struct isolate *isolate, const struct wire_frame *email)
{
    if (email->run == 0 || email->run == WIRE_RUN_LOAD || find_run(isolate, email->run))
        isolate_die(ISOLATE_EXIT_PROTOCOL, "a run's number is not free");
    struct run *run = isolate_run_new(isolate, email->run);
    run->email = decode_or_die(run, email->payload);
    take_raw(run);
    if (lua_state_call(isolate, start_handler, run) != 0) {
        lua_pop(isolate->lua, 1);
        send_done(run,
                  &(struct outcome){.result = "exceededMemory", .text = NOT_ENOUGH_MEMORY});
        end_run(run);
    }
}

/* Protected: true or false, and the answer, onto the fiber's stack. */
struct delivery {
    struct fiber *fiber;
    const struct value *answer;
};

static int push_answer(lua_State *lua)
{
    const struct delivery *delivery = lua_touserdata(lua, 1);
    lua_pushboolean(lua, value_get_bool(delivery->answer, "ok", false));
    push_value(lua, delivery->answer);
    lua_pushnil(lua);
    lua_setfield(lua, -2, "ok");
    lua_xmove(lua, delivery->fiber->lua, 2);
    return 0;
}

static struct fiber *find_waiting(const struct run *run, uint32_t call)
{
    list_foreach (node, &run->fibers) {
        struct fiber *fiber = list_entry(node, struct fiber, node);
        if (call && fiber->call == call)
            return fiber;
    }
    return NULL;
}

void isolate_run_answer(struct isolate *isolate, const struct wire_frame *answer)
{
    struct run *run = find_run(isolate, answer->run);
    struct fiber *fiber = run ? find_waiting(run, answer->call) : NULL;
    if (!fiber)
        return;
    fiber->call = 0;
    struct delivery delivery = {fiber, decode_or_die(run, answer->payload)};
    if (lua_state_call(isolate, push_answer, &delivery) == 0) {
        fiber->argument_count = 2;
        list_append(&isolate->ready, &fiber->ready);
        return;
    }
    /* The error, which is that memory is short, becomes the fiber's. */
    lua_xmove(isolate->lua, fiber->lua, 1);
    end_fiber(fiber, LUA_ERRMEM);
    if (list_empty(&run->fibers))
        end_run(run);
}

void isolate_run_cancel(struct isolate *isolate, uint32_t run_id)
{
    struct run *run = find_run(isolate, run_id);
    if (run)
        end_run(run);
}

/* --- the message's bytes --- */

struct str isolate_run_raw_open(struct run *run, lua_State *lua)
{
    if (run->raw_fd < 0)
        return value_get_string(run->email, "raw", (struct str){0});
    if (!run->mapping) {
        void *mapping = mmap(NULL, run->raw_bytes, PROT_READ, MAP_SHARED, run->raw_fd, 0);
        if (mapping == MAP_FAILED)
            luaL_error(lua, "not enough memory");
        run->mapping = mapping;
    }
    return (struct str){run->mapping, run->raw_bytes};
}

void isolate_run_raw_close(struct run *run)
{
    if (run->mapping)
        munmap(run->mapping, run->raw_bytes);
    run->mapping = NULL;
}

/* A mapped message is mapped for a short time only: its header section is copied. */
const struct header *isolate_run_header(struct run *run, lua_State *lua)
{
    if (run->header)
        return run->header;
    struct str raw = isolate_run_raw_open(run, lua);
    run->header = arena_new_of(run->arena, struct header);
    header_parse(raw, run->arena, run->header);
    if (run->mapping) {
        struct str section = str_part(raw, 0, run->header->body_offset);
        header_parse(arena_str(run->arena, section), run->arena, run->header);
        isolate_run_raw_close(run);
    }
    return run->header;
}

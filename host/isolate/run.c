/* The run of a message, or of another event, and its fibers.
 *
 *   EMAIL, EVENT -> isolate_run_start -> handler fiber is ready
 *   ready -> fiber_resume -> ended | failed | has made a call (CALL is sent) -> ANSWER -> ready
 *   handler ended or failed -> DONE;  no fiber left -> END, run_free
 *
 * The loop, not the Lua stack, decides what a yield means: only a WAIT_MARK that arrives here sends the
 * call that was prepared; one that got stuck on the way (in a string.gsub callback) has never been made. */
#include "run.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

#include "bind.h"
#include "channel.h"
#include "convert.h"
#include "cpu.h"
#include "lua_state.h"
#include "run_done.h"

#include "base/mem.h"

/* A larger request's memory is given back. */
#define CALL_BYTES_KEPT WIRE_PACKET_BYTES

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
    struct run_outcome outcome;
    if (status != 0)
        outcome = run_outcome_of_error(fiber, status);
    else if (fiber->is_handler && run->event)
        outcome = run_outcome_of_event(fiber);
    else
        outcome = run_outcome_of_return(run);
    if (fiber->is_handler) {
        run->is_ended = run->fibers.next == run->fibers.prev; /* the only one */
        run_done_send(run, &outcome);
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

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t isolate_run_remaining_ms(const struct run *run)
{
    uint64_t now_ms = monotonic_ms();
    return run->ends_ms > now_ms ? run->ends_ms - now_ms : 0;
}

/* Protected: handler(message, env, ctx). */
static int start_email(lua_State *lua)
{
    struct run *run = lua_touserdata(lua, 1);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, run->isolate->handlers[WORKER_EMAIL]);
    bind_object_push(lua, "message", run);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, run->isolate->environment);
    bind_object_push(lua, "ctx", run);
    isolate_fiber_start(run, lua, 3, true);
    return 0;
}

/* Which handler the event is for, if the script has it. */
static enum worker_handler event_handler(const struct run *run)
{
    struct str name = value_get_string(run->event, "handler", STR(""));
    for (int i = WORKER_EMAIL + 1; i < WORKER_HANDLER_COUNT; i++)
        if (run->isolate->handlers[i] != LUA_NOREF &&
            str_equal(name, str_of(worker_handler_name((enum worker_handler)i))))
            return (enum worker_handler)i;
    isolate_die(ISOLATE_EXIT_PROTOCOL, "an event for no handler");
}

/* Protected: events.scheduled(handler, event, env, ctx). */
static int start_event(lua_State *lua)
{
    struct run *run = lua_touserdata(lua, 1);
    enum worker_handler handler = event_handler(run);
    const struct value *event = value_get(run->event, "event");
    lua_getfield(lua, LUA_REGISTRYINDEX, BIND_EVENTS);
    lua_getfield(lua, -1, worker_handler_name(handler));
    lua_rawgeti(lua, LUA_REGISTRYINDEX, run->isolate->handlers[handler]);
    if (event)
        push_value(lua, event);
    else
        lua_pushnil(lua);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, run->isolate->environment);
    bind_object_push(lua, "ctx", run);
    isolate_fiber_start(run, lua, 4, true);
    return 0;
}

static const struct value *decode_or_die(struct run *run, struct str payload)
{
    const struct value *value = value_decode(arena_str(run->arena, payload), run->arena);
    if (!value || value->kind != VALUE_TABLE)
        isolate_die(ISOLATE_EXIT_PROTOCOL, "a payload is malformed");
    return value;
}

void isolate_run_start(struct isolate *isolate, const struct wire_frame *frame)
{
    if (frame->run == 0 || frame->run == WIRE_RUN_LOAD || find_run(isolate, frame->run))
        isolate_die(ISOLATE_EXIT_PROTOCOL, "a run's number is not free");
    struct run *run = isolate_run_new(isolate, frame->run);
    const struct value *payload = decode_or_die(run, frame->payload);
    run->ends_ms = monotonic_ms() + value_get_count(payload, "remainingMs", UINT32_MAX, 0);
    if (frame->type == WIRE_EMAIL) {
        run->email = payload;
        isolate_run_take_raw(run);
    } else {
        run->event = payload;
    }
    if (lua_state_call(isolate, run->email ? start_email : start_event, run) != 0) {
        lua_pop(isolate->lua, 1);
        const struct run_outcome outcome = {.result = "exceededMemory",
                                            .text = RUN_NOT_ENOUGH_MEMORY};
        run_done_send(run, &outcome);
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

/* What has become of a run, and how the host is told. */
#include "run_done.h"

#include <lauxlib.h>

#include "channel.h"
#include "convert.h"
#include "cpu.h"
#include "lua_state.h"
#include "run.h"

static void put_upstream_reply(struct buf *out, const struct run_outcome *outcome)
{
    value_put_table(out, "smtp");
    value_put_number(out, "code", outcome->smtp_code);
    value_put_string(out, "enhanced", outcome->smtp_enhanced);
    value_put_string(out, "text", outcome->smtp_text);
    value_end_table(out);
}

void run_done_send(struct run *run, const struct run_outcome *outcome)
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
    if (outcome->value.length) {
        value_write_string(out, STR("value"));
        buf_append(out, outcome->value);
    }
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
    struct run_outcome *outcome;
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
static void keep_upstream_reply(lua_State *lua, struct run *run,
                                struct run_outcome *outcome)
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

struct run_outcome run_outcome_of_error(struct fiber *fiber, int status)
{
    struct run_outcome outcome = {.result = "exception"};
    lua_State *lua = fiber->run->isolate->lua;
    if (lua_state_call(fiber->run->isolate, describe,
                       &(struct description){fiber, &outcome}) != 0) {
        lua_pop(lua, 1);
        if (!outcome.text.length)
            outcome.text = STR("the error could not be described");
    }
    bool has_no_memory =
        status == LUA_ERRMEM || str_ends_nocase(outcome.text, RUN_NOT_ENOUGH_MEMORY);
    if (fiber->run->is_cpu_exceeded && has_no_memory)
        outcome.text = STR("CPU limit exceeded, with all memory in use");
    if (fiber->run->is_cpu_exceeded)
        outcome.result = "exceededCpu";
    else if (has_no_memory)
        outcome.result = "exceededMemory";
    return outcome;
}

struct run_outcome run_outcome_of_return(const struct run *run)
{
    if (run->is_cpu_exceeded)
        return (struct run_outcome){.result = "exceededCpu",
                                    .text = STR("CPU limit exceeded")};
    if (run->is_rejected)
        return (struct run_outcome){.result = "rejected", .text = run->reason};
    return (struct run_outcome){.result = "ok"};
}

/* Protected: what the handler of an event has returned, encoded into isolate->call. */
static int encode_result(lua_State *lua)
{
    struct fiber *fiber = lua_touserdata(lua, 1);
    struct buf *out = &fiber->run->isolate->call;
    buf_clear(out);
    lua_xmove(fiber->lua, lua, 1);
    write_value(lua, lua_gettop(lua), out, "the handler's result");
    return 0;
}

struct run_outcome run_outcome_of_event(struct fiber *fiber)
{
    struct isolate *isolate = fiber->run->isolate;
    struct run_outcome outcome = run_outcome_of_return(fiber->run);
    if (lua_gettop(fiber->lua) == 0 || fiber->run->is_cpu_exceeded)
        return outcome;
    lua_settop(fiber->lua, 1);
    int status = lua_state_call(isolate, encode_result, fiber);
    if (status == 0) {
        outcome.value = buf_view(&isolate->call);
        return outcome;
    }
    lua_xmove(isolate->lua, fiber->lua, 1);
    return run_outcome_of_error(fiber, status);
}

/* The worker's script: compiled, run once under the CPU limit of one message, and asked for its handlers.
 * What is wrong is said as the script's author needs it: file, line, what, and what to write instead. */
#include "script.h"

#include <lauxlib.h>

#include "bind.h"
#include "channel.h"
#include "convert.h"
#include "cpu.h"
#include "lua_state.h"
#include "run.h"

static const char hint[] =
    "end the script with: return { email = function(message, env, ctx) ... end }";

static void push_environment(lua_State *lua, const struct isolate *isolate)
{
    const struct value *variables = value_get(isolate->load, "env");
    if (variables && variables->kind == VALUE_TABLE)
        push_value(lua, variables);
    else
        lua_newtable(lua);
    bind_bindings_make(lua);
    bind_env_push(lua);
}

/* The names of the functions in the table on top, for "did you mean". */
static void push_function_names(lua_State *lua)
{
    int table = lua_gettop(lua), count = 0;
    lua_pushliteral(lua, "");
    lua_pushnil(lua);
    while (lua_next(lua, table)) {
        if (lua_isfunction(lua, -1) && lua_type(lua, -2) == LUA_TSTRING) {
            lua_pushfstring(lua, "%s%s%s", lua_tostring(lua, table + 1),
                            count++ ? ", " : "", lua_tostring(lua, -2));
            lua_replace(lua, table + 1);
        }
        lua_pop(lua, 1);
    }
}

/* Of the table on top; a field of that name that is no function is a mistake. */
static bool take_handler(lua_State *lua, struct isolate *isolate,
                         enum worker_handler handler, const char *script)
{
    const char *name = worker_handler_name(handler);
    lua_pushstring(lua, name);
    lua_rawget(lua, -2);
    if (!lua_isnil(lua, -1) && !lua_isfunction(lua, -1))
        luaL_error(lua, "%s:1: the script's '%s' is a %s, not a function; %s", script, name,
                   luaL_typename(lua, -1), hint);
    bool is_there = lua_isfunction(lua, -1);
    if (is_there)
        isolate->handlers[handler] = luaL_ref(lua, LUA_REGISTRYINDEX);
    else
        lua_pop(lua, 1);
    return is_there;
}

/* The script's result is on top: keeps its handlers, one at least. */
static void take_handlers(lua_State *lua, struct isolate *isolate, const char *script)
{
    if (!lua_istable(lua, -1))
        luaL_error(lua, "%s:1: the script returns %s, not a table of handlers; %s", script,
                   lua_isnil(lua, -1) ? "nothing" : luaL_typename(lua, -1), hint);
    int count = 0;
    for (int i = 0; i < WORKER_HANDLER_COUNT; i++)
        count += take_handler(lua, isolate, (enum worker_handler)i, script);
    if (count)
        return;
    push_function_names(lua);
    const char *names = lua_tostring(lua, -1);
    luaL_error(lua,
               "%s:1: the script returns no function 'email', 'scheduled', 'queue' or"
               " 'fetch'%s%s; %s",
               script, *names ? ", but " : "", names, hint);
}

static int load(lua_State *lua)
{
    struct isolate *isolate = lua_touserdata(lua, 1);
    struct str source = value_get_string(isolate->load, "source", (struct str){0});
    struct str name = value_get_string(isolate->load, "script", STR("script.lua"));
    push_str(lua, name);
    const char *script = lua_tostring(lua, -1);
    push_environment(lua, isolate);
    isolate->environment = luaL_ref(lua, LUA_REGISTRYINDEX);
    const char *chunk_name = lua_pushfstring(lua, "@%s", script);
    if (luaL_loadbufferx(lua, source.at ? source.at : "", source.length, chunk_name, "t") !=
        0)
        return lua_error(lua);
    lua_call(lua, 0, 1);
    take_handlers(lua, isolate, script);
    return 0;
}

struct loading {
    struct isolate *isolate;
    struct run *run;
    struct str problem; /* in the run's arena; empty: none */
};

/* Protected. */
static int load_or_say_why(lua_State *lua)
{
    struct loading *loading = lua_touserdata(lua, 1);
    loading->problem = STR("the error could not be described");
    lua_pushcfunction(lua, load);
    lua_pushlightuserdata(lua, loading->isolate);
    if (lua_pcall(lua, 1, 0, 0) == 0) {
        loading->problem = STR("");
        return 0;
    }
    struct str text;
    push_error_text(lua, -1);
    text.at = lua_tolstring(lua, -1, &text.length);
    text = isolate_run_shortened(text, RUN_TEXT_BYTES_MAX);
    loading->problem = arena_str(loading->run->arena, text);
    return 0;
}

static void send_ready(struct isolate *isolate)
{
    buf_clear(&isolate->out);
    value_begin_table(&isolate->out);
    for (int i = 0; i < WORKER_HANDLER_COUNT; i++)
        if (isolate->handlers[i] != LUA_NOREF)
            value_put_bool(&isolate->out, worker_handler_name((enum worker_handler)i),
                           true);
    value_end_table(&isolate->out);
    channel_send(WIRE_READY, 0, 0, buf_view(&isolate->out));
}

static void send_broken(struct isolate *isolate, struct str problem)
{
    buf_clear(&isolate->out);
    value_write_string(&isolate->out, problem);
    channel_send(WIRE_BROKEN, 0, 0, buf_view(&isolate->out));
}

bool script_load(struct isolate *isolate)
{
    struct run *run = isolate_run_new(isolate, WIRE_RUN_LOAD);
    struct loading loading = {.isolate = isolate, .run = run};
    cpu_enter(run);
    if (lua_state_call(isolate, load_or_say_why, &loading) != 0)
        lua_pop(isolate->lua, 1);
    bool is_ready = loading.problem.length == 0;
    if (is_ready)
        send_ready(isolate);
    else
        send_broken(isolate, loading.problem);
    cpu_leave(run);
    isolate_run_free(run);
    return is_ready;
}

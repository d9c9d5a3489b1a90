/* `ctx`: what a handler may leave running; and `env`: the worker's variables. */
#include "bind.h"
#include "convert.h"
#include "run.h"

/* Of one run at a time, the handler's included. */
#define FIBERS_MAX 64

/* ctx:waitUntil(fn): runs fn as a further coroutine of the run; the sender does not wait for it. */
static int wait_until(lua_State *lua)
{
    struct run *run = bind_object_check(lua, "ctx", "waitUntil");
    lua_settop(lua, 2);
    if (!lua_isfunction(lua, 2))
        return raise_error(lua,
                           "ctx:waitUntil: expected a function, got %s; write"
                           " ctx:waitUntil(function() ... end)",
                           luaL_typename(lua, 2));
    if (run->fiber_count == FIBERS_MAX)
        return raise_error(lua, "ctx:waitUntil: more than %d functions", FIBERS_MAX - 1);
    isolate_fiber_start(run, lua, 0, false);
    return 0;
}

/* ctx.remaining_ms(): of the wall time of this run. */
static int remaining_ms(lua_State *lua)
{
    const struct run *run = isolate_of(lua)->run;
    lua_pushnumber(lua, (lua_Number)isolate_run_remaining_ms(run));
    return 1;
}

const luaL_Reg context_methods[] = {
    {"waitUntil", wait_until},
    {"remaining_ms", remaining_ms},
    {NULL, NULL},
};

static const struct bind_field no_fields[] = {{NULL, NULL}};

void bind_context_open(lua_State *lua)
{
    bind_object_open(lua, "ctx", context_methods, no_fields);
    lua_pop(lua, 1);
}

static int refuse_change(lua_State *lua)
{
    return raise_error(lua, "env is read-only; variables are set in host.yaml");
}

void bind_env_push(lua_State *lua)
{
    lua_newtable(lua);
    lua_newtable(lua);
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, refuse_change);
    lua_setfield(lua, -2, "__newindex");
    lua_pushliteral(lua, "env");
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
    lua_remove(lua, -2);
}

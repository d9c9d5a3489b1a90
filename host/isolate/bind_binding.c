/* Bindings: the objects in `env` are made by bindings.lua; all their methods make the one call that is here. The host
 * knows which bindings the worker has, whatever is asked for. */
#include "bind.h"
#include "convert.h"
#include "embedded.h"

#define MAKER                                                                              \
    "postern.bindings" /* in the registry: bindings.lua's function that makes an object */

/* native.wait_binding(name, method, arguments) */
static int wait_binding(lua_State *lua)
{
    lua_settop(lua, 3);
    struct str name = check_string(lua, 1, "the binding"),
               method = check_string(lua, 2, "the method");
    const char *what = lua_pushfstring(lua, "env.%s:%s", name.at, method.at);
    struct buf *out = bind_call_begin(lua, "binding");
    bind_call_must_fit(lua, value_put_string(out, "binding", name));
    bind_call_must_fit(lua, value_put_string(out, "method", method));
    bind_call_must_fit(lua, value_write_string(out, STR("arguments")));
    write_value(lua, 3, out, what);
    return bind_call_wait(lua);
}

/* native.encode_value(value, what): as the bytes that the wire has for it. `what` begins the error for what is no value. */
static int encode_value(lua_State *lua)
{
    struct isolate *isolate = isolate_of(lua);
    const char *what = luaL_checkstring(lua, 2);
    isolate->has_call = false;
    buf_clear(&isolate->call);
    write_value(lua, 1, &isolate->call, what);
    push_str(lua, buf_view(&isolate->call));
    return 1;
}

/* native.decode_value(bytes): nil when they are none. */
static int decode_value(lua_State *lua)
{
    struct run *run = isolate_of(lua)->run;
    struct str bytes = check_string(lua, 1, "the bytes");
    const struct value *value = value_decode(bytes, run->arena);
    if (value)
        push_value(lua, value);
    else
        lua_pushnil(lua);
    return 1;
}

/* What a part of the prelude returns, kept in the registry. Upvalue: the natives, its argument. */
static int load_part(lua_State *lua, const char *part, const char *chunk_name,
                     const char *registry_name)
{
    struct str source = embedded_find(part);
    if (luaL_loadbufferx(lua, source.at, source.length, chunk_name, "t") != 0)
        return lua_error(lua);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_call(lua, 1, 1);
    lua_setfield(lua, LUA_REGISTRYINDEX, registry_name);
    return 0;
}

/* native.load_bindings() */
static int load_bindings(lua_State *lua)
{
    return load_part(lua, "isolate/bindings", "=[bindings]", MAKER);
}

/* native.load_events() */
static int load_events(lua_State *lua)
{
    return load_part(lua, "isolate/events", "=[events]", BIND_EVENTS);
}

/* In the place of the description on top, whose name is below it. */
static void make_one(lua_State *lua, int table)
{
    lua_getfield(lua, LUA_REGISTRYINDEX, MAKER);
    lua_pushvalue(lua, -3);
    lua_getfield(lua, -3, "kind");
    lua_call(lua, 2, 1);
    lua_pushvalue(lua, -3);
    lua_insert(lua, -2);
    lua_rawset(lua, table);
}

void bind_bindings_make(lua_State *lua)
{
    int table = lua_gettop(lua);
    lua_pushnil(lua);
    while (lua_next(lua, table)) {
        if (lua_istable(lua, -1))
            make_one(lua, table);
        lua_pop(lua, 1);
    }
}

void bind_binding_open(lua_State *lua)
{
    lua_pushcfunction(lua, wait_binding);
    lua_setfield(lua, -2, "wait_binding");
    lua_pushcfunction(lua, encode_value);
    lua_setfield(lua, -2, "encode_value");
    lua_pushcfunction(lua, decode_value);
    lua_setfield(lua, -2, "decode_value");
    lua_pushvalue(lua, -1);
    lua_pushcclosure(lua, load_bindings, 1);
    lua_setfield(lua, -2, "load_bindings");
    lua_pushvalue(lua, -1);
    lua_pushcclosure(lua, load_events, 1);
    lua_setfield(lua, -2, "load_events");
}

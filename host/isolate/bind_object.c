/* Objects of a run: userdata whose environment table keeps the properties that were asked for. */
#include <string.h>

#include "bind.h"
#include "convert.h"

void bind_open(lua_State *lua)
{
    bind_message_open(lua);
    bind_headers_open(lua);
    bind_calls_open(lua);
    bind_context_open(lua);
    bind_log_open(lua);
    bind_load_open(lua);
    bind_binding_open(lua);
    bind_json_open(lua);
    bind_re_open(lua);
    bind_encoding_open(lua);
    bind_crypto_open(lua);
    bind_address_open(lua);
    bind_mime_open(lua);
}

static void push_metatable(lua_State *lua, const char *name)
{
    lua_pushfstring(lua, "postern.%s", name);
    lua_rawget(lua, LUA_REGISTRYINDEX);
}

void bind_object_push(lua_State *lua, const char *name, const struct run *run)
{
    uint32_t *id = lua_newuserdata(lua, sizeof *id);
    *id = run->id;
    lua_newtable(lua);
    lua_setfenv(lua, -2);
    push_metatable(lua, name);
    lua_setmetatable(lua, -2);
}

static bool is_object(lua_State *lua, const char *name)
{
    if (lua_type(lua, 1) != LUA_TUSERDATA || !lua_getmetatable(lua, 1))
        return false;
    push_metatable(lua, name);
    bool is_same = lua_rawequal(lua, -1, -2);
    lua_pop(lua, 2);
    return is_same;
}

struct run *bind_object_check(lua_State *lua, const char *name, const char *call)
{
    if (!is_object(lua, name))
        raise_error(lua, "call it with a colon, as in %s:%s(...)", name, call);
    const uint32_t *id = lua_touserdata(lua, 1);
    struct run *run = isolate_of(lua)->run;
    if (!run || run->id != *id)
        raise_error(lua, "this is the %s of another handler, which alone can use it", name);
    return run;
}

/* Upvalues: methods, fields (light userdata), name of the kind. */
static int object_index(lua_State *lua)
{
    lua_settop(lua, 2);
    lua_pushvalue(lua, 2);
    lua_rawget(lua, lua_upvalueindex(1));
    if (!lua_isnil(lua, -1))
        return 1;
    struct run *run = bind_object_check(lua, lua_tostring(lua, lua_upvalueindex(3)), "get");
    lua_getfenv(lua, 1);
    lua_pushvalue(lua, 2);
    lua_rawget(lua, -2);
    if (!lua_isnil(lua, -1) || lua_type(lua, 2) != LUA_TSTRING)
        return 1;
    lua_pop(lua, 1);
    const struct bind_field *field = lua_touserdata(lua, lua_upvalueindex(2));
    while (field->name && strcmp(field->name, lua_tostring(lua, 2)) != 0)
        field++;
    if (!field->name)
        return 0;
    field->push(lua, run);
    lua_pushvalue(lua, 2);
    lua_pushvalue(lua, -2);
    lua_rawset(lua, 4); /* where the environment table is */
    return 1;
}

/* Upvalue: name of the kind. */
static int object_newindex(lua_State *lua)
{
    return raise_error(lua, "%s is read-only; keep your own values in a local variable",
                       lua_tostring(lua, lua_upvalueindex(1)));
}

static int object_tostring(lua_State *lua)
{
    lua_pushvalue(lua, lua_upvalueindex(1));
    return 1;
}

static void set_with_name(lua_State *lua, const char *key, const char *name,
                          lua_CFunction function)
{
    lua_pushstring(lua, name);
    lua_pushcclosure(lua, function, 1);
    lua_setfield(lua, -2, key);
}

void bind_object_open(lua_State *lua, const char *name, const luaL_Reg methods[],
                      const struct bind_field fields[])
{
    lua_newtable(lua);
    luaL_register(lua, NULL, methods);
    lua_pushfstring(lua, "postern.%s", name);
    lua_newtable(lua);
    lua_pushvalue(lua, -3);
    lua_pushlightuserdata(lua, (void *)(uintptr_t)fields);
    lua_pushstring(lua, name);
    lua_pushcclosure(lua, object_index, 3);
    lua_setfield(lua, -2, "__index");
    set_with_name(lua, "__newindex", name, object_newindex);
    set_with_name(lua, "__tostring", name, object_tostring);
    lua_pushstring(lua, name);
    lua_setfield(lua, -2, "__metatable");
    lua_rawset(lua, LUA_REGISTRYINDEX);
}

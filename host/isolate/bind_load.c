/* Loading text, and what else the prelude asks of C. Bytecode is never loaded: it is memory-unsafe. */
#include <time.h>

#include "bind.h"
#include "convert.h"
#include "embedded.h"
#include "run.h"

/* native.load_text(text, name[, environment]): a function, or nil and what is wrong. That memory is short is no fault of
 * the text: a script that loads in a loop is to end there. */
static int load_text(lua_State *lua)
{
    struct str text = check_string(lua, 1, "load: the chunk");
    struct str name = check_string(lua, 2, "load: the chunk's name");
    bool has_environment = lua_gettop(lua) >= 3;
    if (has_environment && !lua_istable(lua, 3))
        return raise_error(lua, "load: the environment must be a table, got %s",
                           luaL_typename(lua, 3));
    int status = luaL_loadbufferx(lua, text.at, text.length, name.at, "t");
    if (status == LUA_ERRMEM)
        return lua_error(lua);
    if (status != 0) {
        lua_pushnil(lua);
        lua_insert(lua, -2);
        return 2;
    }
    if (has_environment) {
        lua_pushvalue(lua, 3);
        lua_setfenv(lua, -2);
    }
    return 1;
}

/* Pushes the name that messages show: "@lib/tickets.lua" for lib.tickets. */
static const char *push_module_chunk_name(lua_State *lua, struct str module)
{
    luaL_Buffer name;
    luaL_buffinit(lua, &name);
    luaL_addchar(&name, '@');
    for (size_t i = 0; i < module.length; i++)
        luaL_addchar(&name, module.at[i] == '.' ? '/' : module.at[i]);
    luaL_addstring(&name, ".lua");
    luaL_pushresult(&name);
    return lua_tostring(lua, -1);
}

static void load_or_raise(lua_State *lua, struct str source, const char *name)
{
    if (luaL_loadbufferx(lua, source.at, source.length, name, "t") != 0)
        lua_error(lua);
}

/* native.load_module(name): the module's function and what it gets beside its name: the natives for one
 * of the stdlib, which comes first; nothing for the script's own. */
static int load_module(lua_State *lua)
{
    struct isolate *isolate = isolate_of(lua);
    struct str name = check_string(lua, 1, "require: the module's name");
    const char *chunk_name = lua_pushfstring(lua, "=stdlib/%s", name.at);
    struct str source = embedded_find(chunk_name + 1);
    if (source.at) {
        load_or_raise(lua, source, chunk_name);
        lua_pushvalue(lua, lua_upvalueindex(1));
        return 2;
    }
    const struct value *modules = value_get(isolate->load, "modules");
    source = value_get_string(modules, name.at, (struct str){0});
    if (!source.at)
        return raise_error(lua,
                           "require: there is no module '%s', neither in the standard"
                           " library nor beside the script",
                           name.at);
    load_or_raise(lua, source, push_module_chunk_name(lua, name));
    return 1;
}

/* native.place(): "support.lua:12" */
static int place(lua_State *lua)
{
    push_place(lua, lua);
    return 1;
}

/* native.raise(text): an error at that place */
static int raise_text(lua_State *lua)
{
    return raise_error(lua, "%s", lua_tostring(lua, 1));
}

/* native.error_at(function, text): an error where the function begins */
static int error_at(lua_State *lua)
{
    lua_Debug place;
    lua_pushvalue(lua, 1);
    lua_getinfo(lua, ">S", &place);
    lua_pushfstring(lua, "%s:%d: %s", place.short_src, place.linedefined,
                    lua_tostring(lua, 2));
    return lua_error(lua);
}

/* native.count(): KiB in use, as collectgarbage("count") */
static int count(lua_State *lua)
{
    lua_pushnumber(lua, (lua_Number)isolate_of(lua)->lua_bytes / 1024.0);
    return 1;
}

/* coroutine.running(): the script's own coroutine, or nil in the handler itself, whose coroutine is the
 * loop's and is not to be resumed by others. */
static int running(lua_State *lua)
{
    const struct isolate *isolate = isolate_of(lua);
    if ((isolate->fiber && isolate->fiber->lua == lua) || isolate->lua == lua)
        lua_pushnil(lua);
    else
        lua_pushthread(lua);
    return 1;
}

/* native.now(): seconds since 1970, with their fraction */
static int now(lua_State *lua)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    lua_pushnumber(lua, (lua_Number)time.tv_sec + (lua_Number)time.tv_nsec / 1e9);
    return 1;
}

void bind_load_open(lua_State *lua)
{
    static const luaL_Reg natives[] = {
        {"load_text", load_text},
        {"place", place},
        {"raise", raise_text},
        {"error_at", error_at},
        {"count", count},
        {"running", running},
        {"now", now},
        {NULL, NULL},
    };
    luaL_register(lua, NULL, natives);
    lua_pushvalue(lua, -1);
    lua_pushcclosure(lua, load_module, 1);
    lua_setfield(lua, -2, "load_module");
}

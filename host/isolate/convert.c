/* Values of the wire to Lua, and errors to text. */
#include "convert.h"

#include <stdarg.h>

#include <lauxlib.h>

void push_str(lua_State *lua, struct str s)
{
    lua_pushlstring(lua, s.at ? s.at : "", s.length);
}

static void push_table(lua_State *lua, const struct value *table)
{
    luaL_checkstack(lua, 3, "a value is nested too deeply");
    lua_createtable(lua, 0, (int)table->count);
    for (size_t i = 0; i < table->count; i++) {
        push_value(lua, &table->keys[i]);
        push_value(lua, &table->items[i]);
        lua_rawset(lua, -3);
    }
}

void push_value(lua_State *lua, const struct value *value)
{
    switch (value->kind) {
    case VALUE_NIL:
        lua_pushnil(lua);
        break;
    case VALUE_BOOL:
        lua_pushboolean(lua, value->boolean);
        break;
    case VALUE_NUMBER:
        lua_pushnumber(lua, value->number);
        break;
    case VALUE_STRING:
        push_str(lua, value->string);
        break;
    case VALUE_TABLE:
        push_table(lua, value);
        break;
    }
}

/* Scripts and their modules are loaded as "@file"; all else as "=name". */
void push_place(lua_State *lua, lua_State *executing)
{
    lua_Debug frame;
    for (int level = 0; lua_getstack(executing, level, &frame); level++) {
        lua_getinfo(executing, "Sl", &frame);
        if (frame.source[0] == '@' && frame.currentline > 0) {
            lua_pushfstring(lua, "%s:%d", frame.short_src, frame.currentline);
            return;
        }
    }
    lua_pushliteral(lua, "");
}

int raise_error(lua_State *lua, const char *format, ...)
{
    va_list args;
    luaL_checkstack(lua, 4, "no room for an error");
    push_place(lua, lua);
    lua_pushstring(lua, *lua_tostring(lua, -1) ? ": " : "");
    va_start(args, format);
    lua_pushvfstring(lua, format, args);
    va_end(args);
    lua_concat(lua, 3);
    return lua_error(lua);
}

void push_error_text(lua_State *lua, int index)
{
    if (lua_type(lua, index) == LUA_TSTRING || lua_type(lua, index) == LUA_TNUMBER) {
        lua_pushvalue(lua, index);
        lua_tostring(lua, -1);
        return;
    }
    if (luaL_callmeta(lua, index, "__tostring")) {
        if (lua_isstring(lua, -1))
            return;
        lua_pop(lua, 1);
    }
    lua_pushfstring(lua, "the error is not a string but a %s value",
                    luaL_typename(lua, index));
}

struct str check_string(lua_State *lua, int index, const char *what)
{
    if (lua_type(lua, index) != LUA_TSTRING)
        raise_error(lua, "%s must be a string, got %s", what, luaL_typename(lua, index));
    struct str s;
    s.at = lua_tolstring(lua, index, &s.length);
    return s;
}

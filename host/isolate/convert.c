/* Values of the wire to Lua and back, and errors to text. */
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

/* --- Lua to the wire --- */

/* As the request around it has some tables, and some values, of its own. */
#define DEPTH_MAX  (WIRE_DEPTH_MAX - 4)
#define VALUES_MAX (WIRE_VALUES_MAX - 16)

struct writing {
    struct buf *out;
    const char *what;
    int depth, count;
};

static void write_one(lua_State *lua, int index, struct writing *writing);

/* The table at `index`; what has failed is told at the end of each value. */
static int write_table(lua_State *lua, int index, struct writing *writing)
{
    luaL_checkstack(lua, 4, "a value is nested too deeply");
    if (++writing->depth > DEPTH_MAX)
        raise_error(lua, "%s: tables are nested more than %d deep, or in a circle",
                    writing->what, DEPTH_MAX);
    int failed = value_begin_table(writing->out);
    lua_pushnil(lua);
    while (lua_next(lua, index)) {
        if (lua_type(lua, -2) != LUA_TSTRING && lua_type(lua, -2) != LUA_TNUMBER)
            raise_error(lua, "%s: a table's keys must be strings or numbers, got a %s",
                        writing->what, luaL_typename(lua, -2));
        write_one(lua, lua_gettop(lua) - 1, writing);
        write_one(lua, lua_gettop(lua), writing);
        lua_pop(lua, 1);
    }
    writing->depth--;
    return failed | value_end_table(writing->out);
}

static int write_plain(lua_State *lua, int index, const struct writing *writing)
{
    struct str string;
    switch (lua_type(lua, index)) {
    case LUA_TNIL:
        return value_write_nil(writing->out);
    case LUA_TBOOLEAN:
        return value_write_bool(writing->out, lua_toboolean(lua, index));
    case LUA_TNUMBER:
        return value_write_number(writing->out, lua_tonumber(lua, index));
    case LUA_TSTRING:
        string.at = lua_tolstring(lua, index, &string.length);
        return value_write_string(writing->out, string);
    default:
        return raise_error(lua, "%s: a %s cannot be handed over", writing->what,
                           luaL_typename(lua, index));
    }
}

static void write_one(lua_State *lua, int index, struct writing *writing)
{
    if (++writing->count > VALUES_MAX)
        raise_error(lua, "%s: more than %d values", writing->what, VALUES_MAX);
    int failed = lua_istable(lua, index) ? write_table(lua, index, writing)
                                         : write_plain(lua, index, writing);
    if (failed)
        raise_error(lua, "%s: larger than %d MiB", writing->what,
                    (int)(WIRE_FRAME_BYTES_MAX >> 20));
}

void write_value(lua_State *lua, int index, struct buf *out, const char *what)
{
    write_one(lua, index, &(struct writing){.out = out, .what = what});
}

/* --- places and errors --- */

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

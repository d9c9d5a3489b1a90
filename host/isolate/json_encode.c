/* Lua to JSON (RFC 8259). A table is a list when it has json.array's metatable or keys 1 to n and no others, and an
 * object when all its keys are strings; the empty table is an object. Names are in order, so that the same value is
 * the same text. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "bind.h"
#include "json.h"
#include "text.h"

#include "mail/utf8.h"

#define INTEGER_MAX 9007199254740992.0 /* 2^53 */

struct writer {
    lua_State *lua;
    struct text out;
    unsigned depth;
    bool is_pretty;
    const char *problem;
};

/* Always false. */
static bool fail(struct writer *writer, const char *problem)
{
    if (!writer->problem)
        writer->problem = problem;
    return false;
}

static bool write_value(struct writer *writer);

/* --- strings and numbers --- */

static void write_control(struct text *out, unsigned char c)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    const char *meaning = strchr(meanings, c);
    char escape[8];
    int length = c && meaning
                     ? snprintf(escape, sizeof escape, "\\%c", letters[meaning - meanings])
                     : snprintf(escape, sizeof escape, "\\u%04x", c);
    text_add(out, (struct str){escape, (size_t)length});
}

static bool write_string(struct writer *writer, struct str string)
{
    if (!utf8_is_valid(string))
        return fail(writer, "a string is not UTF-8");
    size_t start = 0;
    text_add_byte(&writer->out, '"');
    for (size_t i = 0; i < string.length; i++) {
        unsigned char c = (unsigned char)string.at[i];
        if (c >= ' ' && c != '"' && c != '\\' && c != 0x7f)
            continue;
        text_add(&writer->out, str_part(string, start, i - start));
        start = i + 1;
        if (c == '"' || c == '\\') {
            text_add_byte(&writer->out, '\\');
            text_add_byte(&writer->out, (char)c);
        } else {
            write_control(&writer->out, c);
        }
    }
    text_add(&writer->out, str_from(string, start));
    text_add_byte(&writer->out, '"');
    return true;
}

static struct str string_at(lua_State *lua, int index)
{
    struct str string;
    string.at = lua_tolstring(lua, index, &string.length);
    return string;
}

/* The shortest that reads back as the same number. */
static bool write_number(struct writer *writer, double number)
{
    char digits[40];
    if (isnan(number) || isinf(number))
        return fail(writer, "a number is infinite or none at all (0/0)");
    int length;
    if (number == floor(number) && fabs(number) <= INTEGER_MAX) {
        length = snprintf(digits, sizeof digits, "%.0f", number + 0.0);
    } else {
        length = snprintf(digits, sizeof digits, "%.15g", number);
        if (strtod(digits, NULL) != number)
            length = snprintf(digits, sizeof digits, "%.17g", number);
    }
    text_add(&writer->out, (struct str){digits, (size_t)length});
    return true;
}

/* --- tables: on top of the stack, and left there --- */

static void write_break(struct writer *writer)
{
    if (!writer->is_pretty)
        return;
    text_add_byte(&writer->out, '\n');
    for (unsigned i = 0; i < writer->depth; i++)
        text_add(&writer->out, STR("  "));
}

static bool enter(struct writer *writer, char bracket)
{
    luaL_checkstack(writer->lua, 8, "json: no room");
    if (++writer->depth > JSON_DEPTH_MAX)
        return fail(writer, "nested too deeply, or a table is within itself");
    text_add_byte(&writer->out, bracket);
    return true;
}

static void leave(struct writer *writer, char bracket, size_t count)
{
    writer->depth--;
    if (count)
        write_break(writer);
    text_add_byte(&writer->out, bracket);
}

static bool write_array(struct writer *writer, size_t count)
{
    if (!enter(writer, '['))
        return false;
    for (size_t i = 1; i <= count; i++) {
        if (i > 1)
            text_add_byte(&writer->out, ',');
        write_break(writer);
        lua_rawgeti(writer->lua, -1, (int)i);
        if (!write_value(writer))
            return false;
        lua_pop(writer->lua, 1);
    }
    leave(writer, ']', count);
    return true;
}

/* Pushes the list of the table's keys, in order. */
static void push_keys(lua_State *lua, size_t count)
{
    lua_createtable(lua, (int)count, 0);
    lua_pushnil(lua);
    for (int i = 1; lua_next(lua, -3); i++) {
        lua_pop(lua, 1);
        lua_pushvalue(lua, -1);
        lua_rawseti(lua, -3, i);
    }
    lua_pushvalue(lua, JSON_SORT);
    lua_pushvalue(lua, -2);
    lua_call(lua, 1, 0);
}

static bool write_object(struct writer *writer, size_t count)
{
    lua_State *lua = writer->lua;
    if (!enter(writer, '{'))
        return false;
    push_keys(lua, count);
    for (size_t i = 1; i <= count; i++) {
        if (i > 1)
            text_add_byte(&writer->out, ',');
        write_break(writer);
        lua_rawgeti(lua, -1, (int)i);
        if (!write_string(writer, string_at(lua, -1)))
            return false;
        text_add(&writer->out, writer->is_pretty ? STR(": ") : STR(":"));
        lua_rawget(lua, -3);
        if (!write_value(writer))
            return false;
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    leave(writer, '}', count);
    return true;
}

static bool is_marked_array(lua_State *lua)
{
    if (!lua_getmetatable(lua, -1))
        return false;
    bool is_marked = lua_rawequal(lua, -1, JSON_ARRAY);
    lua_pop(lua, 1);
    return is_marked;
}

/* False unless the keys are all strings or all numbers, which must then be 1 to n. */
static bool count_keys(struct writer *writer, size_t *names, size_t *numbers)
{
    lua_State *lua = writer->lua;
    luaL_checkstack(lua, 4, "json: no room");
    lua_pushnil(lua);
    while (lua_next(lua, -2)) {
        lua_pop(lua, 1);
        int type = lua_type(lua, -1);
        if (type != LUA_TSTRING && type != LUA_TNUMBER)
            return fail(writer, "a table has a key that is neither a string nor a number");
        ++*(type == LUA_TSTRING ? names : numbers);
    }
    if (*names && *numbers)
        return fail(writer, "a table has both names and numbers as keys");
    if (*numbers) {
        for (size_t i = 1; i <= *numbers; i++) {
            lua_rawgeti(lua, -1, (int)i);
            bool is_hole = lua_isnil(lua, -1);
            lua_pop(lua, 1);
            if (is_hole)
                return fail(writer, "a list has holes; json.null can fill them");
        }
    }
    return true;
}

static bool write_table(struct writer *writer)
{
    size_t names = 0, numbers = 0;
    if (!count_keys(writer, &names, &numbers))
        return false;
    if (!is_marked_array(writer->lua))
        return numbers ? write_array(writer, numbers) : write_object(writer, names);
    if (names)
        return fail(writer, "a json.array has names as keys");
    return write_array(writer, numbers);
}

/* The value on top of the stack, which is left there. */
static bool write_value(struct writer *writer)
{
    lua_State *lua = writer->lua;
    switch (lua_type(lua, -1)) {
    case LUA_TNIL:
        text_add(&writer->out, STR("null"));
        return true;
    case LUA_TBOOLEAN:
        text_add(&writer->out, lua_toboolean(lua, -1) ? STR("true") : STR("false"));
        return true;
    case LUA_TNUMBER:
        return write_number(writer, lua_tonumber(lua, -1));
    case LUA_TSTRING:
        return write_string(writer, string_at(lua, -1));
    case LUA_TTABLE:
        return write_table(writer);
    default:
        if (!lua_rawequal(lua, -1, JSON_NULL))
            return fail(writer, lua_isfunction(lua, -1)
                                    ? "a function cannot be encoded"
                                    : "a userdata or coroutine cannot be encoded");
        text_add(&writer->out, STR("null"));
        return true;
    }
}

int json_encode(lua_State *lua)
{
    struct writer writer = {.lua = lua, .is_pretty = lua_toboolean(lua, 2)};
    lua_settop(lua, 2);
    text_begin(&writer.out, lua);
    lua_pushvalue(lua, 1);
    if (write_value(&writer)) {
        text_push(&writer.out);
        return 1;
    }
    lua_pushnil(lua);
    lua_pushstring(lua, writer.problem);
    return 2;
}

/* `message.headers`: the header fields as received; names compare without case, values are unfolded. */
#include "bind.h"
#include "convert.h"
#include "run.h"

static const struct header *check_header(lua_State *lua, const char *call)
{
    return isolate_run_header(bind_object_check(lua, "headers", call), lua);
}

static struct str check_name(lua_State *lua)
{
    return check_string(lua, 2, "message.headers: the field's name");
}

/* The unfolded value, without a copy in C: blanks stay, line ends go. */
static void push_unfolded(lua_State *lua, const struct header_field *field)
{
    struct str rest = str_trim(field->value);
    luaL_Buffer unfolded;
    luaL_buffinit(lua, &unfolded);
    while (rest.length) {
        struct str line = str_cut(&rest, '\n');
        if (line.length && line.at[line.length - 1] == '\r')
            line.length--;
        luaL_addlstring(&unfolded, line.at, line.length);
    }
    luaL_pushresult(&unfolded);
}

/* headers:get(name): the value, several joined by ", " as the Headers of the web do; nil if none. */
static int get(lua_State *lua)
{
    const struct header *header = check_header(lua, "get");
    struct str name = check_name(lua);
    const struct header_field *field;
    luaL_Buffer all;
    int count = 0;
    luaL_buffinit(lua, &all);
    for (size_t i = 0; (field = header_next(header, name, &i));) {
        if (count++)
            luaL_addstring(&all, ", ");
        push_unfolded(lua, field);
        luaL_addvalue(&all);
    }
    luaL_pushresult(&all);
    if (!count)
        lua_pushnil(lua);
    return 1;
}

/* headers:getAll(name): a list of the values, empty if none. */
static int get_all(lua_State *lua)
{
    const struct header *header = check_header(lua, "getAll");
    struct str name = check_name(lua);
    const struct header_field *field;
    int count = 0;
    lua_newtable(lua);
    for (size_t i = 0; (field = header_next(header, name, &i));) {
        push_unfolded(lua, field);
        lua_rawseti(lua, -2, ++count);
    }
    return 1;
}

static int has(lua_State *lua)
{
    const struct header *header = check_header(lua, "has");
    size_t i = 0;
    lua_pushboolean(lua, header_next(header, check_name(lua), &i) != NULL);
    return 1;
}

/* The iterator: (headers) -> name, value. Upvalue: index of the next field. */
static int next_field(lua_State *lua)
{
    const struct header *header = check_header(lua, "each");
    size_t i = (size_t)lua_tonumber(lua, lua_upvalueindex(1));
    if (i >= header->count)
        return 0;
    lua_pushnumber(lua, (lua_Number)(i + 1));
    lua_replace(lua, lua_upvalueindex(1));
    push_str(lua, header->fields[i].name);
    push_unfolded(lua, &header->fields[i]);
    return 2;
}

/* for name, value in message.headers:each() do: every field, in order, names as written. */
static int each(lua_State *lua)
{
    check_header(lua, "each");
    lua_pushnumber(lua, 0);
    lua_pushcclosure(lua, next_field, 1);
    lua_pushvalue(lua, 1);
    return 2;
}

const luaL_Reg headers_methods[] = {
    {"get", get}, {"getAll", get_all}, {"has", has}, {"each", each}, {NULL, NULL},
};

static const struct bind_field no_fields[] = {{NULL, NULL}};

void bind_headers_open(lua_State *lua)
{
    bind_object_open(lua, "headers", headers_methods, no_fields);
    lua_pop(lua, 1);
}

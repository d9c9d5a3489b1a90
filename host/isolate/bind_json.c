/* What the module json stands on: the two directions, null, and the metatable of lists. */
#include "bind.h"
#include "json.h"

static int null_tostring(lua_State *lua)
{
    lua_pushliteral(lua, "json.null");
    return 1;
}

/* Equal to itself only, and true in conditions. */
static void push_null(lua_State *lua)
{
    lua_newuserdata(lua, 1);
    lua_newtable(lua);
    lua_pushcfunction(lua, null_tostring);
    lua_setfield(lua, -2, "__tostring");
    lua_pushliteral(lua, "json.null");
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
}

static void set_with_upvalues(lua_State *lua, const char *name, lua_CFunction function)
{
    for (int i = 0; i < 3; i++)
        lua_pushvalue(lua, -3);
    lua_pushcclosure(lua, function, 3);
    lua_setfield(lua, -5, name);
}

void bind_json_open(lua_State *lua)
{
    push_null(lua);
    lua_newtable(lua);
    lua_getfield(lua, LUA_GLOBALSINDEX, "table");
    lua_getfield(lua, -1, "sort");
    lua_remove(lua, -2);
    set_with_upvalues(lua, "json_decode", json_decode);
    set_with_upvalues(lua, "json_encode", json_encode);
    lua_pop(lua, 1);
    lua_setfield(lua, -3, "json_array");
    lua_setfield(lua, -2, "json_null");
}

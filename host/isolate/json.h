/* What both directions of JSON share (RFC 8259): the module json stands on it. */
#pragma once

#include <lua.h>

/* Lists and objects within each other. */
#define JSON_DEPTH_MAX 100

/* Upvalues of both functions. */
#define JSON_NULL  lua_upvalueindex(1) /* what stands for null in tables */
#define JSON_ARRAY lua_upvalueindex(2) /* the metatable of lists */
#define JSON_SORT  lua_upvalueindex(3) /* table.sort */

/* native.json_decode(text): the value; or nil, what is wrong, and at which byte. */
int json_decode(lua_State *lua);
/* native.json_encode(value, is_pretty): the text; or nil and what is wrong. */
int json_encode(lua_State *lua);

/* A Lua state as scripts have it, without process and sandbox, for fuzz targets of what it is given. */
#pragma once

#include <stdlib.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "isolate/lua_state.h"

#define FUZZ_HEAP_BYTES ((size_t)64 * 1024 * 1024)

/* LuaJIT keeps tags in its pointers, so that its heap looks leaked. What is outside of it belongs to userdata. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

/* Opened once; the chunk's function stays on the stack. */
static inline lua_State *fuzz_state(const char *chunk)
{
    static struct isolate isolate;
    isolate = (struct isolate){.limits.memory_bytes = FUZZ_HEAP_BYTES};
    list_init(&isolate.runs);
    list_init(&isolate.ready);
    invariant(lua_state_open(&isolate) == 0 && luaL_dostring(isolate.lua, chunk) == 0,
              "fuzz: no Lua state");
    return isolate.lua;
}

/* Calls the function at 1 with the strings on top; what it raises must be a text. */
static inline void fuzz_call(lua_State *lua, int count)
{
    lua_pushvalue(lua, 1);
    lua_insert(lua, -(count + 1));
    if (lua_pcall(lua, count, 0, 0) != 0)
        invariant(lua_isstring(lua, -1), "fuzz: an error without a text");
    lua_settop(lua, 1);
}

/* Calls the function at 1 with the bytes; it raises when what it checks does not hold. */
static inline void fuzz_check(lua_State *lua, const uint8_t *data, size_t size)
{
    lua_pushvalue(lua, 1);
    lua_pushlstring(lua, (const char *)data, size);
    invariant(lua_pcall(lua, 1, 0, 0) == 0, lua_tostring(lua, -1));
    lua_settop(lua, 1);
}

/* The isolate's Lua state: an allocator with a cap, and only what the list below allows. LuaJIT has no
 * emergency collection when an allocation fails; so that garbage alone never meets the cap, a collection
 * is done in one go once it is due, and is due early when much of the cap is used. */
#include "lua_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>

#include "bind.h"
#include "channel.h"
#include "convert.h"
#include "embedded.h"

#define GC_PAUSE_USUAL                                                                     \
    250 /* per cent of the live heap, at which the next collection is due */
#define GC_PAUSE_TIGHT 125
/* A quarter of the cap: up to there the usual pause cannot reach the cap. */
#define TIGHT_SHARE    4
/* For the objects of the loop, and an error with its traceback. */
#define RESERVE_BYTES  ((size_t)128 * 1024)

/* What a script finds, by table; all else of LuaJIT's libraries is removed. What the prelude and the
 * bindings add (print, load, require, log …) comes after. */
static const struct {
    const char *table, *names;
} allowed[] = {
    {"_G", " _G _VERSION assert bit coroutine error getmetatable ipairs math next os pairs "
           "pcall rawequal"
           " rawget rawset select setmetatable string table tonumber tostring type unpack "
           "xpcall "},
    {"bit", " arshift band bnot bor bswap bxor lshift rol ror rshift tobit tohex "},
    {"coroutine", " create resume running status wrap yield "},
    {"math", " abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp "
             "log log10 max"
             " min modf pi pow rad random randomseed sin sinh sqrt tan tanh "},
    {"os", " clock date difftime time "},
    {"string", " byte char find format gmatch gsub len lower match rep reverse sub upper "},
    {"table", " concat insert maxn move remove sort "},
};

struct isolate *isolate_of(lua_State *lua)
{
    void *isolate;
    lua_getallocf(lua, &isolate);
    return isolate;
}

/* Only stores a number in the state: safe at any time, within a collection too. */
static void adapt_pause(struct isolate *isolate)
{
    bool is_tight = isolate->lua_bytes > isolate->limits.memory_bytes / TIGHT_SHARE;
    if (!isolate->lua || is_tight == isolate->is_collecting_often)
        return;
    isolate->is_collecting_often = is_tight;
    lua_gc(isolate->lua, LUA_GCSETPAUSE, is_tight ? GC_PAUSE_TIGHT : GC_PAUSE_USUAL);
}

static void *allocate(void *arg, void *old, size_t old_bytes, size_t bytes)
{
    struct isolate *isolate = arg;
    size_t used = isolate->lua_bytes - old_bytes + bytes;
    if (bytes == 0) {
        free(old);
        isolate->lua_bytes = used;
        return NULL;
    }
    if (bytes > old_bytes && used > isolate->limits.memory_bytes + isolate->reserve_bytes)
        return NULL;
    void *memory = realloc(old, bytes);
    if (memory) {
        isolate->lua_bytes = used;
        adapt_pause(isolate);
    }
    return memory;
}

static int panic(lua_State *lua)
{
    const char *text = lua_tostring(lua, -1);
    isolate_die(ISOLATE_EXIT_LUA, text ? text : "an error outside all protection");
}

static void open_library(lua_State *lua, lua_CFunction open, const char *name)
{
    lua_pushcfunction(lua, open);
    lua_pushstring(lua, name);
    lua_call(lua, 1, 0);
}

static bool is_listed(const char *names, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = strstr(names, name); at; at = strstr(at + 1, name)) {
        if (at[-1] == ' ' && at[length] == ' ')
            return true;
    }
    return false;
}

/* Pops the table. */
static void remove_unlisted(lua_State *lua, const char *names)
{
    lua_pushnil(lua);
    while (lua_next(lua, -2)) {
        lua_pop(lua, 1);
        if (lua_type(lua, -1) == LUA_TSTRING && is_listed(names, lua_tostring(lua, -1)))
            continue;
        lua_pushvalue(lua, -1);
        lua_pushnil(lua);
        lua_rawset(lua, -4);
    }
    lua_pop(lua, 1);
}

static void open_libraries(lua_State *lua)
{
    open_library(lua, luaopen_base, "");
    open_library(lua, luaopen_table, LUA_TABLIBNAME);
    open_library(lua, luaopen_string, LUA_STRLIBNAME);
    open_library(lua, luaopen_math, LUA_MATHLIBNAME);
    open_library(lua, luaopen_bit, LUA_BITLIBNAME);
    open_library(lua, luaopen_os, LUA_OSLIBNAME);
    open_library(lua, luaopen_jit, LUA_JITLIBNAME); /* switches the JIT on */
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        lua_getfield(lua, LUA_GLOBALSINDEX, allowed[i].table);
        remove_unlisted(lua, allowed[i].names);
    }
}

/* math.random() starts somewhere else in every process. */
static void seed_random(lua_State *lua)
{
    uint32_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        luaL_error(lua, "no random numbers");
    lua_getfield(lua, LUA_GLOBALSINDEX, "math");
    lua_getfield(lua, -1, "randomseed");
    lua_pushnumber(lua, seed);
    lua_call(lua, 1, 0);
    lua_pop(lua, 1);
}

static void run_prelude(lua_State *lua)
{
    struct str source = embedded_find("isolate/prelude");
    if (luaL_loadbufferx(lua, source.at, source.length, "=[postern]", "t") != 0)
        lua_error(lua);
    lua_newtable(lua); /* the natives: what only the prelude and the stdlib may call */
    bind_open(lua);
    lua_call(lua, 1, 0);
}

/* The registry's list of free references comes into being with the first one that is freed: here, not when
 * memory is short and nothing protects. */
static void make_reference_list(lua_State *lua)
{
    lua_pushboolean(lua, 1);
    luaL_unref(lua, LUA_REGISTRYINDEX, luaL_ref(lua, LUA_REGISTRYINDEX));
}

static int open_protected(lua_State *lua)
{
    lua_gc(lua, LUA_GCSTOP, 0);
    open_libraries(lua);
    make_reference_list(lua);
    seed_random(lua);
    run_prelude(lua);
    lua_gc(lua, LUA_GCRESTART, 0);
    lua_gc(lua, LUA_GCSETPAUSE, GC_PAUSE_USUAL);
    lua_gc(lua, LUA_GCSETSTEPMUL, 0); /* a collection runs to its end */
    return 0;
}

int lua_state_open(struct isolate *isolate)
{
    lua_State *lua = lua_newstate(allocate, isolate);
    if (!lua)
        return -ENOMEM;
    isolate->lua = lua;
    lua_atpanic(lua, panic);
    if (lua_cpcall(lua, open_protected, NULL) != 0)
        panic(lua);
    return 0;
}

int lua_state_call(struct isolate *isolate, lua_CFunction function, void *arg)
{
    isolate->reserve_bytes = RESERVE_BYTES;
    int status = lua_cpcall(isolate->lua, function, arg);
    isolate->reserve_bytes = 0;
    return status;
}

static int collect(lua_State *lua)
{
    lua_gc(lua, LUA_GCCOLLECT, 0);
    return 0;
}

void lua_state_collect_if_short(struct isolate *isolate)
{
    if (isolate->lua_bytes > isolate->limits.memory_bytes / 4 * 3 &&
        lua_state_call(isolate, collect, NULL) != 0)
        lua_pop(isolate->lua, 1);
}

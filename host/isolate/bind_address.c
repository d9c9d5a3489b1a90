/* Addresses, domains, encoded words and the clock: what the modules address, url and time share with the rest
 * of Postern. What the arena holds is the isolate's and forgotten when the next such call begins. */
#include <time.h>

#include "bind.h"
#include "convert.h"
#include "text.h"

#include "base/arena.h"
#include "mail/decode.h"
#include "mail/domain.h"
#include "mail/encode.h"
#include "mail/mailbox.h"
#include "mail/utf8.h"

/* As a header field's value at most; of what is decoded and encoded here. */
#define WORDS_BYTES_MAX ((size_t)64 * 1024)

#define ARENA_KIND "postern.address.arena"

static int free_arena(lua_State *lua)
{
    arena_free(*(struct arena **)lua_touserdata(lua, 1));
    return 0;
}

/* The arena is the first upvalue. */
static struct arena *scratch_arena(lua_State *lua)
{
    struct arena *arena = *(struct arena **)lua_touserdata(lua, lua_upvalueindex(1));
    arena_reset(arena);
    return arena;
}

static struct str check_text(lua_State *lua)
{
    struct str text;
    text.at = luaL_checklstring(lua, 1, &text.length);
    return text;
}

/* native.mailbox(text): its local part, its domain in normal form, both as SMTP says them, the domain for people; nil
 * when it is none. */
static int mailbox(lua_State *lua)
{
    struct arena *arena = scratch_arena(lua);
    struct mailbox parsed;
    if (mailbox_parse(check_text(lua), arena, &parsed) != 0 || parsed.is_null)
        return 0;
    push_str(lua, parsed.local);
    push_str(lua, parsed.domain);
    push_str(lua, mailbox_ascii_text(&parsed, arena));
    return 3;
}

/* native.domain_to_ascii(text): in normal form, or nil */
static int to_ascii(lua_State *lua)
{
    struct str normal;
    if (domain_normalize(check_text(lua), scratch_arena(lua), &normal) != 0)
        return 0;
    push_str(lua, normal);
    return 1;
}

/* native.domain_to_unicode(normal) */
static int to_unicode(lua_State *lua)
{
    push_str(lua, domain_to_unicode(check_text(lua), scratch_arena(lua)));
    return 1;
}

/* native.decode_words(text): encoded words as UTF-8; a text that is too long as it stands */
static int words_to_text(lua_State *lua)
{
    struct str text = check_text(lua);
    if (text.length <= WORDS_BYTES_MAX)
        text = decode_words(text, scratch_arena(lua));
    push_str(lua, text);
    return 1;
}

/* native.encode_words(text): UTF-8 as encoded words */
static int text_to_words(lua_State *lua)
{
    struct str text = check_text(lua);
    struct buf out;
    buf_init(&out, 8 * WORDS_BYTES_MAX);
    bool is_done = text.length <= WORDS_BYTES_MAX && encode_words(text, &out) == 0;
    struct str words = arena_str(scratch_arena(lua), buf_view(&out));
    buf_free(&out);
    if (!is_done)
        return 0;
    push_str(lua, words);
    return 1;
}

/* native.is_utf8(text) */
static int is_utf8(lua_State *lua)
{
    lua_pushboolean(lua, utf8_is_valid(check_text(lua)));
    return 1;
}

/* native.now(): seconds since 1970 with their fraction */
static int now(lua_State *lua)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    lua_pushnumber(lua, (lua_Number)time.tv_sec + (lua_Number)(time.tv_nsec / 1000) / 1e6);
    return 1;
}

static void push_scratch(lua_State *lua)
{
    struct arena **arena = lua_newuserdata(lua, sizeof(struct arena *));
    *arena = arena_new();
    luaL_newmetatable(lua, ARENA_KIND);
    lua_pushcfunction(lua, free_arena);
    lua_setfield(lua, -2, "__gc");
    lua_setmetatable(lua, -2);
}

void bind_address_open(lua_State *lua)
{
    static const luaL_Reg natives[] = {
        {"mailbox", mailbox},
        {"domain_to_ascii", to_ascii},
        {"domain_to_unicode", to_unicode},
        {"decode_words", words_to_text},
        {"encode_words", text_to_words},
        {"is_utf8", is_utf8},
        {"now", now},
        {NULL, NULL},
    };
    push_scratch(lua);
    for (const luaL_Reg *native = natives; native->name; native++) {
        lua_pushvalue(lua, -1);
        lua_pushcclosure(lua, native->func, 1);
        lua_setfield(lua, -3, native->name);
    }
    lua_pop(lua, 1);
}

/* Addresses and domains: what the modules address and url share with the rest of Postern. What the arena holds is
 * forgotten when the next such call begins. */
#include "bind.h"
#include "convert.h"

#include "base/arena.h"
#include "mail/domain.h"
#include "mail/mailbox.h"

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

/* native.mailbox(text): its local part, its domain in normal form, and the two as SMTP says them; nothing when it is no
 * address. */
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

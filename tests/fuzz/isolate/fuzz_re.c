/* Patterns and texts, both hostile: a result or an error, in bounded time. The input is flags, NUL, pattern, NUL, text. */
#include "state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char chunk[] =
    "local re = require 're'\n"
    "return function(flags, pattern, text)\n"
    "  local first, last = re.find(text, pattern, flags)\n"
    "  assert(not first or (first >= 1 and last <= #text and first <= #text + 1))\n"
    "  re.gsub(text, pattern, '<$1$&>', flags, 50)\n"
    "  re.split(text, pattern, flags, 50)\n"
    "  assert(re.test(text, '^' .. re.escape(text) .. '\\\\z', 'b'))\n"
    "end";

static void push_until_nul(lua_State *lua, struct str *rest)
{
    struct str part = str_cut(rest, '\0');
    lua_pushlstring(lua, part.at, part.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *lua;
    struct str rest = {(const char *)data, size};
    if (!size || size > 4096)
        return 0;
    if (!lua)
        lua = fuzz_state(chunk);
    push_until_nul(lua, &rest);
    push_until_nul(lua, &rest);
    lua_pushlstring(lua, rest.length ? rest.at : "", rest.length);
    fuzz_call(lua, 3);
    return 0;
}

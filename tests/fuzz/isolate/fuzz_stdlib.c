/* What the modules in Lua make of a hostile text: each gives a result or nil, never an error or a hang. The first byte
 * chooses. */
#include "state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char chunk[] =
    "local url, html, address = require 'url', require 'html', require 'address'\n"
    "local time, dsn, base64 = require 'time', require 'dsn', require 'base64'\n"
    "local function parse_url(text)\n"
    "  local parts = url.parse(text)\n"
    "  if parts and parts.host then\n"
    "    local again = url.parse(url.build(parts))\n"
    "    assert(again and again.host == parts.host and (again.port or parts.port) == "
    "parts.port)\n"
    "  end\n"
    "end\n"
    "local readers = { [0] = parse_url, html.toText, html.fromText, html.unescape, "
    "address.parse,\n"
    "  address.list, time.parse, dsn.parse, url.parseQuery,\n"
    "  function(text) url.join('http://a.test/b/', text) end,\n"
    "  function(text) assert(base64.decode(base64.encode(text)) == text) end }\n"
    "return function(text)\n"
    "  if #text > 0 then readers[text:byte() % 11](text:sub(2)) end\n"
    "end";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *lua;
    if (!lua)
        lua = fuzz_state(chunk);
    fuzz_check(lua, data, size);
    return 0;
}

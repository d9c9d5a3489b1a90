/* json.decode of anything: a value or an error; a value is encoded, and that text means the same. */
#include "state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char chunk[] =
    "local json = require 'json'\n"
    "return function(text)\n"
    "  local ok, value = pcall(json.decode, text)\n"
    "  if not ok then return end\n"
    "  local again = json.encode(value)\n"
    "  assert(json.encode(json.decode(again)) == again, 'the value has changed')\n"
    "  assert(json.encode(json.decode(json.encode(value, { pretty = true }))) == again)\n"
    "end";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *lua;
    if (!lua)
        lua = fuzz_state(chunk);
    fuzz_check(lua, data, size);
    return 0;
}

/* Values of the wire to Lua and back, and errors to text. All of these can raise. */
#pragma once

#include "internal.h"

/* Pushes a decoded value. */
void push_value(lua_State *lua, const struct value *value);
void push_str(lua_State *lua, struct str s);

/* Writes the value at `index`: nil, booleans, numbers, strings, and tables of them with keys that are strings or numbers.
 * `what` begins the error for anything else, and for what is too large or too deep. */
void write_value(lua_State *lua, int index, struct buf *out, const char *what);

/* Pushes the innermost place in a script (not in the prelude or C) that is being executed: "support.lua:12",
 * or "" when there is none. */
void push_place(lua_State *lua, lua_State *executing);

/* Raises "support.lua:12: …" with that place, in printf form of lua_pushfstring. */
int raise_error(lua_State *lua, const char *format, ...);

/* Pushes an error value as text: strings as they are, tables by their __tostring. */
void push_error_text(lua_State *lua, int index);

/* The string argument at `index`, or an error "<call>: <what> must be a string, got nil". */
struct str check_string(lua_State *lua, int index, const char *what);

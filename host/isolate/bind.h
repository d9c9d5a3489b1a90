/* What a script can touch. Each bind_<thing>_open registers its part: metatables in the registry, what
 * the prelude and the stdlib need in the table of natives on top of the stack. */
#pragma once

#include <lauxlib.h>

#include "internal.h"

/* All of them. */
void bind_open(lua_State *lua);

void bind_message_open(lua_State *lua);
void bind_headers_open(lua_State *lua);
void bind_calls_open(lua_State *lua);
void bind_context_open(lua_State *lua);
void bind_log_open(lua_State *lua);
void bind_load_open(lua_State *lua);
void bind_binding_open(lua_State *lua);
void bind_json_open(lua_State *lua);
void bind_re_open(lua_State *lua);
void bind_encoding_open(lua_State *lua);
void bind_crypto_open(lua_State *lua);
void bind_address_open(lua_State *lua);
void bind_mime_open(lua_State *lua);

/* --- objects of a run: userdata that hold its number --- */

/* A property of an object, made when it is first asked for and then kept. */
struct bind_field {
    const char *name;
    void (*push)(lua_State *lua, struct run *run);
};

/* `name` is the kind of object in error messages and, after "postern.", its metatable. */
void bind_object_push(lua_State *lua, const char *name, const struct run *run);
/* The run of the object at argument 1; an error unless it is of this kind and its run is the one that is
 * running: a message can be used by its own handler only. */
struct run *bind_object_check(lua_State *lua, const char *name, const char *call);
/* Registers the kind: `methods` and `fields` end with a NULL name. Leaves the table of methods on the
 * stack, where more may be added. */
void bind_object_open(lua_State *lua, const char *name, const luaL_Reg methods[],
                      const struct bind_field fields[]);

/* For the test that compares them with the annotations. */
extern const luaL_Reg message_methods[], headers_methods[], context_methods[];
extern const struct bind_field message_fields[];

/* --- calls that wait (bind_calls.c) --- */

/* An empty request of this name, to be filled and sent by bind_call_wait. */
struct buf *bind_call_begin(lua_State *lua, const char *name);
/* Raises an error unless the value was written. */
void bind_call_must_fit(lua_State *lua, int write_result);
/* What a binding of calls returns: the yield. */
int bind_call_wait(lua_State *lua);

/* --- events --- */

#define BIND_EVENTS "postern.events" /* in the registry: what events.lua returns */

/* --- the environment: variables and bindings, read-only --- */

/* Puts the object in the place of each description of a binding in the table on top of the stack (bindings.lua). */
void bind_bindings_make(lua_State *lua);
/* Pushes the object `env` from the table on top of the stack, which it replaces. */
void bind_env_push(lua_State *lua);

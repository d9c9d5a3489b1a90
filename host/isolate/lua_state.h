/* The isolate's Lua state. */
#pragma once

#include "internal.h"

/* Opens isolate->lua with the allowed libraries, the bindings and the prelude; the memory cap is
 * isolate->limits.memory_bytes and may be changed later. Returns 0 or -ENOMEM. */
int lua_state_open(struct isolate *isolate);
/* Calls function(lua) with `arg` as its light userdata, all errors caught: 0, or the status with the error
 * value on the stack. Meanwhile the heap may be a little larger than the cap: what the loop has to do must
 * work when a script has used up everything. */
int lua_state_call(struct isolate *isolate, lua_CFunction function, void *arg);
/* Frees all garbage, if so little is left that an allocation could fail before a collection is due. */
void lua_state_collect_if_short(struct isolate *isolate);

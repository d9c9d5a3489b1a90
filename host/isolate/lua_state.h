/* The isolate's Lua state. */
#pragma once

#include "internal.h"

/* Opens isolate->lua with the allowed libraries, the bindings and the prelude; the memory cap is
 * isolate->limits.memory_bytes and may be changed later. Returns 0 or -ENOMEM. */
int lua_state_open(struct isolate *isolate);
void lua_state_close(struct isolate *isolate);

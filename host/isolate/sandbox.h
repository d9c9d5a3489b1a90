/* The walls around the isolate: what its process may still ask of the kernel. */
#pragma once

#include <stddef.h>

/* Closes all descriptors but stderr, the socket and the gauge. */
int sandbox_close_descriptors(void);

/* Once, before the first byte is read: resource limits, no new privileges, no core dumps, death with the
 * parent, and a seccomp filter under which any call but the few that the loop, the allocator and the JIT
 * need kills the process. Returns 0, or a negative errno value: then the process must end. */
int sandbox_enter(void);

/* Narrows the address space to what a Lua heap of this size needs. */
int sandbox_limit_memory(size_t lua_bytes_max);

/* Memory of a host process: an allocation either succeeds or ends the process (DESIGN.md 2: its
 * senders retry). The isolate's Lua state has an allocator of its own. */
#pragma once

#include <stddef.h>

/* Uninitialised memory; never NULL. Free with free(). */
void *mem_alloc(size_t bytes);

/* Zeroed memory for `count` things of `bytes` each; never NULL; overflow ends the process. */
void *mem_zero(size_t count, size_t bytes);

/* As realloc(3); never NULL. */
void *mem_grow(void *old, size_t bytes);

/* A NUL-terminated copy of `length` bytes; never NULL. */
char *mem_copy_text(const char *text, size_t length);

/* An assertion that stays on in release: ends the process with the place and `what`. */
#define invariant(condition, what)                                                         \
    ((condition) ? (void)0 : invariant_failed(__FILE__, __LINE__, (what)))

_Noreturn void invariant_failed(const char *file, int line, const char *what);

/* Memory that is freed all at once: one arena per session, message, run or attempt. What goes into
 * an arena has been bounded by its parser; the arena itself has no limit and never returns NULL. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "str.h"

struct arena;

struct arena *arena_new(void);
/* NULL is ignored. */
void arena_free(struct arena *arena);

/* Forgets all that is in it but keeps its last shared block, for the next of many short lives. */
void arena_reset(struct arena *arena);

/* Zeroed and aligned for any type. */
void *arena_alloc(struct arena *arena, size_t bytes);
#define arena_new_of(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
/* `count` zeroed things; an overflow of the size ends the process. */
#define arena_array(arena, type, count)                                                    \
    ((type *)arena_alloc_array((arena), (count), sizeof(type)))
void *arena_alloc_array(struct arena *arena, size_t count, size_t bytes);

/* NUL-terminated copies. */
char *arena_text(struct arena *arena, struct str s);
struct str arena_str(struct arena *arena, struct str s);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args);

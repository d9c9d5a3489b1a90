/* An arena for the tests of a file: their set-up and tear-down. */
#pragma once

#include "base/arena.h"

static struct arena *arena;

static inline int open_arena(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static inline int free_arena(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

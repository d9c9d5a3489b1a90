/* The set-up of tests of what is made with secrets: one that is known, another one, and a rotation from the first to the
 * second. */
#pragma once

#include "secret_of.h"

static struct arena *arena;
static struct secret *known, *other, *rotated;

static inline int open_secrets(void **state)
{
    (void)state;
    arena = arena_new();
    known = secret_of(SECRET_COUNTING "\n");
    other = secret_of(SECRET_ONES "\n");
    rotated = secret_of(SECRET_ONES "\n" SECRET_COUNTING "\n");
    return 0;
}

static inline int free_secrets(void **state)
{
    (void)state;
    secret_free(known);
    secret_free(other);
    secret_free(rotated);
    arena_free(arena);
    return 0;
}

/* Blocks grow from 1 KiB to 64 KiB, so that a short-lived message costs one allocation and an idle
 * session little memory. A thing larger than a quarter of a block gets a block of its own. */
#include "arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"

#define FIRST_BLOCK_BYTES ((size_t)1024)
#define LAST_BLOCK_BYTES  ((size_t)64 * 1024)

struct block {
    struct block *older;
    _Alignas(max_align_t) char bytes[];
};

struct arena {
    struct block *newest;
    struct block *shared; /* the newest shared block, of shared_bytes; NULL: none yet */
    size_t shared_bytes;
    char *next; /* its free space */
    size_t left;
    size_t block_bytes;
};

struct arena *arena_new(void)
{
    struct arena *arena = mem_zero(1, sizeof *arena);
    arena->block_bytes = FIRST_BLOCK_BYTES;
    return arena;
}

void arena_free(struct arena *arena)
{
    if (!arena)
        return;
    for (struct block *block = arena->newest, *older; block; block = older) {
        older = block->older;
        free(block);
    }
    free(arena);
}

void arena_reset(struct arena *arena)
{
    struct block *block = arena->newest;
    arena->newest = arena->shared;
    while (block) {
        struct block *older = block->older;
        if (block == arena->shared)
            block->older = NULL;
        else
            free(block);
        block = older;
    }
    arena->next = arena->shared ? arena->shared->bytes : NULL;
    arena->left = arena->shared ? arena->shared_bytes : 0;
}

static char *add_block(struct arena *arena, size_t bytes)
{
    invariant(bytes <= SIZE_MAX - sizeof(struct block), "arena: size overflow");
    struct block *block = mem_alloc(sizeof *block + bytes);
    block->older = arena->newest;
    arena->newest = block;
    return block->bytes;
}

/* Not zeroed. What fits into the free space is taken from its start. */
static char *take(struct arena *arena, size_t bytes)
{
    invariant(bytes <= SIZE_MAX / 2, "arena: size overflow");
    bytes = bytes ? bytes : 1;
    bytes = (bytes + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    if (bytes > arena->left && bytes > arena->block_bytes / 4)
        return add_block(arena, bytes);
    if (bytes > arena->left) {
        arena->next = add_block(arena, arena->block_bytes);
        arena->left = arena->shared_bytes = arena->block_bytes;
        arena->shared = arena->newest;
        if (arena->block_bytes < LAST_BLOCK_BYTES)
            arena->block_bytes *= 2;
    }
    char *memory = arena->next;
    arena->next += bytes;
    arena->left -= bytes;
    return memory;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    return memset(take(arena, bytes), 0, bytes);
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t bytes)
{
    invariant(bytes == 0 || count <= SIZE_MAX / 2 / bytes, "arena: size overflow");
    return arena_alloc(arena, count * bytes);
}

char *arena_text(struct arena *arena, struct str s)
{
    char *copy = arena_alloc(arena, s.length + 1);
    if (s.length)
        memcpy(copy, s.at, s.length);
    return copy;
}

struct str arena_str(struct arena *arena, struct str s)
{
    return (struct str){arena_text(arena, s), s.length};
}

/* Written into the free space at once, where most texts fit. */
char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(arena->next, arena->left, format, args);
    invariant(length >= 0, "arena: bad printf format");
    bool has_fitted = (size_t)length < arena->left;
    char *text = take(arena, (size_t)length + 1);
    if (!has_fitted)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

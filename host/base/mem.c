#include "mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_die(void *memory)
{
    if (!memory) {
        fputs("postern: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *mem_alloc(size_t bytes)
{
    return or_die(malloc(bytes ? bytes : 1));
}

void *mem_zero(size_t count, size_t bytes)
{
    return or_die(calloc(count ? count : 1, bytes ? bytes : 1));
}

void *mem_grow(void *old, size_t bytes)
{
    return or_die(realloc(old, bytes ? bytes : 1));
}

char *mem_copy_text(const char *text, size_t length)
{
    char *copy = mem_alloc(length + 1);
    if (length)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void invariant_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "postern: %s:%d: broken invariant: %s\n", file, line, what);
    abort();
}

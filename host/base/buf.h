/* A growable byte buffer with a ceiling: bytes are appended at the end and consumed at the front. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "str.h"

struct buf {
    char *memory;
    size_t start;    /* of the bytes not yet consumed */
    size_t length;   /* of the bytes not yet consumed */
    size_t capacity; /* of memory */
    size_t ceiling;  /* length never exceeds it */
};

/* Starts empty, without memory. */
void buf_init(struct buf *buf, size_t ceiling);
/* Frees the memory; the buffer is empty and usable again. */
void buf_free(struct buf *buf);

/* The bytes not yet consumed: valid until the next call that changes the buffer. */
struct str buf_view(const struct buf *buf);

/* All return 0, or -ENOBUFS past the ceiling with nothing changed. */
int buf_append(struct buf *buf, struct str bytes);
/* In decimal. */
int buf_append_number(struct buf *buf, long long number);
int buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for `bytes` more: the place to write to, or NULL past the ceiling. buf_extend() then counts
 * what was written there. */
char *buf_reserve(struct buf *buf, size_t bytes);
void buf_extend(struct buf *buf, size_t bytes);

/* Forgets the first `bytes` (at most all). */
void buf_consume(struct buf *buf, size_t bytes);
/* Forgets all but keeps the memory. */
void buf_clear(struct buf *buf);

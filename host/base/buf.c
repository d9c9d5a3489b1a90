#include "buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"

#define LEAST_BYTES ((size_t)256)

void buf_init(struct buf *buf, size_t ceiling)
{
    *buf = (struct buf){.ceiling = ceiling};
}

void buf_free(struct buf *buf)
{
    free(buf->memory);
    buf_init(buf, buf->ceiling);
}

struct str buf_view(const struct buf *buf)
{
    return (struct str){buf->memory ? buf->memory + buf->start : "", buf->length};
}

char *buf_reserve(struct buf *buf, size_t bytes)
{
    if (bytes > buf->ceiling || buf->length > buf->ceiling - bytes)
        return NULL;
    size_t needed = buf->length + (bytes ? bytes : 1);
    if (buf->capacity - buf->start < needed && buf->start) {
        memmove(buf->memory, buf->memory + buf->start, buf->length);
        buf->start = 0;
    }
    if (buf->capacity < needed) {
        size_t capacity = buf->capacity ? buf->capacity : LEAST_BYTES;
        while (capacity < needed)
            capacity *= 2;
        buf->memory = mem_grow(buf->memory, capacity);
        buf->capacity = capacity;
    }
    return buf->memory + buf->start + buf->length;
}

void buf_extend(struct buf *buf, size_t bytes)
{
    invariant(buf->start + buf->length + bytes <= buf->capacity,
              "buf: extended past its room");
    buf->length += bytes;
}

int buf_append(struct buf *buf, struct str bytes)
{
    if (bytes.length == 0)
        return 0;
    char *room = buf_reserve(buf, bytes.length);
    if (!room)
        return -ENOBUFS;
    memcpy(room, bytes.at, bytes.length);
    buf->length += bytes.length;
    return 0;
}

int buf_append_number(struct buf *buf, long long number)
{
    char text[sizeof "-9223372036854775808"];
    size_t at = sizeof text;
    bool is_negative = number < 0;
    unsigned long long rest =
        is_negative ? -(unsigned long long)number : (unsigned long long)number;
    do {
        text[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (is_negative)
        text[--at] = '-';
    return buf_append(buf, (struct str){text + at, sizeof text - at});
}

/* Room for `length` bytes and the NUL that printf ends with, which is no content. */
static char *reserve_text(struct buf *buf, size_t length)
{
    char *room = buf_reserve(buf, length);
    if (room && buf->capacity - buf->start - buf->length == length) {
        buf->capacity += 1;
        buf->memory = mem_grow(buf->memory, buf->capacity);
        room = buf->memory + buf->start + buf->length;
    }
    return room;
}

/* Written into the free space at once, where most texts fit. */
int buf_printf(struct buf *buf, const char *format, ...)
{
    char *room = buf_reserve(buf, 0);
    size_t free_bytes = buf->capacity - buf->start - buf->length;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(room, free_bytes, format, args);
    va_end(args);
    invariant(length >= 0, "buf: bad printf format");
    bool has_fitted = (size_t)length < free_bytes;
    room = reserve_text(buf, (size_t)length);
    if (!room)
        return -ENOBUFS;
    if (!has_fitted) {
        va_start(args, format);
        vsnprintf(room, (size_t)length + 1, format, args);
        va_end(args);
    }
    buf->length += (size_t)length;
    return 0;
}

void buf_consume(struct buf *buf, size_t bytes)
{
    invariant(bytes <= buf->length, "buf: consumed more than it holds");
    buf->length -= bytes;
    buf->start = buf->length ? buf->start + bytes : 0;
}

void buf_clear(struct buf *buf)
{
    buf->start = 0;
    buf->length = 0;
}

/* A stream's output, and requests in the hands of libuv. What the socket takes at once goes there
 * without a copy; of the rest, a piece at a time is copied and waited for, so that a writer that gives
 * up leaves nothing of its own behind and a slow reader costs little memory. */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

#include "base/mem.h"

#define VECTORS_MAX 32
#define PIECE_BYTES ((size_t)64 * 1024)
/* What may stay queued of answers nobody waits for. */
#define POSTED_MAX  ((size_t)64 * 1024)

/* --- requests --- */

struct stream_request *stream_request_new(size_t bytes)
{
    struct stream_request *request = mem_alloc(sizeof *request + bytes);
    task_wait_init(&request->wait);
    request->is_abandoned = false;
    request->uv.write.data = request;
    return request;
}

void stream_request_end(struct stream_request *request, int status)
{
    if (request->is_abandoned)
        free(request);
    else
        task_wake(&request->wait, status);
}

int stream_request_wait(struct stream_request *request, uint64_t deadline_ms)
{
    int result = task_wait(&request->wait, deadline_ms);
    if (request->wait.done)
        free(request);
    else
        request->is_abandoned = true;
    return result;
}

static void on_written(uv_write_t *write, int status)
{
    stream_request_end(write->data, status);
}

/* --- a position in several parts --- */

struct cursor {
    const struct str *parts;
    size_t count;
    size_t offset; /* in the first part */
};

static void cursor_advance(struct cursor *cursor, size_t bytes)
{
    cursor->offset += bytes;
    while (cursor->count && cursor->offset >= cursor->parts->length) {
        cursor->offset -= cursor->parts->length;
        cursor->parts++;
        cursor->count--;
    }
}

static unsigned cursor_vectors(const struct cursor *cursor, uv_buf_t vectors[VECTORS_MAX])
{
    unsigned count = 0;
    for (; count < VECTORS_MAX && count < cursor->count; count++) {
        struct str part = cursor->parts[count];
        if (count == 0)
            part = str_from(part, cursor->offset);
        vectors[count] = uv_buf_init((char *)(uintptr_t)part.at, (unsigned)part.length);
    }
    return count;
}

/* What is left, counted up to `bytes_max`. */
static size_t cursor_rest(const struct cursor *cursor, size_t bytes_max)
{
    size_t rest = 0;
    for (size_t i = 0; i < cursor->count && rest < bytes_max; i++)
        rest += cursor->parts[i].length - (i == 0 ? cursor->offset : 0);
    return rest < bytes_max ? rest : bytes_max;
}

static void cursor_copy(struct cursor *cursor, char *to, size_t bytes)
{
    while (bytes) {
        struct str part = str_from(*cursor->parts, cursor->offset);
        size_t now = part.length < bytes ? part.length : bytes;
        memcpy(to, part.at, now);
        to += now;
        bytes -= now;
        cursor_advance(cursor, now);
    }
}

/* --- sending --- */

/* Gives the socket what it takes now: -EAGAIN when that is not all. */
static int send_at_once(struct net_stream *stream, struct cursor *cursor)
{
    while (cursor->count) {
        uv_buf_t vectors[VECTORS_MAX];
        unsigned count = cursor_vectors(cursor, vectors);
        int sent = uv_try_write(&stream->uv.stream, vectors, count);
        if (sent < 0)
            return sent;
        cursor_advance(cursor, (size_t)sent);
    }
    return 0;
}

/* Copies the next piece into a request and hands it to libuv: NULL with *result on failure. */
static struct stream_request *queue_piece(struct net_stream *stream, struct cursor *cursor,
                                          size_t bytes_max, int *result)
{
    size_t bytes = cursor_rest(cursor, bytes_max);
    struct stream_request *request = stream_request_new(bytes);
    cursor_copy(cursor, request->bytes, bytes);
    uv_buf_t vector = uv_buf_init(request->bytes, (unsigned)bytes);
    *result = uv_write(&request->uv.write, &stream->uv.stream, &vector, 1, on_written);
    if (*result == 0)
        return request;
    free(request);
    return NULL;
}

static struct cursor cursor_of(const struct str parts[], size_t count)
{
    struct cursor cursor = {.parts = parts, .count = count};
    cursor_advance(&cursor, 0); /* past empty parts */
    return cursor;
}

int stream_send(struct net_stream *stream, const struct str parts[], size_t count,
                uint64_t deadline_ms)
{
    struct cursor cursor = cursor_of(parts, count);
    for (;;) {
        int result = send_at_once(stream, &cursor);
        if (result == 0)
            return 0;
        struct stream_request *request = NULL;
        if (result == -EAGAIN)
            request = queue_piece(stream, &cursor, PIECE_BYTES, &result);
        if (request)
            result = stream_request_wait(request, deadline_ms);
        if (result < 0) {
            stream->write_failed = true;
            return result;
        }
    }
}

size_t stream_send_now(struct net_stream *stream, struct str bytes)
{
    uv_buf_t vector = uv_buf_init((char *)(uintptr_t)bytes.at, (unsigned)bytes.length);
    int sent = uv_try_write(&stream->uv.stream, &vector, 1);
    return sent < 0 ? 0 : (size_t)sent;
}

int stream_post(struct net_stream *stream, struct str bytes)
{
    struct cursor cursor = cursor_of(&bytes, 1);
    int result = send_at_once(stream, &cursor);
    if (result != -EAGAIN)
        return result;
    if (uv_stream_get_write_queue_size(&stream->uv.stream) > POSTED_MAX)
        return -ENOBUFS;
    struct stream_request *request = queue_piece(stream, &cursor, bytes.length, &result);
    if (request)
        request->is_abandoned = true;
    return result;
}

int net_stream_write(struct net_stream *stream, const struct str parts[], size_t count,
                     uint64_t deadline_ms)
{
    return stream->tls ? stream_tls_write(stream, parts, count, deadline_ms)
                       : stream_send(stream, parts, count, deadline_ms);
}

void net_stream_write_now(struct net_stream *stream, struct str bytes)
{
    if (stream->tls)
        stream_tls_write_now(stream, bytes);
    else
        stream_send_now(stream, bytes);
}

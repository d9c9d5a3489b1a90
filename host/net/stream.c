/* A stream's life and its input; see internal.h for how the parts hang together. */
#include "stream.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "internal.h"

#include "base/mem.h"

/* An emptied buffer larger than this is given back: idle connections are many. */
#define KEPT_BYTES ((size_t)4096)

/* Bytes rest here only within on_read, so one is enough for all streams. */
static char receive_memory[STREAM_UNREAD_MAX];

/* --- life --- */

/* libuv writes without MSG_NOSIGNAL: a peer that has gone must be an error, not the end of us. */
static void ignore_sigpipe(void)
{
    static bool is_ignored;
    if (!is_ignored)
        signal(SIGPIPE, SIG_IGN);
    is_ignored = true;
}

static struct net_stream *stream_new(void)
{
    ignore_sigpipe();
    struct net_stream *stream = mem_zero(1, sizeof *stream);
    buf_init(&stream->arrived, STREAM_UNREAD_MAX);
    buf_init(&stream->input, STREAM_UNREAD_MAX);
    return stream;
}

struct net_stream *stream_new_tcp(void)
{
    struct net_stream *stream = stream_new();
    uv_tcp_init(task_loop(), &stream->uv.tcp);
    stream->uv.handle.data = stream;
    return stream;
}

struct net_stream *stream_new_local(void)
{
    struct net_stream *stream = stream_new();
    uv_pipe_init(task_loop(), &stream->uv.pipe, 0);
    stream->uv.handle.data = stream;
    return stream;
}

static void on_closed(uv_handle_t *handle)
{
    struct net_stream *stream = handle->data;
    stream_tls_free(stream->tls);
    buf_free(&stream->arrived);
    buf_free(&stream->input);
    free(stream);
}

void net_stream_close(struct net_stream *stream)
{
    if (!stream)
        return;
    struct task_wait *filler = stream->filler;
    stream->filler = NULL;
    uv_close(&stream->uv.handle, on_closed);
    if (filler)
        task_wake(filler, -ECANCELED);
}

/* --- addresses --- */

static int learn_addresses(struct net_stream *stream)
{
    struct sockaddr_storage name;
    int length = sizeof name;
    int result = uv_tcp_getpeername(&stream->uv.tcp, (struct sockaddr *)&name, &length);
    if (result < 0)
        return result;
    net_address_from_socket((struct sockaddr *)&name, &stream->peer);
    length = sizeof name;
    result = uv_tcp_getsockname(&stream->uv.tcp, (struct sockaddr *)&name, &length);
    if (result == 0)
        net_address_from_socket((struct sockaddr *)&name, &stream->local);
    return result;
}

const struct net_address *net_stream_peer(const struct net_stream *stream)
{
    return &stream->peer;
}

const struct net_address *net_stream_local(const struct net_stream *stream)
{
    return &stream->local;
}

void net_stream_set_peer(struct net_stream *stream, const struct net_address *peer,
                         const struct net_address *local)
{
    stream->peer = *peer;
    if (local)
        stream->local = *local;
}

/* --- input --- */

static size_t unread_bytes(const struct net_stream *stream)
{
    return stream->arrived.length + stream->input.length;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    const struct net_stream *stream = handle->data;
    (void)suggested;
    *buf =
        uv_buf_init(receive_memory, (unsigned)(STREAM_UNREAD_MAX - unread_bytes(stream)));
}

static void pause_reading(struct net_stream *stream)
{
    uv_read_stop(&stream->uv.stream);
    stream->is_reading = false;
}

static void on_read(uv_stream_t *uv, ssize_t received, const uv_buf_t *buf)
{
    struct net_stream *stream = uv->data;
    if (received == 0)
        return;
    if (received > 0)
        buf_append(&stream->arrived, (struct str){buf->base, (size_t)received});
    else if (received == UV_EOF)
        stream->is_at_end = true;
    else
        stream->read_failure = (int)received;
    if (received < 0 || unread_bytes(stream) >= STREAM_UNREAD_MAX)
        pause_reading(stream);
    struct task_wait *filler = stream->filler;
    stream->filler = NULL;
    if (filler)
        task_wake(filler, 0);
}

static bool input_has_ended(const struct net_stream *stream)
{
    return stream->is_at_end || stream->read_failure < 0;
}

static void go_on_reading(struct net_stream *stream)
{
    if (stream->is_reading || input_has_ended(stream) ||
        unread_bytes(stream) >= STREAM_UNREAD_MAX)
        return;
    int result = uv_read_start(&stream->uv.stream, on_alloc, on_read);
    if (result < 0)
        stream->read_failure = result;
    stream->is_reading = result == 0;
}

int stream_start(struct net_stream *stream)
{
    if (stream->uv.handle.type == UV_TCP) {
        int result = learn_addresses(stream);
        if (result < 0)
            return result;
        uv_tcp_nodelay(&stream->uv.tcp, 1);
    }
    go_on_reading(stream);
    return stream->read_failure;
}

int stream_wait_arrival(struct net_stream *stream, uint64_t deadline_ms)
{
    invariant(stream->filler == NULL, "net: two tasks read one stream");
    go_on_reading(stream);
    if (stream->arrived.length || input_has_ended(stream))
        return 0;
    struct task_wait wait;
    task_wait_init(&wait);
    stream->filler = &wait;
    int result = task_wait(&wait, deadline_ms);
    if (!wait.done)
        stream->filler = NULL;
    return result;
}

/* Moves what has arrived in the clear to the input: 1 when that has grown. */
static int take_arrived(struct net_stream *stream)
{
    if (stream->arrived.length == 0)
        return 0;
    if (stream->input.length == 0) {
        struct buf emptied = stream->input;
        stream->input = stream->arrived;
        stream->arrived = emptied;
        return 1;
    }
    buf_append(&stream->input, buf_view(&stream->arrived));
    buf_free(&stream->arrived);
    return 1;
}

struct str net_stream_input(const struct net_stream *stream)
{
    return buf_view(&stream->input);
}

void net_stream_consume(struct net_stream *stream, size_t bytes)
{
    buf_consume(&stream->input, bytes);
    if (stream->input.length == 0 && stream->input.capacity > KEPT_BYTES)
        buf_free(&stream->input);
    if (unread_bytes(stream) <= STREAM_UNREAD_MAX / 2)
        go_on_reading(stream);
}

int net_stream_fill(struct net_stream *stream, uint64_t deadline_ms)
{
    if (stream->input.length >= STREAM_UNREAD_MAX)
        return -ENOBUFS;
    for (;;) {
        int grown = stream->tls ? stream_tls_read(stream) : take_arrived(stream);
        if (grown < 0)
            return grown;
        if (unread_bytes(stream) >= STREAM_UNREAD_MAX)
            pause_reading(stream);
        if (grown)
            return (int)stream->input.length;
        if (stream->is_at_end || (stream->tls && stream->tls->is_closed))
            return 0;
        if (stream->read_failure < 0)
            return stream->read_failure;
        int result = stream_wait_arrival(stream, deadline_ms);
        if (result < 0)
            return result;
    }
}

bool net_stream_is_dead(const struct net_stream *stream)
{
    return input_has_ended(stream) || stream->write_failed ||
           (stream->tls && (stream->tls->is_closed || stream->tls->has_failed));
}

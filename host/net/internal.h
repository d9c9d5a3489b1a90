/* What the files of net/ know of a stream that others do not.
 *
 * Bytes come in by on_read at any time and are kept in `arrived`; only a fill moves them to `input`
 * (through TLS, if any), so that a view of the input stays valid while its owner waits for something
 * else. Reading from the socket goes on between fills and pauses while STREAM_UNREAD_MAX bytes wait.
 *
 * Requests (a write or a connect in the hands of libuv) are on the heap and own their bytes: a task
 * that no longer waits for one abandons it, and its callback frees it. A stream is freed by the close
 * callback, which libuv calls after those of all its requests. */
#pragma once

#include <openssl/ssl.h>
#include <uv.h>

#include "stream.h"

#include "base/buf.h"
#include "base/task.h"

#define STREAM_UNREAD_MAX ((size_t)64 * 1024)

struct stream_tls {
    SSL *ssl;
    struct tls_server *server; /* held, on the server's side */
    bool is_closed;            /* the peer has said close_notify */
    bool has_failed;
};

struct net_stream {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct net_address peer, local;
    struct buf arrived; /* as it came from the socket */
    struct buf input;   /* what the owner sees */
    struct task_wait *filler;
    struct stream_tls *tls; /* NULL in the clear */
    int read_failure;       /* negative errno, 0 while none */
    bool is_at_end;         /* the peer has sent its last byte */
    bool is_reading;        /* uv_read_start is on */
    bool write_failed;
};

/* Streams that are not connected yet; net_stream_close() ends them. */
struct net_stream *stream_new_tcp(void);
struct net_stream *stream_new_local(void);
/* Once connected: learns both addresses, sets the socket's options, starts to read. */
int stream_start(struct net_stream *stream);

/* Waits until something is in `arrived`, or the input has ended. */
int stream_wait_arrival(struct net_stream *stream, uint64_t deadline_ms);

/* --- requests --- */

struct stream_request {
    union {
        uv_connect_t connect;
        uv_write_t write;
    } uv; /* its `data` is the request */
    struct task_wait wait;
    bool is_abandoned;
    char bytes[];
};

struct stream_request *stream_request_new(size_t bytes);
/* The last thing the request's callback does. */
void stream_request_end(struct stream_request *request, int status);
/* Waits for the callback; the request is gone afterwards, or will be once the callback comes. */
int stream_request_wait(struct stream_request *request, uint64_t deadline_ms);

/* --- output past TLS --- */

int stream_send(struct net_stream *stream, const struct str parts[], size_t count,
                uint64_t deadline_ms);
/* Sends what the socket takes now; returns how much that is, 0 also when it fails. */
size_t stream_send_now(struct net_stream *stream, struct str bytes);
/* Sends without waiting; what the socket does not take now stays queued. */
int stream_post(struct net_stream *stream, struct str bytes);

/* --- TLS (stream_tls.c) --- */

void stream_tls_free(struct stream_tls *tls);
/* Decrypts what has arrived into the input, as far as it goes: 1 when the input has grown, 0 when more
 * must arrive, -EPROTO. */
int stream_tls_read(struct net_stream *stream);
int stream_tls_write(struct net_stream *stream, const struct str parts[], size_t count,
                     uint64_t deadline_ms);
void stream_tls_write_now(struct net_stream *stream, struct str bytes);

/* --- contexts (tls.c) --- */

/* A new connection with the context's settings; NULL when OpenSSL fails. */
SSL *tls_server_connection(const struct tls_server *server);
SSL *tls_client_connection(const struct tls_client *client, enum tls_trust trust,
                           const char *name);
/* The reason on OpenSSL's error queue, which is emptied: valid until the next call. */
const char *tls_reason(void);
/* Gives the context a fresh key and a certificate for `host_name` (tls_self_sign.c). */
int tls_self_sign(SSL_CTX *context, const char *host_name);

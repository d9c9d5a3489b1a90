/* TLS on a stream. OpenSSL reads what has arrived from the socket and writes into `sealed`, both
 * through a BIO of ours; after each call into OpenSSL the sealed bytes are taken out and sent, so that
 * `sealed` is empty whenever a task waits and one serves all streams. OpenSSL is only ever called from
 * a task, never from a callback. */
#include <errno.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "internal.h"

#include "base/mem.h"

/* Two maximal handshake flights with long certificate chains. */
#define SEALED_MAX   ((size_t)512 * 1024)
#define FLUSH_BYTES  ((size_t)64 * 1024)
/* One TLS record. */
#define RECORD_BYTES ((size_t)16 * 1024)
/* Of input decrypted at a time: small, as an idle stream may keep it. */
#define READ_BYTES   ((size_t)4096)

static struct buf sealed = {.ceiling = SEALED_MAX};

/* --- the BIO --- */

static int bio_read(BIO *bio, char *to, int bytes_max)
{
    struct net_stream *stream = BIO_get_data(bio);
    struct str arrived = buf_view(&stream->arrived);
    BIO_clear_retry_flags(bio);
    if (arrived.length == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t bytes = arrived.length < (size_t)bytes_max ? arrived.length : (size_t)bytes_max;
    memcpy(to, arrived.at, bytes);
    buf_consume(&stream->arrived, bytes);
    if (stream->arrived.length == 0)
        buf_free(&stream->arrived);
    return (int)bytes;
}

static int bio_write(BIO *bio, const char *from, int bytes)
{
    BIO_clear_retry_flags(bio);
    return buf_append(&sealed, (struct str){from, (size_t)bytes}) < 0 ? -1 : bytes;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static const BIO_METHOD *bio_method(void)
{
    static BIO_METHOD *method;
    if (!method) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "net_stream");
        invariant(method != NULL, "net: no memory for a BIO method");
        BIO_meth_set_read(method, bio_read);
        BIO_meth_set_write(method, bio_write);
        BIO_meth_set_ctrl(method, bio_control);
    }
    return method;
}

/* --- what OpenSSL has written --- */

/* Takes the sealed bytes out, since another stream may use the buffer while this one waits. */
static struct buf take_sealed(void)
{
    struct buf taken = sealed;
    buf_init(&sealed, SEALED_MAX);
    return taken;
}

/* The memory is used again, unless another has grown meanwhile. */
static void give_back(struct buf *taken)
{
    if (sealed.memory || taken->capacity > 2 * FLUSH_BYTES) {
        buf_free(taken);
        return;
    }
    buf_clear(taken);
    sealed = *taken;
}

static int send_sealed(struct net_stream *stream, uint64_t deadline_ms)
{
    if (sealed.length == 0)
        return 0;
    struct buf taken = take_sealed();
    struct str bytes = buf_view(&taken);
    int result = stream_send(stream, &bytes, 1, deadline_ms);
    give_back(&taken);
    return result;
}

static void send_sealed_now(struct net_stream *stream)
{
    stream_send_now(stream, buf_view(&sealed));
    buf_clear(&sealed);
}

/* Sends the answers that OpenSSL gives of its own accord while it reads. A peer that provokes them
 * without end and takes none is at fault; one that has gone may still have said something. */
static void post_sealed(struct net_stream *stream)
{
    int result = sealed.length ? stream_post(stream, buf_view(&sealed)) : 0;
    buf_clear(&sealed);
    stream->tls->has_failed |= result == -ENOBUFS;
    stream->write_failed |= result < 0;
}

static int fail(struct net_stream *stream)
{
    stream->tls->has_failed = true;
    send_sealed_now(stream); /* the alert */
    ERR_clear_error();
    return -EPROTO;
}

/* --- handshake --- */

static int attach(struct net_stream *stream, SSL *ssl, struct tls_server *server)
{
    invariant(stream->tls == NULL, "net: TLS within TLS");
    BIO *bio = ssl ? BIO_new(bio_method()) : NULL;
    if (!bio) {
        SSL_free(ssl);
        return -ENOMEM;
    }
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    stream->tls = mem_zero(1, sizeof *stream->tls);
    stream->tls->ssl = ssl;
    stream->tls->server = server ? tls_server_keep(server) : NULL;
    return 0;
}

void stream_tls_free(struct stream_tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    if (tls->server)
        tls_server_release(tls->server);
    free(tls);
}

static int explain_failure(struct net_stream *stream, struct err *err)
{
    long verified = SSL_get_verify_result(stream->tls->ssl);
    if (SSL_get_verify_mode(stream->tls->ssl) != SSL_VERIFY_NONE && verified != X509_V_OK)
        err_set(err, -EPROTO, "the peer's certificate is not valid: %s",
                X509_verify_cert_error_string(verified));
    else
        err_set(err, -EPROTO, "TLS handshake: %s", tls_reason());
    return fail(stream);
}

/* Waits for more of the peer's part of the handshake. */
static int wait_for_peer(struct net_stream *stream, uint64_t deadline_ms, struct err *err)
{
    int result = stream_wait_arrival(stream, deadline_ms);
    if (result == 0 && stream->arrived.length == 0)
        result = stream->is_at_end ? -EPROTO : stream->read_failure;
    if (result == -EPROTO)
        return err_set(err, result, "TLS handshake: the peer closed the connection");
    return result < 0 ? err_set(err, result, "TLS handshake: %s", uv_strerror(result)) : 0;
}

static int shake_hands(struct net_stream *stream, uint64_t deadline_ms, struct err *err)
{
    for (;;) {
        ERR_clear_error();
        int shaken = SSL_do_handshake(stream->tls->ssl);
        int why = SSL_get_error(stream->tls->ssl, shaken);
        if (shaken != 1 && why != SSL_ERROR_WANT_READ)
            return explain_failure(stream, err);
        int result = send_sealed(stream, deadline_ms);
        if (result < 0)
            return err_set(err, result, "TLS handshake: %s", uv_strerror(result));
        if (shaken == 1)
            return 0;
        result = wait_for_peer(stream, deadline_ms, err);
        if (result < 0)
            return result;
    }
}

static void drop_plaintext(struct net_stream *stream)
{
    buf_free(&stream->arrived);
    buf_free(&stream->input);
}

int net_stream_tls_accept_implicit(struct net_stream *stream, struct tls_server *server,
                                   uint64_t deadline_ms, struct err *err)
{
    struct buf arrived = stream->arrived;
    stream->arrived = stream->input;
    buf_append(&stream->arrived, buf_view(&arrived));
    buf_free(&arrived);
    buf_init(&stream->input, STREAM_UNREAD_MAX);
    int result = attach(stream, tls_server_connection(server), server);
    if (result < 0)
        return err_set(err, result, "TLS: %s", tls_reason());
    SSL_set_accept_state(stream->tls->ssl);
    return shake_hands(stream, deadline_ms, err);
}

int net_stream_tls_accept(struct net_stream *stream, struct tls_server *server,
                          uint64_t deadline_ms, struct err *err)
{
    drop_plaintext(stream);
    return net_stream_tls_accept_implicit(stream, server, deadline_ms, err);
}

int net_stream_tls_connect(struct net_stream *stream, struct tls_client *client,
                           enum tls_trust trust, const char *name, uint64_t deadline_ms,
                           struct err *err)
{
    drop_plaintext(stream);
    int result = attach(stream, tls_client_connection(client, trust, name), NULL);
    if (result < 0)
        return err_set(err, result, "TLS: %s", tls_reason());
    SSL_set_connect_state(stream->tls->ssl);
    return shake_hands(stream, deadline_ms, err);
}

/* --- input --- */

static void see_failure(struct net_stream *stream, int why)
{
    if (why == SSL_ERROR_ZERO_RETURN)
        stream->tls->is_closed = true;
    else if (why != SSL_ERROR_WANT_READ)
        fail(stream);
}

int stream_tls_read(struct net_stream *stream)
{
    struct stream_tls *tls = stream->tls;
    size_t before = stream->input.length;
    size_t received = 1;
    ERR_clear_error();
    while (received && stream->input.length < STREAM_UNREAD_MAX && !tls->has_failed) {
        size_t room = STREAM_UNREAD_MAX - stream->input.length;
        room = room < READ_BYTES ? room : READ_BYTES;
        char *to = buf_reserve(&stream->input, room);
        received = 0;
        if (SSL_read_ex(tls->ssl, to, room, &received) == 1)
            buf_extend(&stream->input, received);
        else
            see_failure(stream, SSL_get_error(tls->ssl, 0));
    }
    if (stream->input.length == 0)
        buf_free(&stream->input);
    post_sealed(stream);
    if (stream->input.length > before)
        return 1;
    return tls->has_failed ? -EPROTO : 0;
}

/* --- output --- */

/* Seals one part, and sends whenever much has gathered. */
static int write_part(struct net_stream *stream, struct str part, uint64_t deadline_ms)
{
    while (part.length) {
        size_t bytes = part.length < RECORD_BYTES ? part.length : RECORD_BYTES;
        size_t written = 0;
        ERR_clear_error();
        if (SSL_write_ex(stream->tls->ssl, part.at, bytes, &written) != 1)
            return fail(stream);
        part = str_from(part, written);
        int result = sealed.length >= FLUSH_BYTES ? send_sealed(stream, deadline_ms) : 0;
        if (result < 0)
            return result;
    }
    return 0;
}

int stream_tls_write(struct net_stream *stream, const struct str parts[], size_t count,
                     uint64_t deadline_ms)
{
    for (size_t i = 0; i < count; i++) {
        int result = write_part(stream, parts[i], deadline_ms);
        if (result < 0)
            return result;
    }
    return send_sealed(stream, deadline_ms);
}

void stream_tls_write_now(struct net_stream *stream, struct str bytes)
{
    size_t written;
    ERR_clear_error();
    if (!stream->tls->has_failed && bytes.length &&
        SSL_write_ex(stream->tls->ssl, bytes.at, bytes.length, &written) != 1)
        fail(stream);
    send_sealed_now(stream);
}

void net_stream_tls_close_notify(struct net_stream *stream)
{
    if (!stream->tls || stream->tls->has_failed)
        return;
    ERR_clear_error();
    SSL_shutdown(stream->tls->ssl);
    send_sealed_now(stream);
    ERR_clear_error();
}

const char *net_stream_tls_version(const struct net_stream *stream)
{
    return stream->tls ? SSL_get_version(stream->tls->ssl) : NULL;
}

const char *net_stream_tls_cipher(const struct net_stream *stream)
{
    return stream->tls ? SSL_get_cipher_name(stream->tls->ssl) : NULL;
}

/* A byte stream over TCP, in the clear or in TLS, for one task at a time to read and one to write.
 * TCP_NODELAY is on; the first stream makes the process ignore SIGPIPE. Waits are task waits: results are -ETIMEDOUT, -ECANCELED, -ECONNRESET, -EPIPE …
 * and leave the stream fit for nothing but closing, except a timed-out or cancelled fill. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/address.h"
#include "net/tls.h"

struct net_stream;

/* Connects to one address. `local` may be NULL. On success *stream is the caller's to close. */
int net_stream_connect(const struct net_address *peer, const struct net_address *local,
                       uint64_t deadline_ms, struct net_stream **stream);

/* Tries the addresses in order with a head start of 250 ms each (RFC 8305 section 5); the first that
 * answers wins, the others are dropped. `winner` (may be NULL) is its index. */
int net_stream_connect_first(const struct net_address peers[], size_t count,
                             uint64_t deadline_ms, struct net_stream **stream,
                             size_t *winner, struct err *err);

/* Closes at once, without waiting; unsent bytes are lost. NULL is ignored. */
void net_stream_close(struct net_stream *stream);

const struct net_address *net_stream_peer(const struct net_stream *stream);
const struct net_address *net_stream_local(const struct net_stream *stream);
/* What a PROXY header told: replaces peer and local (local may be NULL). */
void net_stream_set_peer(struct net_stream *stream, const struct net_address *peer,
                         const struct net_address *local);

/* --- input: look at what has come, consume it, wait for more --- */

/* The bytes received and not yet consumed; valid until the next fill, consume or close. */
struct str net_stream_input(const struct net_stream *stream);
void net_stream_consume(struct net_stream *stream, size_t bytes);
/* Waits until input grows: > 0 its new length; 0 at the end of the stream (TLS: with or without
 * close_notify); negative errno. Reading from the peer pauses while 64 KiB wait to be consumed;
 * -ENOBUFS when the caller asks for more without consuming any of them. */
int net_stream_fill(struct net_stream *stream, uint64_t deadline_ms);
/* True when the peer is known to have closed or the connection has failed: an idle connection in a
 * pool is then no good. */
bool net_stream_is_dead(const struct net_stream *stream);

/* --- output --- */

/* Sends all parts, as one write where the kernel takes it; returns 0 when they are in the kernel. */
int net_stream_write(struct net_stream *stream, const struct str parts[], size_t count,
                     uint64_t deadline_ms);
/* Sends what can be sent without waiting: for last words on the way out (421). */
void net_stream_write_now(struct net_stream *stream, struct str bytes);

/* --- TLS --- */

/* Server side of a handshake. Input received so far is dropped first: it came in the clear and must
 * not be taken for protected (RFC 3207 section 4.2). */
int net_stream_tls_accept(struct net_stream *stream, struct tls_server *server,
                          uint64_t deadline_ms, struct err *err);
/* The same on a listener with implicit TLS: input received so far (behind a PROXY header, say) is the
 * beginning of the handshake. */
int net_stream_tls_accept_implicit(struct net_stream *stream, struct tls_server *server,
                                   uint64_t deadline_ms, struct err *err);
/* Client side: `name` is sent as SNI and, with TLS_VERIFY_PEER, must be in the certificate. */
int net_stream_tls_connect(struct net_stream *stream, struct tls_client *client,
                           enum tls_trust trust, const char *name, uint64_t deadline_ms,
                           struct err *err);
/* "TLSv1.3" and "TLS_AES_256_GCM_SHA384"; NULL in the clear. */
const char *net_stream_tls_version(const struct net_stream *stream);
const char *net_stream_tls_cipher(const struct net_stream *stream);
/* Sends close_notify as far as it goes without waiting. */
void net_stream_tls_close_notify(struct net_stream *stream);

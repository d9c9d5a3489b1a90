/* TLS contexts, made once and shared by streams; counted, so that a reload never disturbs a session
 * that uses an older one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct tls_server;
struct tls_client;

struct tls_certificate {
    const char *chain_file; /* PEM: the certificate, then its issuers */
    const char *key_file;   /* PEM */
};

/* Loads the certificates; SNI picks by the names in them (a wildcard covers one label), the first is
 * for everybody else. TLS 1.2 at least. NULL and `err` (which file, why) on failure. */
struct tls_server *tls_server_new(const struct tls_certificate certificates[], size_t count,
                                  struct err *err);
/* A self-signed certificate made in memory, for `postern dev` and tests. */
struct tls_server *tls_server_new_self_signed(const char *host_name, struct err *err);
struct tls_server *tls_server_keep(struct tls_server *server);
void tls_server_release(struct tls_server *server);

enum tls_trust {
    TLS_ANY_PEER,    /* opportunistic: encrypt, whoever it is (RFC 7435) */
    TLS_VERIFY_PEER, /* chain to a trusted root and the name must match */
};

/* `ca_file` NULL: the system's roots. One context serves both kinds of trust. */
struct tls_client *tls_client_new(const char *ca_file, struct err *err);
void tls_client_free(struct tls_client *client);

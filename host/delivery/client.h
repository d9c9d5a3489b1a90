/* An SMTP client's side of one connection (RFC 5321 section 3): opened once, then used for one message
 * after another. */
#pragma once

#include "delivery.h"

#include "base/list.h"
#include "net/stream.h"

struct client;

/* How a step ended that needs words: theirs, or ours when they said nothing usable. */
struct client_verdict {
    enum client_end {
        CLIENT_DELIVERED,
        CLIENT_REFUSED, /* the last word on this message: another host would not help, or must not
                             be asked since this one may have the message */
        CLIENT_TRY_OTHER, /* not by this host now; another one may take it */
        CLIENT_WAS_DEAD, /* a kept connection was no good any more: nothing has been tried */
    } end;
    struct reply reply;
    bool is_from_peer;
};

struct client_target {
    struct str name; /* for SNI, verification and people */
    const struct net_address *addresses;
    size_t address_count;
    enum delivery_tls tls;
    struct tls_client *trust;
    const struct delivery_options *options;
};

/* Connects, takes the greeting, says EHLO (HELO), starts TLS as the target wants. NULL with a verdict
 * (CLIENT_TRY_OTHER) when that fails. */
struct client *client_open(const struct client_target *target,
                           struct client_verdict *verdict);
/* Says QUIT if the peer may still listen, does not wait for an answer. */
void client_close(struct client *client);

/* One message for one recipient. */
void client_send(struct client *client, const struct delivery_request *request,
                 const struct delivery_options *options, struct arena *arena,
                 struct client_verdict *verdict);

/* Fit for another message. */
bool client_is_usable(const struct client *client);
/* The peer offers DSN, so it is told what a request says of it. */
bool client_has_dsn(const struct client *client);
size_t client_message_count(const struct client *client);
/* "mx1.dest.test[192.0.2.1]:25", valid as long as the client. */
struct str client_peer(const struct client *client);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384" in the arena, or empty. */
struct str client_tls(const struct client *client, struct arena *arena);

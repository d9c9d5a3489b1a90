/* Delivery of one message to one recipient, now, while its sender waits. Three ways behind one call:
 * SMTP to the recipient's MX or a static route; a captured outbox (`postern dev`); a function (tests and
 * `postern run`). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "mail/delivery_notice.h"
#include "mail/mailbox.h"
#include "net/dns.h"
#include "net/tls.h"
#include "smtp/reply.h"

enum delivery_tls {
    DELIVERY_TLS_OPPORTUNISTIC, /* STARTTLS when offered, any certificate; in the clear if it fails */
    DELIVERY_TLS_NONE,
    DELIVERY_TLS_REQUIRED, /* STARTTLS, any certificate */
    DELIVERY_TLS_VERIFIED, /* STARTTLS, certificate verified for the host name */
    DELIVERY_TLS_IMPLICIT, /* TLS from the first byte, verified */
};

/* `routes:` in host.yaml. */
struct delivery_route {
    struct str domain; /* normal form; "*": all others; ".example.com": all below */
    struct str host;   /* a name (A/AAAA asked, no MX) or an address */
    uint16_t port;
    enum delivery_tls tls;
};

struct delivery_options {
    const char *host_name; /* for EHLO */
    struct delivery_route *routes;
    size_t route_count;
    enum delivery_tls tls;                    /* without a route */
    uint16_t mx_port;                         /* 25 */
    const char *ca_file;                      /* NULL: system */
    uint32_t connections_per_destination_max; /* 20; more wait */
    uint32_t messages_per_connection_max;     /* 1,000 */
    uint32_t idle_ms;                         /* a kept connection closes after: 30 s */
    uint32_t mx_hosts_max;                    /* tried for one message: 5 */
    uint32_t rate_per_host; /* messages a minute to one MX host, of this process; 0: any */
    uint32_t connect_timeout_ms;    /* 30 s */
    uint32_t greeting_timeout_ms;   /* RFC 5321 4.5.3.2.1: 5 min */
    uint32_t command_timeout_ms;    /* MAIL, RCPT, EHLO …: 5 min */
    uint32_t data_start_timeout_ms; /* 2 min */
    uint32_t data_block_timeout_ms; /* 3 min */
    uint32_t data_end_timeout_ms;   /* 10 min */
    uint32_t
        total_timeout_ms; /* for one in-session delivery in all; the sender waits at most 10 min */
    bool ipv6;            /* use AAAA records */
};

struct delivery_request {
    const struct mailbox *reverse_path;
    const struct mailbox *recipient;
    const struct str *parts; /* the message, CRLF lines, no dot-stuffing, in pieces */
    size_t part_count;
    bool is_8bit;
    bool is_utf8;
    struct str message_id; /* Postern's name for it, for stages and capture */
    /* What the sender wants to be told, for a peer that offers DSN (RFC 3461); NULL: nothing was said. */
    const struct dsn_envelope *dsn;
    const struct dsn_recipient *dsn_recipient;
};

enum delivery_status { DELIVERY_OK, DELIVERY_TEMPORARY, DELIVERY_PERMANENT };

struct delivery_result {
    enum delivery_status status;
    struct reply
        reply; /* the peer's own words; or ours, when no peer said anything (451 4.4.1 …) */
    bool is_from_peer; /* whose words `reply` are */
    struct str peer;   /* "mx1.dest.test[192.0.2.1]:25", or empty; in the arena */
    struct str tls;    /* "TLSv1.3 TLS_AES_256_GCM_SHA384", or empty */
    uint64_t duration_ms;
    bool used_kept_connection;
    /* The peer was told what the sender wants to know: NOTIFY=SUCCESS is its to answer. */
    bool peer_has_dsn;
    /* Temporary, and not for anything in this message: no DNS, no connection, no greeting, 421. Another message would
     * have fared alike. */
    bool is_of_destination;
    /* Temporary, since a limit of ours (rate_per_host) kept it from being tried: to wait before another try. */
    uint64_t wait_ms;
};

struct delivery;

/* Options are copied. `dns` is borrowed. */
struct delivery *delivery_open(const struct delivery_options *options, struct dns *dns,
                               struct err *err);
/* Everything lands as a file in the directory: <time>-<message id>-<n>.eml, with the envelope in
 * X-Postern-Envelope-From / -To on top. */
struct delivery *delivery_open_outbox(const char *directory, struct err *err);
typedef void delivery_capture_fn(void *arg, const struct delivery_request *request,
                                 struct arena *arena, struct delivery_result *result);
struct delivery *delivery_open_capture(delivery_capture_fn *capture, void *arg);
/* Closes kept connections (QUIT, without waiting). No delivery may be under way. */
void delivery_close(struct delivery *delivery);
/* New options for new deliveries; those under way and kept connections go on with theirs. Copied.
 * Returns 0, or a negative errno and `err` (the CA file cannot be loaded) with the old ones standing. */
int delivery_reconfigure(struct delivery *delivery, const struct delivery_options *options,
                         struct err *err);

/* Delivers. Always answers: a fault of ours, a time-out, a cancellation are DELIVERY_TEMPORARY. The
 * request need not outlive the call. */
void delivery_send(struct delivery *delivery, const struct delivery_request *request,
                   struct arena *arena, struct delivery_result *result);

/* For `postern status`. */
void delivery_each_connection(const struct delivery *delivery,
                              void (*see)(struct str peer, bool is_idle, size_t messages,
                                          void *arg),
                              void *arg);

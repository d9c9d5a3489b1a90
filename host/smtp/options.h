/* What an administrator sets for the receiver; host/config.c's option table fills it in. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"

enum smtp_listener_tls { SMTP_TLS_STARTTLS, SMTP_TLS_IMPLICIT, SMTP_TLS_OFF };

struct smtp_listener_options {
    struct net_address address;
    enum smtp_listener_tls tls;
    struct net_block
        *proxies; /* peers that must send a PROXY header first; others may not */
    size_t proxy_count;
    int inherited_socket; /* one that is bound there already; 0: opens its own */
};

struct smtp_options {
    const char *host_name; /* in greeting, EHLO and Received */
    struct smtp_listener_options *listeners;
    size_t listener_count;
    /* sizes */
    uint64_t message_bytes_max; /* 25 MiB */
    uint64_t memory_bytes_max;  /* of all messages being received: 452 4.3.1 past it */
    uint32_t recipients_max;    /* 100 */
    uint32_t command_bytes_max; /* 2,048 with CRLF */
    uint32_t line_bytes_max;    /* of a message, with CRLF: 8,192 */
    uint32_t header_bytes_max;  /* 256 KiB */
    uint32_t hops_max;          /* Received fields: 50 */
    /* patience */
    uint32_t errors_max;                  /* 5xx and syntax errors per session: 10 */
    uint32_t transactions_max;            /* per session: 1,000 */
    uint32_t connections_max;             /* 5,000 */
    uint32_t connections_per_address_max; /* 50; IPv6: per /64 */
    uint32_t command_timeout_ms;          /* 5 min */
    uint32_t data_timeout_ms;             /* between blocks: 3 min */
    uint32_t message_timeout_ms;          /* for one message's DATA in all: 30 min */
    uint32_t data_rate_min;               /* bytes a second over any minute of DATA: 100 */
    uint32_t tls_handshake_timeout_ms;    /* 30 s */
    /* Waits a moment before the greeting and refuses (554) who speaks first. Off: who has spoken by then is
     * only noted. */
    bool reject_early_talkers;
};

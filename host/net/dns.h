/* DNS through libunbound: one context per process, its answers brought to the waiting task by the
 * loop. Caches. Every answer is untrusted: counts and lengths are bounded here. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "net/address.h"

struct dns;

struct dns_options {
    /* "192.0.2.1@5353": a forwarder; NULL: those of /etc/resolv.conf, without any the roots */
    const char *resolver;
    uint32_t timeout_ms;           /* for one question, 0: 10 s */
    const char *trust_anchor_file; /* DS or DNSKEY of the root; NULL: no DNSSEC */
};

enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28 };

enum dns_status {
    DNS_OK,         /* there are records */
    DNS_NO_RECORDS, /* the name exists, no record of this type (NODATA) */
    DNS_NO_NAME,    /* NXDOMAIN */
    DNS_FAILED,     /* SERVFAIL, time-out, refused, bogus, malformed: ask again later */
};

/* One record. For A/AAAA `address` (port 0); MX: preference and `name`; PTR: `name`; TXT: `text`, its
 * strings joined. Names are without the final dot, in lower case; the root is "". */
struct dns_record {
    uint16_t preference;
    struct str name;
    struct str text;
    struct net_address address;
};

#define DNS_RECORDS_MAX 128

struct dns_answer {
    enum dns_status status;
    bool is_secure; /* DNSSEC validated */
    uint32_t ttl_s;
    size_t count;
    struct dns_record *records;
    const char *why; /* for DNS_FAILED, words for the log */
};

struct dns *dns_open(const struct dns_options *options, struct err *err);
/* Waiting questions end with -ECANCELED. */
void dns_close(struct dns *dns);

/* Asks; `name` is an A-label domain name without final dot. The answer lives in the arena. Returns 0
 * with the answer (whatever its status; a time-out of the question itself is DNS_FAILED), or
 * -ECANCELED / -ETIMEDOUT for the task. */
int dns_ask(struct dns *dns, struct str name, enum dns_type type, struct arena *arena,
            struct dns_answer *answer);

/* The name to ask PTR for: "1.2.0.192.in-addr.arpa", "….ip6.arpa". */
struct str dns_reverse_name(const struct net_address *address, struct arena *arena);

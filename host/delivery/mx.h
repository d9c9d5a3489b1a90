/* The hosts that take mail for a domain, and their addresses (RFC 5321 section 5, RFC 7505). */
#pragma once

#include "base/arena.h"
#include "net/dns.h"
#include "smtp/reply.h"

struct mx_hosts {
    struct str *names; /* in the order to be tried */
    size_t count;
};

/* Asks for the MX records of a domain: by preference, equal ones in random order; without any record the
 * domain itself. Left out: names that are addresses, `own_name` and all hosts not preferred to it. False
 * with `why` when there is no host: null MX, no such domain, all left out, or DNS has failed. */
bool mx_find(struct dns *dns, struct str domain, struct str own_name, struct arena *arena,
             struct mx_hosts *hosts, struct reply *why);

struct mx_host {
    struct str name; /* or an address in text, which is its own answer */
    uint16_t port;
    bool use_ipv6;
};

struct mx_addresses {
    struct net_address *addresses; /* IPv6 and IPv4 by turns, IPv6 first */
    size_t count;
};

/* Asks for AAAA (if wanted) and A in parallel. False with `why` (permanent: the host has none; temporary:
 * DNS has failed). */
bool mx_find_addresses(struct dns *dns, const struct mx_host *host, struct arena *arena,
                       struct mx_addresses *found, struct reply *why);

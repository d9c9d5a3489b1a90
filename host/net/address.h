/* An IP address with a port. IPv4-mapped IPv6 addresses are held as IPv4. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define NET_ADDRESS_TEXT_BYTES 64

struct net_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } socket;
};

/* "192.0.2.1", "2001:db8::1", "[2001:db8::1]": no names. Returns 0 or -EINVAL. */
int net_address_parse(struct str text, uint16_t port, struct net_address *address);
/* "192.0.2.1:25", "[::1]:25" and, when default_port is not 0, an address without a port. */
int net_address_parse_port(struct str text, uint16_t default_port,
                           struct net_address *address);
void net_address_from_socket(const struct sockaddr *socket, struct net_address *address);

uint16_t net_address_port(const struct net_address *address);
bool net_address_is_v6(const struct net_address *address);
bool net_address_is_loopback(const struct net_address *address);
/* Same IP, whatever the ports. */
bool net_address_same_ip(const struct net_address *a, const struct net_address *b);
/* The 4 or 16 bytes of the IP. */
struct str net_address_bytes(const struct net_address *address);

/* "192.0.2.1" / "2001:db8::1" into text, which is returned. */
const char *net_address_ip_text(const struct net_address *address,
                                char text[NET_ADDRESS_TEXT_BYTES]);
/* "192.0.2.1:25" / "[2001:db8::1]:25". */
const char *net_address_text(const struct net_address *address,
                             char text[NET_ADDRESS_TEXT_BYTES]);

/* A network in CIDR form ("192.0.2.0/24", "2001:db8::/32", a bare address is a host route). */
struct net_block {
    struct net_address base;
    unsigned prefix_bits;
};
int net_block_parse(struct str text, struct net_block *block);
bool net_block_contains(const struct net_block *block, const struct net_address *address);

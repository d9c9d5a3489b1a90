/* Whom an address belongs to: everybody's Internet, or this machine, its networks and what else a stranger must not be
 * able to reach through us. */
#pragma once

#include <stdbool.h>

#include "net/address.h"

/* A unicast address that is routed on the Internet (IANA special-purpose registries, RFC 6890): not loopback, private,
 * link-local, shared (RFC 6598), for documentation, benchmarks, multicast or reserved; nor an IPv6 form that an IPv4
 * address hides in (6to4, Teredo, NAT64). */
bool net_address_is_public(const struct net_address *address);

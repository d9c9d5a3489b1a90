#include "address_scope.h"

#include "base/mem.h"

/* IPv4-mapped addresses are IPv4 here (net/address.h). */
static const char *const closed_v4[] = {
    "0.0.0.0/8",       "10.0.0.0/8",      "100.64.0.0/10",   "127.0.0.0/8",
    "169.254.0.0/16",  "172.16.0.0/12",   "192.0.0.0/24",    "192.0.2.0/24",
    "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",  "192.168.0.0/16",
    "192.175.48.0/24", "198.18.0.0/15",   "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4",     "240.0.0.0/4",
};

/* Within 2000::/3, outside of which nothing is open. */
static const char *const closed_v6[] = {
    "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
};

static bool is_within(const struct net_address *address, const char *const blocks[],
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct net_block block;
        invariant(net_block_parse(str_of(blocks[i]), &block) == 0,
                  "net: a block of addresses is malformed");
        if (net_block_contains(&block, address))
            return true;
    }
    return false;
}

bool net_address_is_public(const struct net_address *address)
{
    static const char *const open_v6[] = {"2000::/3"};
    if (!net_address_is_v6(address))
        return !is_within(address, closed_v4, sizeof closed_v4 / sizeof *closed_v4);
    return is_within(address, open_v6, 1) &&
           !is_within(address, closed_v6, sizeof closed_v6 / sizeof *closed_v6);
}

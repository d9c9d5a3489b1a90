#include "net/admission.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"

#define V6_CLIENT_BYTES 8 /* a /64 */

struct address_count {
    size_t connections;
};

struct net_admission {
    struct table *addresses; /* of struct address_count, never 0 */
    size_t connections;
};

struct net_admission *net_admission_new(void)
{
    struct net_admission *admission = mem_zero(1, sizeof *admission);
    admission->addresses = table_new();
    return admission;
}

void net_admission_free(struct net_admission *admission)
{
    invariant(admission->connections == 0, "net: connections outlive their count");
    table_free(admission->addresses);
    free(admission);
}

static struct str key_of(const struct net_address *peer)
{
    struct str bytes = net_address_bytes(peer);
    return net_address_is_v6(peer) ? str_part(bytes, 0, V6_CLIENT_BYTES) : bytes;
}

enum net_admission_result net_admission_ask(const struct net_admission *admission,
                                            size_t connections_max, size_t per_address_max,
                                            const struct net_address *peer)
{
    if (admission->connections >= connections_max)
        return NET_FULL;
    const struct address_count *count = table_get(admission->addresses, key_of(peer));
    return count && count->connections >= per_address_max ? NET_ADDRESS_FULL : NET_ADMITTED;
}

void net_admission_enter(struct net_admission *admission, const struct net_address *peer)
{
    struct address_count *count = table_get(admission->addresses, key_of(peer));
    if (!count) {
        count = mem_zero(1, sizeof *count);
        table_set(admission->addresses, key_of(peer), count);
    }
    count->connections++;
    admission->connections++;
}

void net_admission_leave(struct net_admission *admission, const struct net_address *peer)
{
    struct address_count *count = table_get(admission->addresses, key_of(peer));
    invariant(count && admission->connections, "net: one left that never entered");
    admission->connections--;
    if (--count->connections == 0)
        free(table_remove(admission->addresses, key_of(peer)));
}

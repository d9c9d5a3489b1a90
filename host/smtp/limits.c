#include "smtp/limits.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"

#define V6_CLIENT_BYTES 8 /* a /64 */

struct address_count {
    size_t sessions;
};

struct smtp_limits {
    struct table *addresses; /* of struct address_count, never 0 */
    size_t sessions;
    uint64_t memory_bytes;
};

struct smtp_limits *smtp_limits_new(void)
{
    struct smtp_limits *limits = mem_zero(1, sizeof *limits);
    limits->addresses = table_new();
    return limits;
}

void smtp_limits_free(struct smtp_limits *limits)
{
    invariant(limits->sessions == 0, "smtp: limits freed with sessions");
    table_free(limits->addresses);
    free(limits);
}

static struct str key_of(const struct net_address *peer)
{
    struct str bytes = net_address_bytes(peer);
    return net_address_is_v6(peer) ? str_part(bytes, 0, V6_CLIENT_BYTES) : bytes;
}

enum smtp_admission smtp_limits_enter(struct smtp_limits *limits,
                                      const struct smtp_options *options,
                                      const struct net_address *peer)
{
    if (limits->sessions >= options->connections_max)
        return SMTP_FULL;
    struct address_count *count = table_get(limits->addresses, key_of(peer));
    if (count && count->sessions >= options->connections_per_address_max)
        return SMTP_ADDRESS_FULL;
    if (!count) {
        count = mem_zero(1, sizeof *count);
        table_set(limits->addresses, key_of(peer), count);
    }
    count->sessions++;
    limits->sessions++;
    return SMTP_ADMITTED;
}

void smtp_limits_leave(struct smtp_limits *limits, const struct net_address *peer)
{
    struct address_count *count = table_get(limits->addresses, key_of(peer));
    invariant(count && limits->sessions, "smtp: a session left that never entered");
    limits->sessions--;
    if (--count->sessions == 0)
        free(table_remove(limits->addresses, key_of(peer)));
}

bool smtp_limits_hold_memory(struct smtp_limits *limits, const struct smtp_options *options,
                             uint64_t bytes)
{
    if (bytes > options->memory_bytes_max ||
        limits->memory_bytes > options->memory_bytes_max - bytes)
        return false;
    limits->memory_bytes += bytes;
    return true;
}

void smtp_limits_release_memory(struct smtp_limits *limits, uint64_t bytes)
{
    invariant(bytes <= limits->memory_bytes, "smtp: more memory released than held");
    limits->memory_bytes -= bytes;
}

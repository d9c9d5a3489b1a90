#include "smtp/limits.h"

#include <stdlib.h>

#include "base/mem.h"

struct smtp_limits {
    struct net_admission *sessions;
    uint64_t memory_bytes;
};

struct smtp_limits *smtp_limits_new(void)
{
    struct smtp_limits *limits = mem_zero(1, sizeof *limits);
    limits->sessions = net_admission_new();
    return limits;
}

void smtp_limits_free(struct smtp_limits *limits)
{
    net_admission_free(limits->sessions);
    free(limits);
}

enum net_admission_result smtp_limits_enter(struct smtp_limits *limits,
                                            const struct smtp_options *options,
                                            const struct net_address *peer)
{
    enum net_admission_result result =
        net_admission_ask(limits->sessions, options->connections_max,
                          options->connections_per_address_max, peer);
    if (result == NET_ADMITTED)
        net_admission_enter(limits->sessions, peer);
    return result;
}

void smtp_limits_leave(struct smtp_limits *limits, const struct net_address *peer)
{
    net_admission_leave(limits->sessions, peer);
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

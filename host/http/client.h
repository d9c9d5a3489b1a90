/* Who has sent a request: its peer, or, where that is a proxy that we trust, whom the proxy names. */
#pragma once

#include "http/options.h"

struct http_client_view {
    struct net_address address;
    bool is_https; /* also as a proxy says */
};

/* X-Forwarded-For is read from its end, where the nearest proxy writes: the first address that is not a trusted proxy's is
 * the client's; what stands before it anybody could have written. */
struct http_client_view http_client_view(const struct http_server_options *options,
                                         const struct http_server_request *request);

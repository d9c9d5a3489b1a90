/* What an administrator sets under `http:`; host/config_http.c fills it in. */
#pragma once

#include "net/http_server.h"

struct http_listener_options {
    struct net_address address;
    bool is_tls;          /* from the first byte */
    int inherited_socket; /* bound, from a supervisor; 0: open one */
};

struct http_options {
    struct http_server_options server;
    struct http_listener_options *listeners; /* none: no HTTP */
    size_t listener_count;
    bool may_listen_elsewhere; /* `postern dev`: on another port, when this one is taken */
    uint32_t requests_per_worker_max;
};

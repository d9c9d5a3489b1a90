/* A listening socket that starts a task for every connection it accepts. */
#pragma once

#include "base/err.h"
#include "net/stream.h"

struct net_listener;

/* Runs in a task of its own; owns `stream` and closes it. */
typedef void net_connection_fn(struct net_stream *stream, void *arg);

/* Listens with a backlog of SOMAXCONN. Port 0 lets the kernel choose: net_listener_address tells. */
struct net_listener *net_listener_open(const struct net_address *address,
                                       const char *task_name,
                                       net_connection_fn *on_connection, void *arg,
                                       struct err *err);
/* On a bound socket that other processes hold too (it is this one's to close, whatever comes of it):
 * net_listener_close() stops it (listening_socket.h), since the kernel would go on to queue connections that nobody
 * accepts. */
struct net_listener *net_listener_adopt(int socket, const char *task_name,
                                        net_connection_fn *on_connection, void *arg,
                                        struct err *err);
const struct net_address *net_listener_address(const struct net_listener *listener);
/* Accepts no more; connections go on. */
void net_listener_close(struct net_listener *listener);

/* A local listener for the control socket (mode 0600); a stale socket file is replaced. */
struct net_listener *net_listener_open_local(const char *path, const char *task_name,
                                             net_connection_fn *on_connection, void *arg,
                                             struct err *err);
/* Connects to such a socket. */
int net_stream_connect_local(const char *path, uint64_t deadline_ms,
                             struct net_stream **stream);

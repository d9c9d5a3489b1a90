/* Listening TCP sockets as such, without a loop: for who opens them to hand them on to other processes. */
#pragma once

#include "address.h"

#include "base/err.h"

enum net_socket_sharing {
    NET_SOCKET_ALONE,
    NET_SOCKET_SHARED, /* SO_REUSEPORT: the kernel divides connections among all that listen there */
};

/* Binds: a descriptor, non-blocking and close-on-exec, or negative errno with `err`. */
int net_listening_socket_bind(const struct net_address *address,
                              enum net_socket_sharing sharing, struct err *err);
/* Listens with a backlog of SOMAXCONN, if it does not yet: 0 or negative errno. From here on the kernel gives it
 * connections, whether or not somebody accepts them. */
int net_listening_socket_listen(int socket);
/* Both. */
int net_listening_socket_open(const struct net_address *address,
                              enum net_socket_sharing sharing, struct err *err);
/* Where it is bound to: the port that the kernel chose, when it was 0. */
void net_listening_socket_address(int socket, struct net_address *address);

/* Takes no more connections and resets those that nobody has accepted, in all processes that hold the
 * socket. For good: Linux gives a socket that listens anew no share among those of its port. */
void net_listening_socket_stop(int socket);
bool net_listening_socket_is_open(int socket);

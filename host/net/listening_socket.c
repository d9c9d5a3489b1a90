#include "listening_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int set_options(int socket, bool is_v6, enum net_socket_sharing sharing)
{
    int on = 1;
    if (setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        (sharing == NET_SOCKET_SHARED &&
         setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0) ||
        (is_v6 && setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0))
        return -errno;
    return 0;
}

/* Closes the socket, if there is one. */
static int fail(int socket, const struct net_address *address, int code, struct err *err)
{
    char text[NET_ADDRESS_TEXT_BYTES];
    if (socket >= 0)
        close(socket);
    return err_set(err, code, "cannot listen on %s: %s", net_address_text(address, text),
                   strerror(-code));
}

int net_listening_socket_bind(const struct net_address *address,
                              enum net_socket_sharing sharing, struct err *err)
{
    bool is_v6 = net_address_is_v6(address);
    int opened = socket(address->socket.any.sa_family,
                        SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int result = opened < 0 ? -errno : set_options(opened, is_v6, sharing);
    if (result == 0 &&
        bind(opened, &address->socket.any,
             is_v6 ? sizeof address->socket.v6 : sizeof address->socket.v4) < 0)
        result = -errno;
    return result < 0 ? fail(opened, address, result, err) : opened;
}

int net_listening_socket_listen(int socket)
{
    return listen(socket, SOMAXCONN) < 0 ? -errno : 0;
}

int net_listening_socket_open(const struct net_address *address,
                              enum net_socket_sharing sharing, struct err *err)
{
    int opened = net_listening_socket_bind(address, sharing, err);
    int result = opened < 0 ? opened : net_listening_socket_listen(opened);
    return opened >= 0 && result < 0 ? fail(opened, address, result, err) : opened;
}

void net_listening_socket_address(int socket, struct net_address *address)
{
    struct sockaddr_storage name = {0};
    socklen_t length = sizeof name;
    if (getsockname(socket, (struct sockaddr *)&name, &length) == 0 &&
        (name.ss_family == AF_INET || name.ss_family == AF_INET6))
        net_address_from_socket((struct sockaddr *)&name, address);
}

void net_listening_socket_stop(int socket)
{
    shutdown(socket, SHUT_RDWR);
}

bool net_listening_socket_is_open(int socket)
{
    int is_listening = 0;
    socklen_t length = sizeof is_listening;
    return getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &length) == 0 &&
           is_listening;
}

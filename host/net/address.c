#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const unsigned char mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static void set_v4(struct net_address *address, const void *ip, uint16_t port)
{
    *address = (struct net_address){0};
    address->socket.v4.sin_family = AF_INET;
    address->socket.v4.sin_port = htons(port);
    memcpy(&address->socket.v4.sin_addr, ip, 4);
}

static void set_v6(struct net_address *address, const struct in6_addr *ip, uint16_t port)
{
    if (memcmp(ip, mapped_prefix, sizeof mapped_prefix) == 0) {
        set_v4(address, ip->s6_addr + sizeof mapped_prefix, port);
        return;
    }
    *address = (struct net_address){0};
    address->socket.v6.sin6_family = AF_INET6;
    address->socket.v6.sin6_port = htons(port);
    address->socket.v6.sin6_addr = *ip;
}

static struct str without_brackets(struct str text)
{
    if (text.length >= 2 && text.at[0] == '[' && text.at[text.length - 1] == ']')
        return str_part(text, 1, text.length - 2);
    return text;
}

int net_address_parse(struct str text, uint16_t port, struct net_address *address)
{
    struct str bare = without_brackets(text);
    char ip[INET6_ADDRSTRLEN];
    if (bare.length == 0 || bare.length >= sizeof ip || str_index(bare, '\0') >= 0)
        return -EINVAL;
    memcpy(ip, bare.at, bare.length);
    ip[bare.length] = '\0';
    struct in6_addr v6;
    struct in_addr v4;
    if (inet_pton(AF_INET6, ip, &v6) == 1) {
        set_v6(address, &v6, port);
        return 0;
    }
    if (bare.length == text.length && inet_pton(AF_INET, ip, &v4) == 1) {
        set_v4(address, &v4, port);
        return 0;
    }
    return -EINVAL;
}

int net_address_parse_port(struct str text, uint16_t default_port,
                           struct net_address *address)
{
    ptrdiff_t colon = str_last_index(text, ':');
    bool is_bracketed = text.length && text.at[0] == '[';
    bool has_port = colon >= 0 && (is_bracketed ? colon > 0 && text.at[colon - 1] == ']'
                                                : str_index(text, ':') == colon);
    if (!has_port)
        return default_port ? net_address_parse(text, default_port, address) : -EINVAL;
    unsigned long long port;
    if (!str_to_number(str_from(text, (size_t)colon + 1), &port) || port > UINT16_MAX)
        return -EINVAL;
    return net_address_parse(str_part(text, 0, (size_t)colon), (uint16_t)port, address);
}

void net_address_from_socket(const struct sockaddr *socket, struct net_address *address)
{
    *address = (struct net_address){0};
    if (socket->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, socket, sizeof v4);
        set_v4(address, &v4.sin_addr, ntohs(v4.sin_port));
    } else if (socket->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, socket, sizeof v6);
        set_v6(address, &v6.sin6_addr, ntohs(v6.sin6_port));
        if (net_address_is_v6(address))
            address->socket.v6.sin6_scope_id = v6.sin6_scope_id;
    }
}

uint16_t net_address_port(const struct net_address *address)
{
    return ntohs(net_address_is_v6(address) ? address->socket.v6.sin6_port
                                            : address->socket.v4.sin_port);
}

bool net_address_is_v6(const struct net_address *address)
{
    return address->socket.any.sa_family == AF_INET6;
}

bool net_address_is_loopback(const struct net_address *address)
{
    if (net_address_is_v6(address))
        return IN6_IS_ADDR_LOOPBACK(&address->socket.v6.sin6_addr);
    return net_address_bytes(address).length && net_address_bytes(address).at[0] == 127;
}

bool net_address_same_ip(const struct net_address *a, const struct net_address *b)
{
    return str_equal(net_address_bytes(a), net_address_bytes(b));
}

struct str net_address_bytes(const struct net_address *address)
{
    if (net_address_is_v6(address))
        return (struct str){(const char *)&address->socket.v6.sin6_addr, 16};
    if (address->socket.any.sa_family == AF_INET)
        return (struct str){(const char *)&address->socket.v4.sin_addr, 4};
    return STR("");
}

const char *net_address_ip_text(const struct net_address *address,
                                char text[NET_ADDRESS_TEXT_BYTES])
{
    struct str ip = net_address_bytes(address);
    if (ip.length == 0)
        snprintf(text, NET_ADDRESS_TEXT_BYTES, "local");
    else
        inet_ntop(address->socket.any.sa_family, ip.at, text, NET_ADDRESS_TEXT_BYTES);
    return text;
}

const char *net_address_text(const struct net_address *address,
                             char text[NET_ADDRESS_TEXT_BYTES])
{
    char ip[NET_ADDRESS_TEXT_BYTES];
    net_address_ip_text(address, ip);
    if (address->socket.any.sa_family == AF_UNSPEC)
        return net_address_ip_text(address, text);
    bool is_v6 = net_address_is_v6(address);
    snprintf(text, NET_ADDRESS_TEXT_BYTES, is_v6 ? "[%.48s]:%u" : "%.48s:%u", ip,
             net_address_port(address));
    return text;
}

int net_block_parse(struct str text, struct net_block *block)
{
    struct str bits = text;
    struct str ip = str_cut(&bits, '/');
    if (net_address_parse(ip, 0, &block->base) < 0)
        return -EINVAL;
    unsigned bits_max = (unsigned)net_address_bytes(&block->base).length * 8;
    block->prefix_bits = bits_max;
    if (ip.length == text.length)
        return 0;
    unsigned long long number;
    bool is_mapped = !net_address_is_v6(&block->base) && str_index(ip, ':') >= 0;
    unsigned before = is_mapped ? (unsigned)sizeof mapped_prefix * 8 : 0;
    if (!str_to_number(bits, &number) || number < before || number - before > bits_max)
        return -EINVAL;
    block->prefix_bits = (unsigned)number - before;
    return 0;
}

bool net_block_contains(const struct net_block *block, const struct net_address *address)
{
    struct str base = net_address_bytes(&block->base), ip = net_address_bytes(address);
    if (base.length != ip.length)
        return false;
    size_t whole = block->prefix_bits / 8;
    unsigned rest = block->prefix_bits % 8;
    if (!str_equal(str_part(base, 0, whole), str_part(ip, 0, whole)))
        return false;
    unsigned difference = (unsigned char)base.at[whole < base.length ? whole : 0] ^
                          (unsigned char)ip.at[whole < ip.length ? whole : 0];
    return rest == 0 || difference >> (8 - rest) == 0;
}

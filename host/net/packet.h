/* One end of an AF_UNIX SOCK_SEQPACKET pair, on the loop: whole packets in and out, a file descriptor
 * beside one going out. One task receives; any number may send. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

#define NET_PACKET_PARTS_MAX      4
/* Of a packet that is gathered. */
#define NET_PACKET_GATHERED_MAX   16
#define NET_PACKET_GATHERED_BYTES ((size_t)64 * 1024)

struct net_packet_socket;

/* Takes over `fd` and makes it non-blocking. Returns 0 or negative errno (`fd` stays the caller's). */
int net_packet_open(int fd, struct net_packet_socket **opened);
/* Ends the connection: all who wait get -EPIPE, as does every later call. */
void net_packet_break(struct net_packet_socket *socket);
/* When nobody waits any more. */
void net_packet_close(struct net_packet_socket *socket);

/* Waits for the next packet: its length; 0 when the peer has closed; -EMSGSIZE when it was longer than
 * `room` (it is gone then); -ETIMEDOUT, -ECANCELED, negative errno. File descriptors that came beside
 * it are dropped. A peer that never pauses does not keep the loop from its other work. */
ssize_t net_packet_receive(struct net_packet_socket *socket, void *into, size_t room,
                           uint64_t deadline_ms);
/* Sends the parts (at most NET_PACKET_PARTS_MAX) as one packet, all or nothing, with a copy of `pass_fd`
 * unless it is -1, after what has been gathered; waits while the peer is behind. Returns 0, -ETIMEDOUT, -ECANCELED, negative errno. */
int net_packet_send(struct net_packet_socket *socket, const struct str parts[],
                    size_t count, int pass_fd, uint64_t deadline_ms);
/* Adds the parts to a packet that is gathered and goes out once the loop has had its turn, so that what is said to one
 * peer in a turn costs one packet; earlier when it would hold more than the above. Waits only while an earlier one
 * cannot go out. Returns as net_packet_send; that the peer has gone meanwhile, its receiver is told. */
int net_packet_gather(struct net_packet_socket *socket, const struct str parts[],
                      size_t count, uint64_t deadline_ms);

/* How many connections there are, in all and from each client: an IPv4 address, or an IPv6 /64. */
#pragma once

#include <stddef.h>

#include "net/address.h"

struct net_admission;

enum net_admission_result { NET_ADMITTED, NET_FULL, NET_ADDRESS_FULL };

struct net_admission *net_admission_new(void);
/* When all have left. */
void net_admission_free(struct net_admission *admission);

/* Would one more of this client be within these limits? Counts nothing. */
enum net_admission_result net_admission_ask(const struct net_admission *admission,
                                            size_t connections_max, size_t per_address_max,
                                            const struct net_address *peer);
void net_admission_enter(struct net_admission *admission, const struct net_address *peer);
/* One that has entered. */
void net_admission_leave(struct net_admission *admission, const struct net_address *peer);

/* Static routes by recipient domain. */
#pragma once

#include "delivery.h"

struct route_table;

/* Borrows the routes. Of several for one domain the last counts. */
struct route_table *route_table_new(const struct delivery_route routes[], size_t count);
void route_table_free(struct route_table *routes);

/* The route of the domain itself, else of the nearest ".domain" above it, else "*", else NULL. */
const struct delivery_route *route_table_find(const struct route_table *routes,
                                              struct str domain);

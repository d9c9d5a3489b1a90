/* One hash probe per label of the domain, however many routes there are. */
#include "route_table.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"

struct route_table {
    struct table *by_domain;
};

struct route_table *route_table_new(const struct delivery_route routes[], size_t count)
{
    struct route_table *table = mem_zero(1, sizeof *table);
    table->by_domain = table_new();
    for (size_t i = 0; i < count;
         i++) /* the table's values are not const; nobody writes them */
        table_set(table->by_domain, routes[i].domain, (void *)(uintptr_t)&routes[i]);
    return table;
}

void route_table_free(struct route_table *routes)
{
    if (!routes)
        return;
    table_free(routes->by_domain);
    free(routes);
}

const struct delivery_route *route_table_find(const struct route_table *routes,
                                              struct str domain)
{
    if (table_count(routes->by_domain) == 0)
        return NULL;
    const struct delivery_route *route = table_get(routes->by_domain, domain);
    struct str rest = domain;
    while (!route && str_index(rest, '.') >= 0) {
        rest = str_from(rest, (size_t)str_index(rest, '.'));
        route = table_get(routes->by_domain, rest);
        rest = str_from(rest, 1);
    }
    return route ? route : table_get(routes->by_domain, STR("*"));
}

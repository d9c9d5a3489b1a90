/* Owners: who holds something in a database, and until when. One is alive until its lease ends; what it holds then is
 * anybody's. Numbers are never used twice, so that one that is late does not touch what another holds now. */
#pragma once

#include <stdint.h>

#include "database.h"

#include "base/str.h"

#define STORE_OWNER_TABLE                                                                  \
    "CREATE TABLE owner(number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL "     \
    "UNIQUE,"                                                                              \
    " until_ms INTEGER NOT NULL);"

struct store_lease {
    struct str owner;
    uint64_t until_ms;
};

/* An operation with a struct store_lease: the owner is alive until then. */
int store_owner_renew(struct store_database *database, void *arg);
/* UINT64_MAX when there is none of this name. */
int store_owner_find(struct store_database *database, struct str name, uint64_t *number);

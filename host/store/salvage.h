/* A database that is corrupt is set aside (<name>.corrupt-<time>, with its log), and what can be read of it is put into a
 * new one. Only while no other host uses the store: another would go on writing to the old one. */
#pragma once

#include "schema.h"

struct store_salvage {
    char aside[64];          /* the name that it has now */
    uint64_t rows;           /* taken over */
    uint64_t messages, legs; /* of these, in the queue */
    uint64_t lost_legs,
        lost_messages; /* read, but of no use without what belongs to them */
};

/* Whether all that is cheap to look at is sound, or, `thoroughly`, everything: 0, -EBADMSG, or another negative errno
 * value. */
int store_salvage_check(struct store_database *database, const char *path,
                        const struct store_schema *schema, bool thoroughly,
                        struct err *err);

/* The database, which nobody has open, is opened anew, in the present schema, with the rows that could be read. */
int store_salvage_run(struct store_database *database, const char *path,
                      const struct store_schema *schema, enum store_durability durability,
                      struct store_salvage *salvage, struct err *err);

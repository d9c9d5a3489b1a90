/* The tables, as a list of steps: a database's user_version says how many of them it has taken. A step that was ever
 * released is never changed; what is new is one more step. */
#pragma once

#include "database.h"

struct store_schema {
    const char *name; /* of the file */
    const char *const *steps;
    size_t step_count;
};

extern const struct store_schema store_queue_schema;
extern const struct store_schema store_activity_schema;
extern const struct store_schema store_kv_schema;
extern const struct store_schema store_kept_schema;
extern const struct store_schema store_worker_queue_schema;

/* Takes the steps that are missing, in one transaction. Returns 0; -ENOTSUP for a database of a newer Postern; -EBADMSG
 * for a broken one; another negative errno value. */
int store_schema_migrate(struct store_database *database, const struct store_schema *schema,
                         struct err *err);

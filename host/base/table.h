/* A hash table from byte strings to pointers. Keys are hashed with a random key of this process, so
 * that nobody outside can choose keys that collide. */
#pragma once

#include "str.h"

struct table;

struct table *table_new(void);
/* Does not free the values; NULL is ignored. */
void table_free(struct table *table);

/* The value, or NULL. */
void *table_get(const struct table *table, struct str key);
/* Sets (a copy of the key is kept) and returns the value that stood there, or NULL; `value` is not
 * NULL. */
void *table_set(struct table *table, struct str key, void *value);
/* Takes out and returns the value, or NULL. */
void *table_remove(struct table *table, struct str key);
size_t table_count(const struct table *table);

/* Walks the table in no order: start with *position = 0; false at the end. The table must not change
 * meanwhile. */
bool table_next(const struct table *table, size_t *position, struct str *key, void **value);

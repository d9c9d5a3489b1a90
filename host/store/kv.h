/* Values that workers keep by key, in namespaces: <directory>/kv.db, or a database in memory. Used by any number of hosts
 * at once; what a function has written when it returns 0 is on stable storage (in memory: is there).
 *
 * All wait in a task, as store.h says, and return 0 or a negative errno value. Times are Unix seconds; a pair whose time
 * has come is no longer seen, and removed by and by. Keys are compared byte by byte. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct store_kv;
struct store;

/* Those of the store; they live as long as it does. */
struct store_kv *store_kv_of(struct store *store);
/* In memory: for trials, which keep nothing. NULL with the reason. */
struct store_kv *store_kv_open_memory(struct err *err);
/* In memory too, but what is not yet there is looked for below, which stays as it is and is not closed before. */
struct store_kv *store_kv_open_over(struct store_kv *below, struct err *err);
/* Of one in memory. NULL is ignored. */
void store_kv_close(struct store_kv *kv);

struct store_kv_pair {
    struct str key, value;
    struct str metadata; /* empty: none */
    uint64_t expires_s;  /* 0: never */
};

/* -ENOENT when there is none. In the arena. */
int store_kv_get(struct store_kv *kv, struct str space, struct str key, uint64_t now_s,
                 struct arena *arena, struct store_kv_pair *pair);
/* Replaces what stood there. */
int store_kv_put(struct store_kv *kv, struct str space, const struct store_kv_pair *pair);
/* 0 as well when there is none. */
int store_kv_delete(struct store_kv *kv, struct str space, struct str key);

struct store_kv_increment {
    struct str key;
    int64_t by;
    uint64_t expires_s; /* of a counter that is new; one that is there keeps its own */
    uint64_t now_s;
    int64_t value; /* what it is then */
};
/* Adds to a decimal number; none counts as 0. One step, whoever else does the same. -EINVAL: what stands there is no
 * such number; -ERANGE: past STORE_KV_NUMBER_MAX, either way. */
#define STORE_KV_NUMBER_MAX (INT64_C(1) << 53) /* what Lua counts to */
int store_kv_add(struct store_kv *kv, struct str space,
                 struct store_kv_increment *increment);

struct store_kv_listing {
    struct str prefix; /* of the keys */
    struct str after;  /* only keys after this one; empty: from the start */
    size_t limit;
    uint64_t now_s;
    struct store_kv_pair *pairs; /* in the order of their keys, without their values */
    size_t count;
    bool is_complete; /* there are none after the last of them */
};
/* In the arena. */
int store_kv_list(struct store_kv *kv, struct str space, struct store_kv_listing *listing,
                  struct arena *arena);

/* Removes some of the pairs whose time has come: how many; 0 when there are no more. */
int store_kv_purge(struct store_kv *kv, uint64_t now_s, size_t *count);

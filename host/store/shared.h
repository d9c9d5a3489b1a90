/* What the hosts that use one store share beside its databases: the file <directory>/flags. Its bytes are flags, mapped
 * by all; locks on its bytes (open file description locks, which end with their holder) say who does what.
 *
 * The turn: SQLite's own lock goes to whoever happens to ask when it is free, and a host that commits batch after batch
 * leaves it free for microseconds. So a host asks for it only while it holds the turn, which it keeps until it has the
 * lock: the next host waits with the turn in its hands while the first one writes, and is served before it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct store_shared;

/* NULL with the reason. */
struct store_shared *store_shared_open(const char *directory, struct err *err);
/* NULL is ignored. */
void store_shared_close(struct store_shared *shared);

/* One host at a time opens. Between both, whether no other host uses the store. */
int store_shared_begin_open(struct store_shared *shared, struct err *err);
bool store_shared_is_alone(const struct store_shared *shared);
/* From here on this host is one that uses it. */
void store_shared_end_open(struct store_shared *shared);

/* 0 or -EBUSY after STORE_BUSY_MS. Blocks: on the thread pool. */
int store_shared_take_turn(struct store_shared *shared);
void store_shared_end_turn(struct store_shared *shared);

enum store_flag {
    STORE_FLAG_LEDGER_USED,
    STORE_FLAG_SUSPECT, /* SQLite has called the queue corrupt: the next to open it looks at all of it */
    STORE_FLAG_COUNT
};
bool store_shared_get(const struct store_shared *shared, enum store_flag flag);
void store_shared_set(struct store_shared *shared, enum store_flag flag, bool is_set);

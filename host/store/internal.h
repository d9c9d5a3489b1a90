/* What the files of this folder share of an open store. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "body.h"
#include "lane.h"
#include "leg.h"
#include "query.h"
#include "shared.h"
#include "store.h"

#include "base/task.h"

struct store {
    struct store_options options; /* its directory is this one's own */
    char *directory;
    struct store_bodies bodies;
    struct store_shared *shared;
    struct store_lane queue_writer, queue_reader;
    struct task *upkeep;
    uint64_t failure_told_ms; /* on the loop's clock; 0: never */
};

/* Tells the administrator. In the loop's thread. */
void store_tell(const struct store *store, struct str what, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));
/* Removes the file of a message that is no longer in the queue. Waits in a task. */
void store_remove_file(struct store *store, struct str id);
/* Milliseconds since 1970. */
uint64_t store_clock_ms(void);

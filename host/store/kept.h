/* Messages that are kept as they came, so that they can be looked at and tried again (`postern replay`):
 * <directory>/messages.db. Mail does not depend on it: what cannot be kept is not kept. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct store;

struct store_kept {
    struct str id; /* the message's in the activity log */
    uint64_t time_ms;
    struct str
        envelope; /* whatever else is to be known about it, in the words of who keeps it */
    struct str content;
};

/* Copied, and written soon, as a row of the activity log; the first of an id stays. All that is kept together takes at
 * most `bytes_max` on the disk: the oldest go. What cannot be written in time is dropped, and that is reported. */
void store_kept_add(struct store *store, const struct store_kept *kept, uint64_t bytes_max);

/* Those between these times (0: any), without envelope and content, the youngest `limit` of them, the youngest first. */
struct store_kept_filter {
    uint64_t since_ms, until_ms;
    size_t limit;
};
int store_kept_list(struct store *store, const struct store_kept_filter *filter,
                    struct arena *arena, struct store_kept **kept, size_t *count);
/* -ENOENT: it is not kept; -EBADMSG: it is not as it was. */
int store_kept_read(struct store *store, struct str id, struct arena *arena,
                    struct store_kept *kept);
/* Removes those that are older than this. */
int store_kept_purge(struct store *store, uint64_t before_ms);

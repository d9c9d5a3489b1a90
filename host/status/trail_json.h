/* A trail as the activity log keeps it: [{"event": "rule.matched", "after_ms": 3, "rule": "…"}, …]. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "status/event.h"

/* No more than the store keeps. */
#define TRAIL_JSON_BYTES_MAX ((size_t)32 * 1024)

/* In the arena; later stages are left out past TRAIL_JSON_BYTES_MAX. What is no UTF-8 in it has '?' for each byte
 * above 127. */
struct str trail_json(const struct trail *trail, struct arena *arena);
/* One text of it, in quotes. */
void trail_json_text(struct buf *out, struct str text);

/* The rows of the activity log that are not yet written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/task.h"

struct store_pending;

struct store_activity_log {
    struct store_pending *first, *last;
    size_t count, bytes;
    size_t dropped_count; /* and not yet told */
    struct task *writer;  /* lives while something waits */
    bool is_writing;
};

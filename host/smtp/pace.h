/* How long a sender may take for the content of one message: a time for the whole, a time between blocks,
 * and a least rate. The clock is given, so that it can be tested. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smtp/options.h"

struct smtp_pace {
    uint64_t end_ms;    /* of the whole message */
    uint64_t window_ms; /* when the present minute began */
    uint64_t window_bytes;
    uint32_t block_timeout_ms;
    uint32_t rate_min; /* bytes a second */
};

void smtp_pace_start(struct smtp_pace *pace, const struct smtp_options *options,
                     uint64_t now_ms);
/* Until when the next block must come. */
uint64_t smtp_pace_deadline(const struct smtp_pace *pace, uint64_t now_ms);
/* A block has come: false when the sender is too slow. */
bool smtp_pace_add(struct smtp_pace *pace, size_t bytes, uint64_t now_ms);
/* The sender waited for us meanwhile (between two chunks): a new minute begins. */
void smtp_pace_resume(struct smtp_pace *pace, uint64_t now_ms);

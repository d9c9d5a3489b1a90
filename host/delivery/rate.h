/* Limits of rate: a token bucket for each key (a destination, an MX host, the sender of bounces). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct rate;

/* `per_minute` tokens fall into each bucket, which holds `burst` of them (at least one); 0: no limit. Buckets of at
 * most `keys_max` keys are kept: past that, the one that was not asked for longest is taken to be full again. */
struct rate *rate_new(uint32_t per_minute, uint32_t burst, size_t keys_max);
/* The same with so many tokens in each period. */
struct rate *rate_new_per(uint32_t tokens, uint64_t period_ms, uint32_t burst,
                          size_t keys_max);
/* NULL is ignored. */
void rate_free(struct rate *rate);

/* Takes a token: false when there is none. Times are of one clock that does not go back. */
bool rate_take(struct rate *rate, struct str key, uint64_t now_ms);
/* When there will be one: `now_ms` if there is. */
uint64_t rate_next_ms(const struct rate *rate, struct str key, uint64_t now_ms);

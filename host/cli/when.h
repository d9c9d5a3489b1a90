/* Times as people say and read them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define WHEN_BYTES 32

/* "2026-11-22T10:00:00Z", and with milliseconds; in UTC. */
const char *when_text(uint64_t unix_ms, char text[WHEN_BYTES]);
const char *when_text_ms(uint64_t unix_ms, char text[WHEN_BYTES]);
/* "Sun 2026-11-22 10:00", in UTC. */
const char *when_text_minute(uint64_t unix_ms, char text[WHEN_BYTES]);

/* Unix time in seconds, "2026-11-22", "2026-11-22T10:00", "2026-11-22T10:00:00+01:00"; UTC where nothing is said. */
bool when_read(const char *text, uint64_t *unix_ms);
/* The same, or how long ago: "90s", "5m", "2h", "7d", "2w". */
bool when_read_past(const char *text, uint64_t now_ms, uint64_t *unix_ms);

/* What all sessions of a process share: how many there may be, in all and from one address, and how much
 * memory the messages they are receiving may take. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/admission.h"
#include "smtp/options.h"

struct smtp_limits;

struct smtp_limits *smtp_limits_new(void);
void smtp_limits_free(struct smtp_limits *limits);

/* Counts a session in; one that was admitted is counted out with smtp_limits_leave. */
enum net_admission_result smtp_limits_enter(struct smtp_limits *limits,
                                            const struct smtp_options *options,
                                            const struct net_address *peer);
void smtp_limits_leave(struct smtp_limits *limits, const struct net_address *peer);

/* False, with nothing changed, when `bytes` more would pass options->memory_bytes_max. */
bool smtp_limits_hold_memory(struct smtp_limits *limits, const struct smtp_options *options,
                             uint64_t bytes);
void smtp_limits_release_memory(struct smtp_limits *limits, uint64_t bytes);

/* The content of a message on its way to the peer: as DATA wants it, or as BDAT does. */
#pragma once

#include <stdint.h>

#include "net/stream.h"

/* Dot-stuffed, with the final dot (RFC 5321 section 4.5.2). Nothing is copied; a message that fits into
 * one block goes out, dot and all, in one write. Each block may take `block_timeout_ms`. Returns 0 when
 * all is in the kernel, or a negative errno, and then the peer has not got the final dot. */
int transmit_data(struct net_stream *stream, const struct str parts[], size_t count,
                  uint32_t block_timeout_ms);

/* Behind "BDAT <length> LAST" (RFC 3030 section 2), as it is. */
int transmit_bdat(struct net_stream *stream, const struct str parts[], size_t count,
                  uint32_t block_timeout_ms);

size_t transmit_length(const struct str parts[], size_t count);

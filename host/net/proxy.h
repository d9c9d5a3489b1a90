/* The PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt), as a receiver. */
#pragma once

#include "base/err.h"
#include "net/stream.h"

/* What a header says; parsing is separate from reading for tests and fuzzing. */
struct proxy_header {
    size_t length; /* bytes of the header */
    bool is_local; /* LOCAL or UNKNOWN: the connection's own addresses stand */
    struct net_address source, destination;
};

/* Parses a header at the start of `input`: 1 when complete (*header filled), 0 when more bytes are
 * needed, -EPROTO with `err` when it is none. Never looks past 536 bytes. */
int proxy_header_parse(struct str input, struct proxy_header *header, struct err *err);

/* Reads the header that must stand first and sets the stream's addresses. */
int proxy_header_read(struct net_stream *stream, uint64_t deadline_ms, struct err *err);

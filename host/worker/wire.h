/* What host and isolate say to each other over their SOCK_SEQPACKET pair. Both ends treat what comes in
 * as hostile.
 *
 * A frame is { type, run, call, payload }; the payload is one value (below). A frame longer than a packet
 * is cut into packets sent back to back, each but the last flagged MORE; a message's raw bytes beyond
 * WIRE_INLINE_BYTES travel as a sealed memfd beside the first packet (host to isolate only).
 *
 *   host                              isolate
 *   LOAD {name, source, modules, env, limits}  ->  READY {email = true, …} | BROKEN "script:line: …"
 *   EMAIL run {message fields} [fd]   ->
 *                                     <-  CALL run call {name, arguments…}     (any number, in flight together)
 *   ANSWER run call {value | error}   ->
 *                                     <-  LOG run {level, text}
 *                                     <-  DONE run {outcome}    the handler has returned; the sender gets his reply
 *                                     <-  END run               all waitUntil functions too
 *   CANCEL run                        ->  (wall time over: its coroutines are dropped; END follows) */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

#define WIRE_PACKET_BYTES    ((size_t)64 * 1024)
#define WIRE_INLINE_BYTES    ((size_t)32 * 1024)
#define WIRE_FRAME_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define WIRE_DEPTH_MAX       16
#define WIRE_VALUES_MAX      100000

enum wire_type {
    WIRE_LOAD = 1,
    WIRE_EMAIL,
    WIRE_ANSWER,
    WIRE_CANCEL,
    WIRE_READY = 64,
    WIRE_BROKEN,
    WIRE_CALL,
    WIRE_LOG,
    WIRE_DONE,
    WIRE_END,
};

struct wire_packet_head {
    uint8_t type;
    uint8_t more;
    uint16_t zero;
    uint32_t run;
    uint32_t call;
    uint32_t
        frame_bytes; /* of the whole payload, in the first packet; 0 in those that follow */
};

/* --- values: what Lua can say --- */

enum value_kind { VALUE_NIL, VALUE_BOOL, VALUE_NUMBER, VALUE_STRING, VALUE_TABLE };

struct value {
    enum value_kind kind;
    bool boolean;
    double number;
    struct str string; /* points into the decoded bytes */
    struct value *keys,
        *items; /* VALUE_TABLE: `count` pairs, keys are strings or numbers */
    size_t count;
};

/* Writing: a table is value_begin_table, then its pairs (key, item, key, item …), then value_end_table. */
int value_write_nil(struct buf *out);
int value_write_bool(struct buf *out, bool boolean);
int value_write_number(struct buf *out, double number);
int value_write_string(struct buf *out, struct str string);
int value_begin_table(struct buf *out);
int value_end_table(struct buf *out);
/* A string key and its item in one. */
int value_put_string(struct buf *out, const char *key, struct str string);
int value_put_number(struct buf *out, const char *key, double number);
int value_put_bool(struct buf *out, const char *key, bool boolean);

/* Decodes exactly one value that fills `bytes`: the tree in the arena, or NULL when it is malformed or
 * past the limits above. */
struct value *value_decode(struct str bytes, struct arena *arena);
/* The item of a string key; NULL if there is none or `table` is no table. */
const struct value *value_get(const struct value *table, const char *key);
/* The item as a string / number, or the fallback when it is missing or of another kind. */
struct str value_get_string(const struct value *table, const char *key,
                            struct str fallback);
double value_get_number(const struct value *table, const char *key, double fallback);
bool value_get_bool(const struct value *table, const char *key, bool fallback);

/* --- the page that both map: what the isolate is doing now, for the host's watchdog --- */

struct wire_gauge {
    _Atomic uint32_t run; /* whose coroutine runs now; 0: none */
    _Atomic uint64_t
        run_cpu_ns; /* process CPU time when it was resumed, minus what it had used before */
    _Atomic uint64_t lua_bytes; /* held by the Lua allocator */
};

/* What host and isolate say to each other over their SOCK_SEQPACKET pair. Both ends treat what comes in
 * as hostile: a frame that is malformed, too large or out of place ends the isolate.
 *
 * The isolate is `postern` executed again: argv[0] "postern-isolate", argv[1] the worker's name, fd 3 the
 * socket, fd 4 a memfd that holds one struct wire_gauge, fd 2 for last words; it closes all others.
 *
 * A frame is { type, run, call, payload }; the payload is one value (below). A packet holds whole frames, one
 * after the other: what each end has to say when it comes to wait. A frame longer than a packet is cut into packets
 * sent back to back, each but the last flagged MORE; packets of different frames are never mixed. `run` is a number of the host's choice from 1 up, never used again in this isolate; `call`
 * numbers the waiting calls of a run from 1 up, in the isolate's choice. Both are 0 where the table shows
 * none; what belongs to loading the script has run WIRE_RUN_LOAD.
 *
 *   host                      isolate
 *   LOAD                  ->
 *                         <-  READY | BROKEN            BROKEN: the isolate then ends
 *   EMAIL run [fd]        ->                            any number of runs at once
 *   EVENT run             ->                            the same, of the other handlers
 *                         <-  CALL run call             any number at once; each gets its ANSWER
 *   ANSWER run call       ->                            ignored when the run or call is no more
 *                         <-  LOG run
 *                         <-  DONE run                  the handler has returned: the sender gets his reply
 *                         <-  END run                   waitUntil functions too: the run's last frame
 *   CANCEL run            ->                            wall time over: the run's coroutines are dropped,
 *                                                       END follows, without DONE if that was not yet sent
 *   (end of file)         ->                            the isolate ends
 *
 * Payloads. A table shows its keys; "?" marks one that may be missing; [list] is a table with the keys
 * 1, 2, 3 … in this order.
 *
 *   LOAD     { name = string,                  the worker: "support"
 *              script = string,                its file name for messages: "support.lua"
 *              source = string,                text
 *              modules = { [name] = string },  "lib.tickets" = text; messages call it "lib/tickets.lua"
 *              env = { [name] = string         variables
 *                      | { kind = string } },  bindings
 *              limits = { cpuSoftMs, cpuHardMs, memoryBytes, logBytesMax = number } }
 *   READY    { [name] = true }                 the handlers that the script has (handler.h), one at least
 *   BROKEN   string                            "support.lua:12: what is wrong; hint", lines split by '\n'
 *   EMAIL    { from = string,                  reverse-path, "" for <>
 *              to = string,                    the recipient
 *              rawSize = number,               bytes of the message
 *              raw = string?,                  the message as received, CRLF lines; missing when it is
 *                                              longer than WIRE_INLINE_BYTES: a memfd beside the first
 *                                              packet (SCM_RIGHTS), sealed (F_SEAL_SHRINK | GROW | WRITE |
 *                                              SEAL), of exactly rawSize bytes
 *              canBeForwarded = bool,
 *              captures = { [name] = string }, names as strings, "1" too (Lua sees numbers for those)
 *              client = { ip = string, helo = string, hostname = string?, tls = string? },
 *              auth = table?,                  message.auth as the script sees it; missing: nothing was verified
 *              spamScore = number?,            0 to 5
 *              remainingMs = number }          of its wall time
 *   EVENT    { handler = string,               one that READY has named, not "email"
 *              event = table,                  what happened; events.lua makes the handler's first argument of it
 *              remainingMs = number }
 *   CALL     { name = "forward", recipient = string,
 *              headers = [ { name = string, value = string } ],        to add
 *              set = [ { name = string, value = string } ]?, remove = [ string ]?,
 *              rewriteFrom = string | true?, wrap = bool?, anyway = bool? }
 *            { name = "reply", raw = string?, from = string?, to = string?, subject = string?,
 *              text = string?, html = string?, headers = [ { name = string, value = string } ] }
 *              (with raw none of subject, text, html; headers is empty)
 *            { name = "binding", binding = string, method = string, arguments = value }
 *              (binding "": what events.lua asks for itself; of a batch, method "ack" or "retry" with
 *              { message = number?, delaySeconds = number? })
 *   ANSWER   { ok = true, messageId = string, queued = bool }
 *            { ok = true, value = value? }       of a binding
 *            { ok = false, code = string, message = string, permanent = bool, class = string?,
 *              smtp = { code = number, enhanced = string, text = string }? }   if an upstream replied
 *   CANCEL   nil
 *   LOG      { level = "debug" | "info" | "warn" | "error", text = string }    UTF-8 is likely, not sure
 *   DONE     { result = "ok" | "rejected" | "exception" | "exceededCpu" | "exceededMemory",
 *              text = string?,                 rejected: the reason, without control bytes;
 *                                              else "support.lua:12: what"
 *              traceback = string?,
 *              smtp = { code = number, enhanced = string, text = string }?
 *                                              exception: the error is a forward() that this reply refused
 *              value = value?,                 of an EVENT: what its handler returned, as events.lua has it
 *              cpuUs = number,                 used by this run so far
 *              ended = bool? }                 true: nothing is left, this is END too (a packet less)
 *   END      nil
 *
 * What the isolate checks for its script's comfort (names of added headers, number of log bytes …) the
 * host checks again for its own safety. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

#define WIRE_PACKET_BYTES    ((size_t)64 * 1024) /* heads included */
#define WIRE_PACKET_FRAMES   16                  /* whole ones in a packet */
#define WIRE_INLINE_BYTES    ((size_t)32 * 1024)
#define WIRE_FRAME_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define WIRE_DEPTH_MAX       16
#define WIRE_VALUES_MAX      100000
#define WIRE_RUN_LOAD        UINT32_MAX

#define WIRE_SOCKET_FD 3
#define WIRE_GAUGE_FD  4
/* Its exit status when it ended itself, past the hard CPU limit, before the host did. */
#define WIRE_EXIT_CPU  97

enum wire_type {
    WIRE_LOAD = 1,
    WIRE_EMAIL,
    WIRE_ANSWER,
    WIRE_CANCEL,
    WIRE_EVENT,
    WIRE_READY = 64,
    WIRE_BROKEN,
    WIRE_CALL,
    WIRE_LOG,
    WIRE_DONE,
    WIRE_END,
};

/* --- frames --- */

struct wire_frame {
    enum wire_type type;
    uint32_t run;
    uint32_t call;
    struct str payload;
};

/* In front of each frame and of each further packet of one, in the machine's own byte order: both ends are one program. */
struct wire_packet_head {
    uint8_t type;
    uint8_t more;
    uint16_t zero;
    uint32_t run;
    uint32_t call;
    uint32_t
        frame_bytes; /* of the whole payload, in the first packet; 0 in those that follow */
};

/* Whether a frame fits into a packet: with its head, which is cut off it at once. */
bool wire_frame_is_short(const struct wire_frame *frame);
/* Cuts a frame into packets: start with *offset = 0; each call gives the head and the part of the payload
 * that are the next packet, and moves *offset. Returns head->more: another packet follows. */
bool wire_packet_cut(const struct wire_frame *frame, size_t *offset,
                     struct wire_packet_head *head, struct str *part);

/* Puts packets together again. */
struct wire_inbox {
    struct buf payload;
    struct wire_packet_head first; /* of the frame that is coming in */
    bool is_open;                  /* more packets of it are to come */
    unsigned frame_count;          /* whole ones taken off the present packet */
};

void wire_inbox_init(struct wire_inbox *inbox);
void wire_inbox_free(struct wire_inbox *inbox);
/* Takes the next frame off the front of *packet, which came from the socket and is not empty. 1: *frame is whole, its
 * payload valid until the next call and as long as the packet's memory, and *packet is what follows it; 0: *packet is
 * used up, another one is needed; -EPROTO: it is no packet of this protocol. */
int wire_inbox_take(struct wire_inbox *inbox, struct str *packet, struct wire_frame *frame);

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

/* Writing: a table is value_begin_table, then its pairs (key, item, key, item …), then value_end_table.
 * All return 0 or -ENOBUFS. */
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
/* A string key and the beginning of a table as its item. */
int value_put_table(struct buf *out, const char *key);

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
/* The item as a whole number of 0 to `max`; the fallback also when it is out of range. */
uint64_t value_get_count(const struct value *table, const char *key, uint64_t max,
                         uint64_t fallback);

/* --- the page that both map: what the isolate is doing now, for the host's watchdog --- */

struct wire_gauge {
    _Atomic uint32_t run; /* whose coroutine runs now, or WIRE_RUN_LOAD; 0: none */
    _Atomic uint64_t
        run_cpu_ns; /* process CPU time when it was resumed, minus what it had used before */
    _Atomic uint64_t lua_bytes; /* held by the Lua allocator */
};

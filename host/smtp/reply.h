/* A reply of an SMTP server (RFC 5321 section 4.2) as a value. It is not an error: it is what one side
 * says to the other. Ours are made by the named constructors below; upstream ones are parsed. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

#define REPLY_TEXT_BYTES 1000

struct reply {
    int code;          /* 220 … 599; 0: none yet */
    char enhanced[12]; /* "5.1.1" (RFC 3463), or empty */
    /* Lines split by '\n', without codes; printable ASCII or UTF-8; never CR. */
    char text[REPLY_TEXT_BYTES];
};

bool reply_is_ok(const struct reply *reply);        /* 2xx, 3xx */
bool reply_is_temporary(const struct reply *reply); /* 4xx */
bool reply_is_permanent(const struct reply *reply); /* 5xx */

/* Any reply; text in printf form; control bytes become '?'. `enhanced` may be "". */
struct reply reply_make(int code, const char *enhanced, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends the wire form: "250-2.1.0 text\r\n…", at most 512 bytes a line. */
int reply_write(const struct reply *reply, struct buf *out);
/* "550 5.1.1 text; more text" on one line, for logs and Lua: in the arena. */
struct str reply_line(const struct reply *reply, struct arena *arena);

#define REPLY_LINES_MAX      100
#define REPLY_WIRE_BYTES_MAX ((size_t)64 * 1024)

/* Parses a whole, possibly multi-line reply at the start of `input`: the bytes it takes, 0 when more
 * are needed, -EPROTO when it is none or past the limits above. Kept: as much of the text as fits, with
 * '?' for all that is not printable; an enhanced code in front of it is taken out when its class is the
 * reply code's. Tolerated: no text, lines ended by LF alone. */
int reply_parse(struct str input, struct reply *reply);

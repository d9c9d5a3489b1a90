/* The content of a message as it comes in (RFC 5321 section 4.5.2, RFC 3030), in pieces cut anywhere: without
 * I/O, so that it can be tested and fuzzed. Dots are unstuffed; only CRLF "." CRLF ends DATA. A CR without
 * its LF, or an LF without its CR, is refused wherever it stands: no two servers may see different ends of
 * a message in the same bytes ("SMTP smuggling"). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* Why a message cannot be taken although its bytes were read to their end. The first one seen counts: of several,
 * which that is may depend on how the input was cut. */
enum smtp_fault {
    SMTP_FAULT_NONE,
    SMTP_FAULT_TOO_BIG,
    SMTP_FAULT_NO_MEMORY, /* ours, not the sender's: smtp_content_fail */
    SMTP_FAULT_LINE_TOO_LONG,
    SMTP_FAULT_NUL,
};

enum smtp_content_state {
    SMTP_CONTENT_LINE_START,
    SMTP_CONTENT_DOT,    /* a line's first byte is a dot */
    SMTP_CONTENT_DOT_CR, /* … and its second a CR */
    SMTP_CONTENT_IN_LINE,
    SMTP_CONTENT_CR, /* the last byte was a CR */
};

struct smtp_content {
    struct buf bytes; /* the content so far; none once there is a fault */
    enum smtp_content_state state;
    enum smtp_fault fault;
    bool is_dotted;       /* DATA; else chunks of BDAT */
    bool is_8bit;         /* a byte above 127 has come */
    uint64_t total_bytes; /* all that came, kept or not */
    size_t line_bytes;    /* of the present line so far */
    size_t line_bytes_max;
};

void smtp_content_open(struct smtp_content *content, bool is_dotted, uint64_t bytes_max,
                       size_t line_bytes_max);
void smtp_content_close(struct smtp_content *content);

/* Makes room for what the sender has announced, so that the bytes are not moved as they come. */
void smtp_content_expect(struct smtp_content *content, uint64_t bytes);

enum smtp_content_step {
    SMTP_CONTENT_MORE, /* all of the input was taken, more is needed (BDAT: may come) */
    SMTP_CONTENT_END,  /* the final dot was taken; what follows it is not content */
    SMTP_CONTENT_BARE_NEWLINE, /* the content is refused and its end unknown: close */
};

/* Takes the next bytes; *taken is how many. */
enum smtp_content_step smtp_content_feed(struct smtp_content *content, struct str input,
                                         size_t *taken);

/* The last chunk of BDAT is in: a final line without CRLF is given one. False when the content ends with
 * a CR alone. */
bool smtp_content_finish(struct smtp_content *content);

/* Notes a fault, if none stands yet, and forgets the bytes. */
void smtp_content_fail(struct smtp_content *content, enum smtp_fault fault);

/* Hands over the bytes (free them with free()). */
char *smtp_content_take(struct smtp_content *content, size_t *length);

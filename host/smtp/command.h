/* A command line as a client says it (RFC 5321 section 4.1), taken apart without I/O. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum smtp_verb {
    SMTP_UNKNOWN,
    SMTP_HELO,
    SMTP_EHLO,
    SMTP_MAIL,
    SMTP_RCPT,
    SMTP_DATA,
    SMTP_BDAT,
    SMTP_RSET,
    SMTP_NOOP,
    SMTP_VRFY,
    SMTP_HELP,
    SMTP_QUIT,
    SMTP_STARTTLS,
    SMTP_NOT_IMPLEMENTED, /* a verb of an RFC that is not offered here */
    SMTP_HTTP,            /* a request line of HTTP: a browser made to speak to us */
    SMTP_VERB_COUNT
};

enum smtp_line_bytes { SMTP_LINE_ASCII, SMTP_LINE_8BIT, SMTP_LINE_CONTROL };

struct smtp_command {
    enum smtp_verb verb;
    struct str
        argument; /* after the verb, without blanks at both ends; a view of the line */
    enum smtp_line_bytes
        bytes; /* the worst that is in the line; a tab is no control byte */
};

/* Takes any line, given without its CRLF. */
void smtp_command_parse(struct str line, struct smtp_command *command);

/* The argument of MAIL and RCPT: after the keyword ("FROM:", any case, blanks may follow), which is cut
 * off. False if it is not there. */
bool smtp_command_cut_keyword(struct str *argument, struct str keyword);

/* BDAT's argument (RFC 3030): false when it is none. */
struct smtp_chunk {
    uint64_t bytes;
    bool is_last;
};
bool smtp_chunk_parse(struct str argument, struct smtp_chunk *chunk);

/* The name given at HELO and EHLO: 1-255 graphic ASCII characters. It is not believed, so its syntax is
 * not judged: many clients do not know their own name (RFC 5321 section 4.1.4). */
bool smtp_helo_is_valid(struct str name);

/* A light look at a body, without a MIME library: one pass over its beginning that notes links, markup and
 * attachments and writes its words down for the phrases. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

struct spam_text {
    struct str words; /* lower case, without markup, one blank between words */
    unsigned link_count;
    unsigned address_link_count;   /* to an IP address instead of a name */
    unsigned shortened_link_count; /* to a host that hides where it leads */
    unsigned odd_domain_count;     /* to a top-level domain that spam likes */
    unsigned lying_link_count;     /* its text is the name of another host */
    unsigned image_count;
    unsigned exclamation_count;
    unsigned comment_count; /* of HTML */
    bool is_html;           /* there is markup of a page in it */
    bool has_executable;    /* an attachment's name ends as a program's does */
};

/* Reads at most `body` as it is given: the caller bounds it. `is_quoted_printable`, until a part says
 * otherwise: "=3D" is "=", and a line that ends with "=" goes on. Views live in the arena. */
void spam_text_read(struct str body, bool is_quoted_printable, struct arena *arena,
                    struct spam_text *text);

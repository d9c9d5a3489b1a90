/* The data of one DNS record (RFC 1035 section 3.3, RFC 3596), as it stands in an answer. */
#pragma once

#include "net/dns.h"

/* Parses uncompressed rdata into the arena. Returns 0, or -EPROTO when lengths do not fit, bytes are left
 * over, or a name cannot be written down faithfully (a dot, a blank or a control byte in a label). */
int dns_rdata_parse(enum dns_type type, struct str rdata, struct arena *arena,
                    struct dns_record *record);

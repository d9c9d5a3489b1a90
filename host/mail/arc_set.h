/* Which set of an Authenticated Received Chain a header field belongs to (RFC 8617 section 4.2), for those who verify
 * chains and those who add to them. */
#pragma once

#include <stddef.h>

#include "base/str.h"
#include "mail/tag_list.h"

#define ARC_SETS_MAX 50

/* The three fields of a set, in the order in which a seal covers them (section 5.1.1). */
enum arc_field { ARC_RESULTS, ARC_MESSAGE_SIGNATURE, ARC_SEAL, ARC_FIELDS };
extern const char *const arc_field_names[ARC_FIELDS];

/* The instance that i= says, 1 to ARC_SETS_MAX; 0 when it is not there or says something else. */
size_t arc_signature_instance(const struct tag_list *tags);
/* The same of ARC-Authentication-Results: cuts "i=1;" off its value. */
size_t arc_results_instance(struct str *value);

/* The mechanisms of RFC 7208 section 5 but `include`, which is a check of its own. */
#pragma once

#include "auth/spf_check.h"
#include "auth/spf_record.h"

/* 1 if the directive of `domain`'s record matches the client, 0 if not; or how the check ends. */
int spf_mechanism_match(struct spf_check *check, const struct spf_directive *directive,
                        struct str domain);

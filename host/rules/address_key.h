/* The form in which addresses are looked up: local@domain, unquoted, the domain in normal form, the local
 * part in lower case (ASCII) unless the domain tells cases apart. `postmaster` is the same in every case
 * (RFC 5321 section 4.5.1). */
#pragma once

#include "rules/rule_set.h"

#define ADDRESS_KEY_BYTES ((size_t)512)

/* The key, in `memory`; an empty view when it does not fit, which no valid address does. */
struct str address_key(const struct domain_rules *domain, struct str local,
                       char memory[ADDRESS_KEY_BYTES]);
bool address_is_postmaster(struct str local);

/* Every key that a domain's file can have, by where it stands: for `postern options` and the reference page. The tables lie
 * with what reads them. */
#pragma once

#include "rules/node.h"

extern const struct node_key rule_file_keys[], rule_keys[], rule_condition_keys[],
    rule_auth_keys[], rule_api_keys[], rule_api_matcher_keys[], rule_api_action_keys[];

struct rule_section {
    const char *path; /* "rules[].when"; "" for the file itself */
    const char *help;
    const struct node_key *keys;
};
/* Ended by one without a path. */
extern const struct rule_section rule_sections[];

#include "rules/reference.h"

const struct rule_section rule_sections[] = {
    {"", "A file of the rules directory, but host.yaml: the rules of one domain.",
     rule_file_keys},
    {"rules[]", "A rule: whom it is for, and one of forward, worker, drop and reject.",
     rule_keys},
    {"rules[].when", "Conditions. All that are named must hold.", rule_condition_keys},
    {"rules[].when.auth", "What was verified. All that are named must hold.",
     rule_auth_keys},
    {"rules[] (API)",
     "The same as the hosted service's API writes it. Its id, tag, source, created and "
     "modified are passed over.",
     rule_api_keys},
    {"rules[].matchers[] (API)", "", rule_api_matcher_keys},
    {"rules[].actions[] (API)", "", rule_api_action_keys},
    {0},
};

#include "auth/verdict.h"

static const char *const names[] = {
    [AUTH_NONE] = "none",           [AUTH_PASS] = "pass",
    [AUTH_FAIL] = "fail",           [AUTH_SOFTFAIL] = "softfail",
    [AUTH_NEUTRAL] = "neutral",     [AUTH_POLICY] = "policy",
    [AUTH_TEMPERROR] = "temperror", [AUTH_PERMERROR] = "permerror",
};

const char *auth_result_name(enum auth_result result)
{
    return names[result];
}

bool auth_result_from_name(struct str name, enum auth_result *result)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (str_equal_nocase(str_of(names[i]), name)) {
            *result = (enum auth_result)i;
            return true;
        }
    }
    return false;
}

const char *auth_dmarc_policy_name(enum auth_dmarc_policy policy)
{
    static const char *const policies[] = {
        [DMARC_POLICY_NONE] = "none",
        [DMARC_POLICY_QUARANTINE] = "quarantine",
        [DMARC_POLICY_REJECT] = "reject",
    };
    return policies[policy];
}

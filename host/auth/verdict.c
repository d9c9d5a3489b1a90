#include "auth/verdict.h"

static const struct str names[] = {
    [AUTH_NONE] = STR("none"),           [AUTH_PASS] = STR("pass"),
    [AUTH_FAIL] = STR("fail"),           [AUTH_SOFTFAIL] = STR("softfail"),
    [AUTH_NEUTRAL] = STR("neutral"),     [AUTH_POLICY] = STR("policy"),
    [AUTH_TEMPERROR] = STR("temperror"), [AUTH_PERMERROR] = STR("permerror"),
};

const char *auth_result_name(enum auth_result result)
{
    return names[result].at;
}

bool auth_result_from_name(struct str name, enum auth_result *result)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (str_equal_nocase(names[i], name)) {
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

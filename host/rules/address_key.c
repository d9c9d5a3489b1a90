/* Written on the stack: the look-up of an address allocates nothing. */
#include "rules/address_key.h"

bool address_is_postmaster(struct str local)
{
    return str_equal_nocase(local, STR("postmaster"));
}

struct str address_key(const struct domain_rules *domain, struct str local,
                       char memory[ADDRESS_KEY_BYTES])
{
    size_t length = local.length + 1 + domain->domain.length;
    if (length > ADDRESS_KEY_BYTES)
        return (struct str){0};
    bool keeps_case = domain->is_local_part_case_sensitive && !address_is_postmaster(local);
    for (size_t i = 0; i < local.length; i++)
        memory[i] = keeps_case ? local.at[i] : ascii_lower(local.at[i]);
    memory[local.length] = '@';
    memcpy(memory + local.length + 1, domain->domain.at, domain->domain.length);
    return (struct str){memory, length};
}

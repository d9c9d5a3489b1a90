/* The input is an SPF record: it is refused, or every directive and every domain in it is what the parser
 * promises, and the names it expands to fit. */
#include <stdint.h>

#include "auth/spf_macro.h"
#include "auth/spf_record.h"
#include "base/mem.h"
#include "mail/domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const struct spf_macro_values values = {
    .sender = {"user+tag@sender.test", 20},
    .local = {"user+tag", 8},
    .sender_domain = {"sender.test", 11},
    .domain = {"spf.dest.test", 13},
    .address = {"192.0.2.1", 9},
    .validated = {"unknown", 7},
    .helo = {"[\xFF\0..", 5},
};

static void check_domain(struct str spec, struct arena *arena)
{
    invariant(spf_macro_is_domain_spec(spec), "domains are well-formed");
    invariant(spf_macro_is_string(spec), "and macro strings");
    struct str name = spf_macro_expand(spec, &values, arena);
    invariant(name.length <= DOMAIN_BYTES_MAX || str_index(name, '.') < 0,
              "labels fall off");
    for (size_t i = 0; i < name.length; i++)
        invariant(name.at[i] == ascii_lower(name.at[i]), "lower case");
}

static void check_directive(const struct spf_directive *directive, struct arena *arena)
{
    if (directive->domain_spec.length)
        check_domain(directive->domain_spec, arena);
    bool is_network = directive->mechanism == SPF_IP4 || directive->mechanism == SPF_IP6;
    invariant(directive->prefix_v4 <= 32 && directive->prefix_v6 <= 128, "prefixes");
    invariant(net_address_is_v6(&directive->network.base) ==
                  (directive->mechanism == SPF_IP6),
              "networks are of their family");
    invariant(directive->network.prefix_bits <=
                  8 * net_address_bytes(&directive->network.base).length,
              "prefixes of networks");
    invariant(is_network || directive->network.prefix_bits == 0, "networks only there");
    invariant(directive->qualifier == AUTH_PASS || directive->qualifier == AUTH_FAIL ||
                  directive->qualifier == AUTH_SOFTFAIL ||
                  directive->qualifier == AUTH_NEUTRAL,
              "qualifiers");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct spf_record record;
    struct err err;
    struct arena *arena = arena_new();
    if (spf_record_parse((struct str){(const char *)bytes, length}, &record, &err) == 0) {
        struct str rest = record.terms;
        struct spf_directive directive;
        while (spf_record_next(&rest, &directive))
            check_directive(&directive, arena);
        invariant(str_trim(rest).length == 0, "all terms were read");
        if (record.redirect.length)
            check_domain(record.redirect, arena);
    }
    arena_free(arena);
    return 0;
}

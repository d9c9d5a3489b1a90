/* RFC 7208 section 12:
 *
 *     record    = "v=spf1" *( 1*SP ( directive / modifier ) ) *SP
 *     directive = [ "+" / "-" / "?" / "~" ] mechanism
 *     modifier  = "redirect=" domain-spec / "exp=" domain-spec / name "=" macro-string
 *     name      = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )
 *
 * A term is a modifier if what stands before its first "=" is a name: no mechanism can look so. A
 * domain-spec never ends with a slash and digits, so these are always a prefix length. */
#include "spf_record.h"

#include <arpa/inet.h>
#include <errno.h>

#include "auth/spf_macro.h"

#define SHOWN_BYTES 60 /* of a wrong term */

enum argument {
    ARGUMENT_NONE,
    ARGUMENT_DOMAIN,
    ARGUMENT_DOMAIN_OR_NONE,
    ARGUMENT_NETWORK_V4,
    ARGUMENT_NETWORK_V6,
};

static const struct {
    struct str name;
    enum argument argument;
    bool has_prefix; /* dual-cidr-length */
} mechanisms[] = {
    [SPF_ALL] = {{"all", 3}, ARGUMENT_NONE, false},
    [SPF_INCLUDE] = {{"include", 7}, ARGUMENT_DOMAIN, false},
    [SPF_A] = {{"a", 1}, ARGUMENT_DOMAIN_OR_NONE, true},
    [SPF_MX] = {{"mx", 2}, ARGUMENT_DOMAIN_OR_NONE, true},
    [SPF_PTR] = {{"ptr", 3}, ARGUMENT_DOMAIN_OR_NONE, false},
    [SPF_IP4] = {{"ip4", 3}, ARGUMENT_NETWORK_V4, false},
    [SPF_IP6] = {{"ip6", 3}, ARGUMENT_NETWORK_V6, false},
    [SPF_EXISTS] = {{"exists", 6}, ARGUMENT_DOMAIN, false},
};
#define MECHANISM_COUNT (sizeof mechanisms / sizeof *mechanisms)

/* --- prefix lengths --- */

/* "0", or a number without leading zeros, up to `max`. */
static bool is_prefix_length(struct str digits, unsigned max, unsigned *prefix)
{
    unsigned long long number;
    bool has_leading_zero = digits.length > 1 && digits.at[0] == '0';
    if (digits.length > 3 || has_leading_zero || !str_to_number(digits, &number) ||
        number > max)
        return false;
    *prefix = (unsigned)number;
    return true;
}

/* Cuts "/DIGITS" off the end of *text; false if there is none. */
static bool cut_prefix(struct str *text, struct str *digits)
{
    size_t at = text->length;
    while (at > 0 && ascii_digit(text->at[at - 1]))
        at--;
    if (at == 0 || at == text->length || text->at[at - 1] != '/')
        return false;
    *digits = str_from(*text, at);
    text->length = at - 1;
    return true;
}

/*  dual-cidr-length = [ "/" 0-32 ] [ "//" 0-128 ], cut off the end of *text */
static int cut_dual_prefix(struct str *text, struct spf_directive *directive)
{
    struct str digits;
    if (!cut_prefix(text, &digits))
        return 0;
    if (text->length && text->at[text->length - 1] == '/') {
        text->length--;
        if (!is_prefix_length(digits, 128, &directive->prefix_v6))
            return -EINVAL;
        if (!cut_prefix(text, &digits))
            return 0;
    }
    return is_prefix_length(digits, 32, &directive->prefix_v4) ? 0 : -EINVAL;
}

/* --- directives --- */

/* An IPv4-mapped network stays IPv6: no client's address is in it. */
static int parse_network(struct str text, int family, struct spf_directive *directive)
{
    struct net_block *network = &directive->network;
    bool is_v4 = family == AF_INET;
    struct str bits = text;
    struct str ip = str_cut(&bits, '/');
    char buffer[INET6_ADDRSTRLEN];
    if (ip.length >= sizeof buffer)
        return -EINVAL;
    memcpy(buffer, ip.at, ip.length);
    buffer[ip.length] = '\0';
    network->base.socket.any.sa_family = (sa_family_t)family;
    void *bytes = is_v4 ? (void *)&network->base.socket.v4.sin_addr
                        : (void *)&network->base.socket.v6.sin6_addr;
    if (inet_pton(family, buffer, bytes) != 1)
        return -EINVAL;
    network->prefix_bits = is_v4 ? 32 : 128;
    bool is_host = ip.length == text.length;
    return is_host || is_prefix_length(bits, network->prefix_bits, &network->prefix_bits)
               ? 0
               : -EINVAL;
}

static int parse_domain(struct str text, enum argument argument,
                        struct spf_directive *directive)
{
    if (text.length == 0)
        return argument == ARGUMENT_DOMAIN_OR_NONE ? 0 : -EINVAL;
    directive->domain_spec = str_from(text, 1);
    return text.at[0] == ':' && spf_macro_is_domain_spec(directive->domain_spec) ? 0
                                                                                 : -EINVAL;
}

/* What follows the mechanism's name. */
static int parse_argument(struct str text, struct spf_directive *directive)
{
    enum argument argument = mechanisms[directive->mechanism].argument;
    bool has_colon = text.length && text.at[0] == ':';
    if (mechanisms[directive->mechanism].has_prefix &&
        cut_dual_prefix(&text, directive) < 0)
        return -EINVAL;
    switch (argument) {
    case ARGUMENT_NONE:
        return text.length == 0 ? 0 : -EINVAL;
    case ARGUMENT_NETWORK_V4:
        return has_colon ? parse_network(str_from(text, 1), AF_INET, directive) : -EINVAL;
    case ARGUMENT_NETWORK_V6:
        return has_colon ? parse_network(str_from(text, 1), AF_INET6, directive) : -EINVAL;
    default:
        return parse_domain(text, argument, directive);
    }
}

static enum auth_result cut_qualifier(struct str *text)
{
    static const struct {
        char sign;
        enum auth_result result;
    } qualifiers[] = {
        {'+', AUTH_PASS},
        {'-', AUTH_FAIL},
        {'~', AUTH_SOFTFAIL},
        {'?', AUTH_NEUTRAL},
    };
    for (size_t i = 0; i < sizeof qualifiers / sizeof *qualifiers; i++)
        if (text->length && text->at[0] == qualifiers[i].sign) {
            *text = str_from(*text, 1);
            return qualifiers[i].result;
        }
    return AUTH_PASS;
}

static int parse_directive(struct str term, struct spf_directive *directive)
{
    *directive = (struct spf_directive){.text = term, .prefix_v4 = 32, .prefix_v6 = 128};
    directive->qualifier = cut_qualifier(&term);
    size_t length = 0;
    while (length < term.length && ascii_alnum(term.at[length]))
        length++;
    struct str name = str_part(term, 0, length);
    for (size_t i = 0; i < MECHANISM_COUNT; i++)
        if (str_equal_nocase(name, mechanisms[i].name)) {
            directive->mechanism = (enum spf_mechanism)i;
            return parse_argument(str_from(term, length), directive);
        }
    return -EINVAL;
}

/* --- modifiers --- */

static bool is_name(struct str name)
{
    if (name.length == 0 || !ascii_alpha(name.at[0]))
        return false;
    for (size_t i = 1; i < name.length; i++)
        if (!ascii_alnum(name.at[i]) && (!name.at[i] || !strchr("-_.", name.at[i])))
            return false;
    return true;
}

static bool cut_modifier(struct str term, struct str *name, struct str *value)
{
    *value = term;
    *name = str_cut(value, '=');
    return name->length < term.length && is_name(*name);
}

struct modifiers {
    struct str redirect, exp;
};

static int parse_modifier(struct str name, struct str value, struct modifiers *modifiers)
{
    struct str *known = str_equal_nocase(name, STR("redirect")) ? &modifiers->redirect
                        : str_equal_nocase(name, STR("exp"))    ? &modifiers->exp
                                                                : NULL;
    if (!known)
        return spf_macro_is_string(value) ? 0 : -EINVAL;
    if (known->length || !spf_macro_is_domain_spec(value))
        return -EINVAL;
    *known = value;
    return 0;
}

/* --- records --- */

static bool next_term(struct str *rest, struct str *term)
{
    while (rest->length && rest->at[0] == ' ')
        *rest = str_from(*rest, 1);
    *term = str_cut(rest, ' ');
    return term->length > 0;
}

static int wrong_term(struct str term, struct err *err)
{
    bool is_long = term.length > SHOWN_BYTES;
    struct str shown = str_part(term, 0, is_long ? SHOWN_BYTES : term.length);
    return err_set(err, -EINVAL, "no valid term: %.*s%s", STR_ARG(shown),
                   is_long ? "..." : "");
}

static bool is_printable(struct str text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.at[i] < ' ' || text.at[i] > '~')
            return false;
    return true;
}

bool spf_record_is(struct str text)
{
    struct str version = STR("v=spf1");
    return str_starts_nocase(text, version) &&
           (text.length == version.length || text.at[version.length] == ' ');
}

int spf_record_parse(struct str text, struct spf_record *record, struct err *err)
{
    struct modifiers modifiers = {.redirect = STR("")};
    struct spf_directive directive;
    if (!spf_record_is(text))
        return err_set(err, -EINVAL, "no SPF record");
    if (!is_printable(text))
        return err_set(err, -EINVAL, "bytes other than printable ASCII");
    struct str term, name, value, rest = str_from(text, STR("v=spf1").length);
    *record = (struct spf_record){.terms = rest};
    while (next_term(&rest, &term)) {
        int result = cut_modifier(term, &name, &value)
                         ? parse_modifier(name, value, &modifiers)
                         : parse_directive(term, &directive);
        if (result < 0)
            return wrong_term(term, err);
    }
    record->redirect = modifiers.redirect;
    return 0;
}

bool spf_record_next(struct str *rest, struct spf_directive *directive)
{
    struct str term, name, value;
    while (next_term(rest, &term))
        if (!cut_modifier(term, &name, &value))
            return parse_directive(term, directive) == 0;
    return false;
}

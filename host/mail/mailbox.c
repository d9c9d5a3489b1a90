/* RFC 5321 section 4.1.2 and 4.1.3, with RFC 6531 section 3.3:
 *
 *   Mailbox         = Local-part "@" ( Domain / address-literal )
 *   Local-part      = Dot-string / Quoted-string
 *   Dot-string      = Atom *("." Atom)
 *   Atom            = 1*atext                            ; atext =/ UTF8-non-ascii
 *   Quoted-string   = DQUOTE *( qtextSMTP / "\" %d32-126 ) DQUOTE
 *   qtextSMTP       = %d32-33 / %d35-91 / %d93-126       ; =/ UTF8-non-ascii
 *   address-literal = "[" ( IPv4 / "IPv6:" IPv6 ) "]"
 *
 * Narrower than that in one place: the empty Quoted-string is refused, since `@domain` without its quotes
 * is no address to anybody. Wider in one: a domain may have underscores and be a single label. */
#include "mailbox.h"

#include <errno.h>
#include <stdint.h>

#include "mail/domain.h"
#include "mail/utf8.h"
#include "net/address.h"

/* One bit for each of the 128 ASCII characters. */
static const uint64_t atext_bits[2] = {UINT64_C(0xA3FFACFA00000000),
                                       UINT64_C(0x7FFFFFFFC7FFFFFE)};

static bool is_atext(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte > 127 || (atext_bits[byte >> 6] >> (byte & 63) & 1);
}

/* The length of the Dot-string at the start of `text`, which may be 0. */
static size_t dot_string_bytes(struct str text)
{
    size_t end = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (is_atext(text.at[i]))
            end = i + 1;
        else if (text.at[i] != '.' || end != i || i == 0)
            break;
    }
    return end;
}

/* The length of the Quoted-string at the start of `text`, which is a quote; its content goes to
 * `local`, which has room for it. 0 when it is malformed. */
static size_t quoted_string_bytes(struct str text, char *local, size_t *local_bytes)
{
    *local_bytes = 0;
    for (size_t i = 1; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        if (byte == '"')
            return i + 1;
        if (byte == '\\') {
            if (++i == text.length || (unsigned char)text.at[i] > 126)
                return 0;
            byte = (unsigned char)text.at[i];
        }
        if (byte < 32 || byte == 127)
            return 0;
        local[(*local_bytes)++] = (char)byte;
    }
    return 0;
}

/* Reads the local part; returns the length it has in `text`, 0 when it is malformed. */
static size_t parse_local(struct str text, struct arena *arena, struct str *local)
{
    if (text.length == 0)
        return 0;
    if (text.at[0] != '"') {
        *local = arena_str(arena, str_part(text, 0, dot_string_bytes(text)));
        return local->length;
    }
    char *content = arena_alloc(arena, text.length);
    size_t content_bytes;
    size_t bytes = quoted_string_bytes(text, content, &content_bytes);
    *local = (struct str){content, content_bytes};
    return content_bytes ? bytes : 0;
}

static int parse_literal(struct str literal, struct arena *arena, struct str *normal)
{
    if (literal.length < 3 || literal.at[literal.length - 1] != ']')
        return -EINVAL;
    struct str inner = str_part(literal, 1, literal.length - 2);
    bool is_v6 = str_starts_nocase(inner, STR("IPv6:"));
    if (is_v6)
        inner = str_from(inner, sizeof "IPv6:" - 1);
    struct net_address address;
    if (str_index(inner, '[') >= 0 || is_v6 != (str_index(inner, ':') >= 0) ||
        net_address_parse(inner, 0, &address) < 0)
        return -EINVAL;
    char ip[NET_ADDRESS_TEXT_BYTES];
    *normal =
        str_of(arena_printf(arena, "[%s%s]", net_address_is_v6(&address) ? "IPv6:" : "",
                            net_address_ip_text(&address, ip)));
    return 0;
}

static int parse_domain(struct str domain, struct arena *arena, struct str *normal)
{
    if (domain.length == 0 || domain.at[domain.length - 1] == '.')
        return -EINVAL;
    return domain.at[0] == '[' ? parse_literal(domain, arena, normal)
                               : domain_normalize(domain, arena, normal);
}

/* The shortest Local-part that means `local`. */
static struct str quote_local(struct str local, struct arena *arena)
{
    if (local.length && dot_string_bytes(local) == local.length)
        return local;
    char *quoted = arena_alloc(arena, 2 * local.length + 2);
    size_t length = 0;
    quoted[length++] = '"';
    for (size_t i = 0; i < local.length; i++) {
        if (local.at[i] == '"' || local.at[i] == '\\')
            quoted[length++] = '\\';
        quoted[length++] = local.at[i];
    }
    quoted[length++] = '"';
    return (struct str){quoted, length};
}

static struct str join(struct str local, struct str domain, struct arena *arena)
{
    char *text = arena_alloc(arena, local.length + 1 + domain.length + 1);
    memcpy(text, local.at, local.length);
    text[local.length] = '@';
    memcpy(text + local.length + 1, domain.at, domain.length);
    return (struct str){text, local.length + 1 + domain.length};
}

int mailbox_parse(struct str text, struct arena *arena, struct mailbox *mailbox)
{
    *mailbox = (struct mailbox){0};
    if (text.length > MAILBOX_BYTES_MAX || !utf8_is_valid(text))
        return -EINVAL;
    struct str local, normal;
    size_t local_bytes = parse_local(text, arena, &local);
    if (local_bytes == 0 || local_bytes >= text.length || text.at[local_bytes] != '@')
        return -EINVAL;
    struct str domain = str_from(text, local_bytes + 1);
    if (parse_domain(domain, arena, &normal) < 0)
        return -EINVAL;
    struct str quoted = quote_local(local, arena);
    if (quoted.length + 1 + normal.length > MAILBOX_BYTES_MAX)
        return -EINVAL;
    *mailbox = (struct mailbox){.text = join(quoted, domain, arena),
                                .local = local,
                                .domain = normal,
                                .is_utf8 = !utf8_is_ascii(local)};
    return 0;
}

struct str mailbox_ascii_text(const struct mailbox *mailbox, struct arena *arena)
{
    if (mailbox->is_null)
        return STR("");
    return join(quote_local(mailbox->local, arena), mailbox->domain, arena);
}

bool mailbox_same(const struct mailbox *a, const struct mailbox *b)
{
    return a->is_null == b->is_null && str_equal(a->domain, b->domain) &&
           str_equal_nocase(a->local, b->local);
}

/* A text is read as pieces, by one function for checking and for expanding:
 *
 *     macro-string  = *( macro-expand / macro-literal )
 *     macro-expand  = ( "%{" macro-letter transformers *delimiter "}" ) / "%%" / "%_" / "%-"
 *     macro-literal = %x21-24 / %x26-7E
 *     transformers  = *DIGIT [ "r" ]
 *     delimiter     = "." / "-" / "+" / "," / "/" / "_" / "="
 *     domain-spec   = macro-string domain-end
 *     domain-end    = ( "." toplabel [ "." ] ) / macro-expand
 *     toplabel      = ( *alphanum ALPHA *alphanum ) /
 *                     ( 1*alphanum "-" *( alphanum / "-" ) alphanum )
 *
 * An expansion may be much longer than a domain, but labels fall off at its start until one is left: so
 * only its tail is ever held. */
#include "spf_macro.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include "mail/domain.h"

#define DELIMITERS     ".-+,/_="
#define LETTERS        "slodiphcrtv"
#define EXP_LETTERS    "crt"
/* Nobody needs more, and expanding takes time. */
#define SPEC_BYTES_MAX 1024
/* A domain, the dot before it and a final one. */
#define TAIL_BYTES     ((size_t)DOMAIN_BYTES_MAX + 2)
#define DIGIT_LIMIT    1000000U /* more parts than there can be */

struct piece {
    struct str literal; /* if letter is 0 */
    bool is_expand;     /* a macro-expand, "%%" and its like too */
    char letter;        /* lower case */
    bool is_escaped;    /* an upper-case letter: as in a URL */
    unsigned keep;      /* so many parts from the right; 0: all */
    bool is_reversed;
    struct str delimiters;
};

/* --- reading --- */

static bool is_one_of(char byte, const char *set)
{
    return byte && strchr(set, byte);
}

static bool is_literal(char byte)
{
    return byte > ' ' && byte <= '~' && byte != '%';
}

static int read_keep(struct str *rest, unsigned *keep)
{
    bool has_digits = false;
    for (*keep = 0; rest->length && ascii_digit(rest->at[0]); *rest = str_from(*rest, 1)) {
        has_digits = true;
        if (*keep < DIGIT_LIMIT)
            *keep = 10 * *keep + (unsigned)(rest->at[0] - '0');
    }
    return has_digits && *keep == 0 ? -EINVAL : 0;
}

/* Behind "%{". */
static int read_letter(struct str *rest, struct piece *piece)
{
    ptrdiff_t end = str_index(*rest, '}');
    if (end < 1)
        return -EINVAL;
    struct str inner = str_part(*rest, 0, (size_t)end);
    *rest = str_from(*rest, (size_t)end + 1);
    piece->letter = ascii_lower(inner.at[0]);
    piece->is_escaped = piece->letter != inner.at[0];
    inner = str_from(inner, 1);
    if (!is_one_of(piece->letter, LETTERS) || read_keep(&inner, &piece->keep) < 0)
        return -EINVAL;
    if (inner.length && ascii_lower(inner.at[0]) == 'r') {
        piece->is_reversed = true;
        inner = str_from(inner, 1);
    }
    piece->delimiters = inner.length ? inner : STR(".");
    for (size_t i = 0; i < inner.length; i++)
        if (!is_one_of(inner.at[i], DELIMITERS))
            return -EINVAL;
    return 1;
}

static int read_expand(struct str *rest, struct piece *piece)
{
    char kind = rest->length > 1 ? rest->at[1] : '\0';
    piece->is_expand = true;
    *rest = str_from(*rest, rest->length > 1 ? 2 : 1);
    switch (kind) {
    case '{':
        return read_letter(rest, piece);
    case '%':
        piece->literal = STR("%");
        return 1;
    case '_':
        piece->literal = STR(" ");
        return 1;
    case '-':
        piece->literal = STR("%20");
        return 1;
    default:
        return -EINVAL;
    }
}

/* Returns 1 with a piece, 0 at the end, -EINVAL. */
static int read_piece(struct str *rest, struct piece *piece)
{
    *piece = (struct piece){.literal = STR("")};
    if (rest->length == 0)
        return 0;
    if (rest->at[0] == '%')
        return read_expand(rest, piece);
    size_t length = 0;
    while (length < rest->length && is_literal(rest->at[length]))
        length++;
    piece->literal = str_part(*rest, 0, length);
    *rest = str_from(*rest, length);
    return length ? 1 : -EINVAL;
}

/* --- checking --- */

bool spf_macro_is_string(struct str text)
{
    struct piece piece;
    int found = read_piece(&text, &piece);
    while (found > 0)
        found = read_piece(&text, &piece);
    return found == 0;
}

static bool is_toplabel(struct str label)
{
    bool has_more_than_digits = false;
    for (size_t i = 0; i < label.length; i++) {
        if (!ascii_alnum(label.at[i]) && label.at[i] != '-')
            return false;
        has_more_than_digits |= !ascii_digit(label.at[i]);
    }
    return has_more_than_digits && label.at[0] != '-' && label.at[label.length - 1] != '-';
}

static bool is_domain_end(const struct piece *last)
{
    struct str text = last->literal;
    if (last->is_expand)
        return true;
    if (text.length && text.at[text.length - 1] == '.')
        text.length--;
    ptrdiff_t dot = str_last_index(text, '.');
    return dot >= 0 && is_toplabel(str_from(text, (size_t)dot + 1));
}

bool spf_macro_is_domain_spec(struct str text)
{
    struct piece piece, last = {.literal = STR("")};
    int found;
    if (text.length > SPEC_BYTES_MAX)
        return false;
    while ((found = read_piece(&text, &piece)) > 0) {
        if (is_one_of(piece.letter, EXP_LETTERS))
            return false;
        last = piece;
    }
    return found == 0 && is_domain_end(&last);
}

bool spf_macro_uses(struct str text, char letter)
{
    struct piece piece;
    while (read_piece(&text, &piece) > 0)
        if (piece.letter == letter)
            return true;
    return false;
}

/* --- expanding --- */

struct tail {
    char bytes[4 *
               TAIL_BYTES]; /* the last ones: TAIL_BYTES at least, if so many there were */
    size_t length;
};

static void put(struct tail *tail, struct str bytes)
{
    for (size_t i = 0; i < bytes.length; i++) {
        if (tail->length == sizeof tail->bytes) {
            tail->length = TAIL_BYTES;
            memmove(tail->bytes, tail->bytes + sizeof tail->bytes - TAIL_BYTES, TAIL_BYTES);
        }
        tail->bytes[tail->length++] = ascii_lower(bytes.at[i]);
    }
}

/* RFC 3986 section 2.3 leaves these as they are. */
static bool is_unreserved(char byte)
{
    return ascii_alnum(byte) || is_one_of(byte, "-._~");
}

static void put_escaped(struct tail *tail, struct str bytes)
{
    for (size_t i = 0; i < bytes.length; i++) {
        char text[4];
        snprintf(text, sizeof text, "%%%02X", (unsigned char)bytes.at[i]);
        put(tail, is_unreserved(bytes.at[i]) ? str_part(bytes, i, 1) : str_of(text));
    }
}

static struct str value_of(char letter, const struct spf_macro_values *values)
{
    switch (letter) {
    case 's':
        return values->sender;
    case 'l':
        return values->local;
    case 'o':
        return values->sender_domain;
    case 'd':
        return values->domain;
    case 'i':
        return values->address;
    case 'p':
        return values->validated;
    case 'h':
        return values->helo;
    default: /* v */
        return values->is_v6 ? STR("ip6") : STR("in-addr");
    }
}

/* Cuts *count parts at most off the start of *rest, or off its end; *count: how many there were. */
static struct str cut_parts(struct str *rest, const struct piece *piece, bool from_end,
                            size_t *count)
{
    size_t taken = 0, wanted = *count, length = rest->length;
    for (*count = 1; taken < length; taken++) {
        char byte = rest->at[from_end ? length - 1 - taken : taken];
        if (str_index(piece->delimiters, byte) < 0)
            continue;
        if (*count == wanted)
            break;
        ++*count;
    }
    struct str parts = str_part(*rest, from_end ? length - taken : 0, taken);
    size_t gone = taken < length ? taken + 1 : taken;
    *rest = str_part(*rest, from_end ? 0 : gone, length - gone);
    return parts;
}

static void put_macro(struct tail *tail, const struct piece *piece,
                      const struct spf_macro_values *values)
{
    struct str value = value_of(piece->letter, values);
    size_t count = piece->keep ? piece->keep : SIZE_MAX;
    struct str parts = cut_parts(&value, piece, !piece->is_reversed, &count);
    for (size_t left = count, one = 1; left > 0; left--) {
        struct str part = cut_parts(&parts, piece, piece->is_reversed, &one);
        if (left < count)
            put(tail, STR("."));
        if (piece->is_escaped)
            put_escaped(tail, part);
        else
            put(tail, part);
    }
}

static struct str without_first_labels(struct str domain)
{
    while (domain.length > DOMAIN_BYTES_MAX && str_index(domain, '.') >= 0)
        str_cut(&domain, '.');
    return domain;
}

struct str spf_macro_expand(struct str spec, const struct spf_macro_values *values,
                            struct arena *arena)
{
    struct tail tail = {.length = 0};
    struct piece piece;
    while (read_piece(&spec, &piece) > 0) {
        if (piece.letter)
            put_macro(&tail, &piece, values);
        else
            put(&tail, piece.literal);
    }
    struct str domain = {tail.bytes, tail.length};
    if (domain.length && domain.at[domain.length - 1] == '.')
        domain.length--;
    return arena_str(arena, without_first_labels(domain));
}

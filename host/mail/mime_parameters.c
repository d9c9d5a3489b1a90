/*   field     = value *(";" parameter)
 *   parameter = attribute ["*" number] ["*"] "=" (token / quoted-string)
 *
 * With the last "*" the text is charset'language'percent-encoded, of which the first piece alone says the
 * character set. Pieces are put together by their number. */
#include "mime_parameters.h"

#include "base/buf.h"
#include "mail/charset.h"
#include "mail/decode.h"
#include "mail/header.h"

#define PIECES_MAX      256
#define VALUE_BYTES_MAX ((size_t)64 * 1024)

/* One "attribute=value" as it stands there. */
struct piece {
    struct str name; /* lower case, without "*" and number */
    struct str text;
    unsigned long long number;
    bool is_numbered, is_encoded, is_used;
};

struct pieces {
    struct piece items[PIECES_MAX];
    size_t count;
};

static struct str lower(struct str s, struct arena *arena)
{
    char *text = arena_text(arena, s);
    for (size_t i = 0; i < s.length; i++)
        text[i] = ascii_lower(text[i]);
    return (struct str){text, s.length};
}

/* --- cutting into pieces --- */

/* `rest` starts with a quote: the text within, without backslashes; the quote that ends it may lack. */
static struct str cut_quoted(struct str *rest, struct arena *arena)
{
    char *text = arena_alloc(arena, rest->length);
    size_t length = 0, i = 1;
    for (; i < rest->length && rest->at[i] != '"'; i++) {
        /* Some write paths with backslashes. */
        bool is_escape = rest->at[i] == '\\' && i + 1 < rest->length &&
                         (rest->at[i + 1] == '"' || rest->at[i + 1] == '\\');
        i += is_escape;
        text[length++] = rest->at[i];
    }
    *rest = str_from(*rest, i < rest->length ? i + 1 : i);
    return (struct str){text, length};
}

static struct str cut_value(struct str *rest, struct arena *arena)
{
    *rest = str_trim(*rest);
    if (!rest->length || rest->at[0] != '"')
        return str_trim(str_cut(rest, ';'));
    struct str text = cut_quoted(rest, arena);
    str_cut(rest, ';');
    return text;
}

static void read_name(struct str name, struct arena *arena, struct piece *piece)
{
    if (name.length && name.at[name.length - 1] == '*') {
        piece->is_encoded = true;
        name.length--;
    }
    ptrdiff_t star = str_last_index(name, '*');
    if (star >= 0 && str_to_number(str_from(name, (size_t)star + 1), &piece->number)) {
        piece->is_numbered = true;
        name.length = (size_t)star;
    }
    piece->name = lower(str_trim(name), arena);
}

static void read_pieces(struct str rest, struct arena *arena, struct pieces *pieces)
{
    while ((rest = str_trim(rest)).length && pieces->count < PIECES_MAX) {
        size_t end = 0;
        while (end < rest.length && rest.at[end] != '=' && rest.at[end] != ';')
            end++;
        struct str name = str_trim(str_part(rest, 0, end));
        if (end == rest.length || rest.at[end] == ';') {
            str_cut(&rest, ';');
            continue;
        }
        struct piece *piece = &pieces->items[pieces->count++];
        *piece = (struct piece){0};
        read_name(name, arena, piece);
        rest = str_from(rest, end + 1);
        piece->text = cut_value(&rest, arena);
    }
}

/* --- putting them together --- */

static int digit_of(char c)
{
    c = ascii_lower(c);
    if (ascii_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void append_percent_decoded(struct buf *bytes, struct str text)
{
    for (size_t i = 0; i < text.length; i++) {
        char byte = text.at[i];
        int high = byte == '%' && i + 2 < text.length ? digit_of(text.at[i + 1]) : -1;
        int low = high < 0 ? -1 : digit_of(text.at[i + 2]);
        if (low >= 0) {
            byte = (char)(high * 16 + low);
            i += 2;
        }
        buf_append(bytes, (struct str){&byte, 1});
    }
}

static struct str to_utf8(struct charset *charset, struct str bytes, struct arena *arena,
                          bool *is_broken)
{
    struct buf text;
    buf_init(&text, 8 * bytes.length + CHARSET_STEP_BYTES_MIN);
    charset_begin(charset);
    while (bytes.length) {
        char step[512];
        size_t length = charset_step(charset, &bytes, step, sizeof step, is_broken);
        buf_append(&text, (struct str){step, length});
    }
    struct str utf8 = arena_str(arena, buf_view(&text));
    buf_free(&text);
    return utf8;
}

static struct piece *find_piece(struct pieces *pieces, struct str name, size_t number)
{
    for (size_t i = 0; i < pieces->count; i++) {
        struct piece *piece = &pieces->items[i];
        if (!piece->is_used && piece->is_numbered && piece->number == number &&
            str_equal(piece->name, name))
            return piece;
    }
    return NULL;
}

/* Cuts "charset'language'" off. */
static struct charset *cut_charset(struct str *text, bool *is_broken)
{
    struct str rest = *text, label = str_cut(&rest, '\'');
    if (str_index(rest, '\'') < 0)
        return NULL;
    str_cut(&rest, '\'');
    *text = rest;
    struct charset *charset = charset_find(label);
    *is_broken |= !charset && label.length;
    return charset;
}

/* The whole value that starts with `piece`. */
static struct str join(struct pieces *pieces, struct piece *piece, struct arena *arena,
                       bool *is_broken)
{
    struct charset *charset = NULL;
    struct buf bytes;
    buf_init(&bytes, VALUE_BYTES_MAX);
    bool is_any_encoded = piece->is_encoded;
    if (piece->is_encoded)
        charset = cut_charset(&piece->text, is_broken);
    for (size_t number = 1; piece; number++) {
        piece->is_used = true;
        if (piece->is_encoded)
            append_percent_decoded(&bytes, piece->text);
        else
            *is_broken |= buf_append(&bytes, piece->text) < 0;
        is_any_encoded |= piece->is_encoded;
        piece = piece->is_numbered ? find_piece(pieces, piece->name, number) : NULL;
    }
    struct str joined = arena_str(arena, buf_view(&bytes));
    buf_free(&bytes);
    if (!is_any_encoded)
        joined = decode_words(joined, arena);
    return to_utf8(charset ? charset : charset_guess(joined), joined, arena, is_broken);
}

/* RFC 2231 goes before the old form that many send beside it. */
static void keep(struct mime_parameters *parameters, struct str name, struct str value,
                 bool is_rfc2231)
{
    for (size_t i = 0; i < parameters->count; i++) {
        if (!str_equal(parameters->items[i].name, name))
            continue;
        if (is_rfc2231)
            parameters->items[i].value = value;
        return;
    }
    if (parameters->count == MIME_PARAMETERS_MAX)
        parameters->is_broken = true;
    else
        parameters->items[parameters->count++] = (struct mime_parameter){name, value};
}

void mime_parameters_read(struct str field, struct arena *arena,
                          struct mime_parameters *parameters)
{
    struct pieces *pieces = arena_new_of(arena, struct pieces);
    struct str rest = header_unfold(field, arena);
    parameters->count = 0;
    parameters->is_broken = false;
    parameters->value = lower(str_trim(str_cut(&rest, ';')), arena);
    read_pieces(rest, arena, pieces);
    parameters->is_broken |= pieces->count == PIECES_MAX;
    for (size_t i = 0; i < pieces->count; i++) {
        struct piece *piece = &pieces->items[i];
        bool is_first = !piece->is_numbered || piece->number == 0;
        if (piece->is_used || !is_first || !piece->name.length)
            continue;
        bool is_rfc2231 = piece->is_encoded || piece->is_numbered;
        struct str name = piece->name;
        struct str value = join(pieces, piece, arena, &parameters->is_broken);
        keep(parameters, name, value, is_rfc2231);
    }
}

struct str mime_parameter(const struct mime_parameters *parameters, const char *name)
{
    for (size_t i = 0; i < parameters->count; i++)
        if (str_equal(parameters->items[i].name, str_of(name)))
            return parameters->items[i].value;
    return STR("");
}

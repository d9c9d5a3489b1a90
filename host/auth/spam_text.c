#include "auth/spam_text.h"

#include <endian.h>
#include <stdint.h>

#define TAG_BYTES_MAX      2000
#define HOST_BYTES_MAX     253
#define ENCODING_BYTES_MAX 40
#define LINE_BYTES_RUN     60 /* a line of base64 is one word longer than this */
#define ONES               UINT64_C(0x0101010101010101)
#define HIGH_BITS          UINT64_C(0x8080808080808080)

struct pass {
    struct str body;
    size_t at;
    char *words;
    size_t length; /* of words */
    bool is_quoted_printable;
    struct str anchor_host; /* of the <a> that is open, or empty */
    size_t anchor_from;     /* in words */
    struct spam_text *text;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct str rest_of(const struct pass *pass)
{
    return str_from(pass->body, pass->at);
}

static void put(struct pass *pass, char c)
{
    pass->words[pass->length++] = ascii_lower(c);
}

static void put_blank(struct pass *pass)
{
    if (pass->length && pass->words[pass->length - 1] != ' ')
        pass->words[pass->length++] = ' ';
}

/* --- hosts --- */

static bool is_host_byte(char c)
{
    return ascii_alnum(c) || c == '.' || c == '-' || c == '_';
}

static struct str host_at(struct str s)
{
    size_t length = 0;
    while (length < s.length && length < HOST_BYTES_MAX && is_host_byte(s.at[length]))
        length++;
    return str_part(s, 0, length);
}

/* Of "user:password@host/path", which follows "://". */
static struct str link_host(struct str s)
{
    struct str host = host_at(s);
    struct str rest = str_from(s, host.length);
    if (rest.length == 0 || (rest.at[0] != '@' && rest.at[0] != ':'))
        return host;
    size_t end = 0;
    while (end < rest.length && end < HOST_BYTES_MAX && !is_blank(rest.at[end]) &&
           !strchr("/\"'<>", rest.at[end]))
        end++;
    ptrdiff_t at = str_last_index(str_part(rest, 0, end), '@');
    return at < 0 ? host : host_at(str_from(rest, (size_t)at + 1));
}

static bool is_number_host(struct str host)
{
    for (size_t i = 0; i < host.length; i++)
        if (!ascii_digit(host.at[i]) && host.at[i] != '.')
            return false;
    return host.length > 0;
}

static bool ends_with_any(struct str s, const char *const endings[])
{
    for (; *endings; endings++)
        if (str_ends_nocase(s, str_of(*endings)))
            return true;
    return false;
}

static bool is_shortener(struct str host)
{
    static const char *const hosts[] = {
        "bit.ly", "tinyurl.com", "goo.gl", "t.co",    "is.gd",       "ow.ly",     "cutt.ly",
        "rb.gy",  "buff.ly",     "t.ly",   "tiny.cc", "shorturl.at", "rebrand.ly"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        if (str_equal_nocase(host, str_of(hosts[i])))
            return true;
    return false;
}

static bool is_odd_domain(struct str host)
{
    static const char *const endings[] = {
        ".top",   ".xyz",     ".click", ".icu",  ".buzz", ".cfd",  ".sbs",    ".rest",
        ".loan",  ".win",     ".bid",   ".gq",   ".ml",   ".cf",   ".tk",     ".ga",
        ".quest", ".monster", ".cam",   ".cyou", ".work", ".date", ".racing", NULL};
    return ends_with_any(host, endings);
}

static struct str note_link(struct pass *pass, struct str after_scheme)
{
    struct str host = link_host(after_scheme);
    struct spam_text *text = pass->text;
    text->link_count++;
    text->address_link_count += is_number_host(host);
    text->shortened_link_count += is_shortener(host);
    text->odd_domain_count += is_odd_domain(host);
    return host;
}

/* Where the label starts that ends at `end`. */
static size_t label_start(struct str host, size_t end)
{
    return (size_t)(str_last_index(str_part(host, 0, end), '.') + 1);
}

/* The last two labels, three where the second is short as in "co.uk". */
static struct str registered_part(struct str host)
{
    size_t top = label_start(host, host.length);
    if (top == 0)
        return host;
    size_t second = label_start(host, top - 1);
    if (second > 0 && host.length - top == 2 && top - 1 - second <= 3)
        second = label_start(host, second - 1);
    return str_from(host, second);
}

/* The host that the visible text of a link names; empty if it is no address. */
static struct str shown_host(struct str text)
{
    text = str_trim(text);
    ptrdiff_t scheme = str_find(text, STR("://"));
    if (scheme >= 0 && scheme <= 5)
        text = str_from(text, (size_t)scheme + 3);
    else if (!str_starts(text, STR("www.")))
        return STR("");
    struct str host = host_at(text);
    return str_index(host, '.') < 0 ? STR("") : host;
}

/* --- markup --- */

static struct str tag_name(struct str tag)
{
    size_t length = 0;
    while (length < tag.length && (ascii_alnum(tag.at[length]) || tag.at[length] == '/'))
        length++;
    return str_part(tag, 0, length);
}

static void open_anchor(struct pass *pass, struct str tag)
{
    ptrdiff_t scheme = str_find(tag, STR("://"));
    pass->anchor_host = STR("");
    if (scheme < 0)
        return;
    pass->anchor_host = note_link(pass, str_from(tag, (size_t)scheme + 3));
    pass->anchor_from = pass->length;
}

static void close_anchor(struct pass *pass)
{
    if (pass->anchor_host.length == 0)
        return;
    struct str shown = shown_host(
        (struct str){pass->words + pass->anchor_from, pass->length - pass->anchor_from});
    if (shown.length &&
        !str_equal_nocase(registered_part(shown), registered_part(pass->anchor_host)))
        pass->text->lying_link_count++;
    pass->anchor_host = STR("");
}

/* Markup within a word does not part it: "v<b>ia</b>gra". */
static bool is_inline(struct str name)
{
    static const char *const names[] = {"b", "i", "u", "a", "font", "span", "em", "strong"};
    if (name.length && name.at[0] == '/')
        name = str_from(name, 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_equal_nocase(name, str_of(names[i])))
            return true;
    return false;
}

static void note_tag(struct pass *pass, struct str tag)
{
    struct str name = tag_name(tag);
    if (str_equal_nocase(name, STR("a")))
        open_anchor(pass, tag);
    else if (str_equal_nocase(name, STR("/a")))
        close_anchor(pass);
    else if (str_equal_nocase(name, STR("img")))
        pass->text->image_count++;
    else if (str_equal_nocase(name, STR("html")) || str_equal_nocase(name, STR("body")) ||
             str_equal_nocase(name, STR("table")))
        pass->text->is_html = true;
    if (!is_inline(name))
        put_blank(pass);
}

static void skip_until(struct pass *pass, struct str end)
{
    ptrdiff_t at = str_find(rest_of(pass), end);
    pass->at = at < 0 ? pass->body.length : pass->at + (size_t)at + end.length;
}

/* At a '<': passes over a tag or a comment; false if it is neither. */
static bool read_tag(struct pass *pass)
{
    struct str rest = str_from(rest_of(pass), 1);
    if (str_starts(rest, STR("!--"))) {
        pass->text->comment_count++;
        skip_until(pass, STR("-->"));
        return true;
    }
    if (rest.length == 0 || (!ascii_alpha(rest.at[0]) && rest.at[0] != '/'))
        return false;
    if (rest.length > TAG_BYTES_MAX)
        rest.length = TAG_BYTES_MAX;
    ptrdiff_t end = str_index(rest, '>');
    if (end < 0)
        return false;
    struct str tag = str_part(rest, 0, (size_t)end);
    pass->at += tag.length + 2;
    note_tag(pass, tag);
    if (str_starts_nocase(tag, STR("style")) || str_starts_nocase(tag, STR("script")))
        skip_until(pass, STR("</"));
    return true;
}

/* --- words --- */

static int hex_digit(char c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* At a '=' of quoted-printable: the byte it stands for; -1 for none, with what is to be passed over. */
static int read_escape(struct pass *pass, size_t *bytes)
{
    struct str rest = rest_of(pass);
    *bytes = str_starts(rest, STR("=\r\n")) ? 3 : str_starts(rest, STR("=\n")) ? 2 : 0;
    if (*bytes || rest.length < 3)
        return -1;
    int high = hex_digit(rest.at[1]);
    int low = hex_digit(rest.at[2]);
    if (high < 0 || low < 0)
        return -1;
    *bytes = 3;
    return high * 16 + low;
}

static bool ends_word(const struct pass *pass, struct str word)
{
    return pass->length >= word.length &&
           memcmp(pass->words + pass->length - word.length, word.at, word.length) == 0;
}

/* `name="x.exe"`, `filename=x.exe`, "filename*=utf-8''x.exe", at the '='. */
static void note_file_name(struct pass *pass)
{
    static const char *const endings[] = {".exe", ".scr", ".pif", ".bat", ".com", ".cmd",
                                          ".vbs", ".js",  ".jar", ".lnk", ".iso", ".img",
                                          ".hta", ".wsf", ".ps1", ".msi", NULL};
    struct str rest = str_from(rest_of(pass), 1);
    bool is_quoted = rest.length && rest.at[0] == '"';
    size_t end = is_quoted;
    while (end < rest.length && end < HOST_BYTES_MAX && rest.at[end] != '\r' &&
           rest.at[end] != '\n' && rest.at[end] != '"' && rest.at[end] != ';')
        end++;
    pass->text->has_executable |= ends_with_any(str_part(rest, 0, end), endings);
}

/* "Content-Transfer-Encoding: quoted-printable" of a part, at the ':'. */
static void note_encoding(struct pass *pass)
{
    struct str rest = str_from(rest_of(pass), 1);
    if (rest.length > ENCODING_BYTES_MAX)
        rest.length = ENCODING_BYTES_MAX;
    pass->is_quoted_printable = str_starts_nocase(str_trim(rest), STR("quoted-printable"));
}

/* What more there is to note at this byte than the byte itself. */
static void note_byte(struct pass *pass, char c)
{
    switch (c) {
    case '!':
        pass->text->exclamation_count++;
        break;
    case ':':
        if (ends_word(pass, STR("transfer-encoding")))
            note_encoding(pass);
        else if (str_starts(rest_of(pass), STR("://")) &&
                 (ends_word(pass, STR("http")) || ends_word(pass, STR("https"))))
            note_link(pass, str_from(rest_of(pass), 3));
        break;
    case '=':
        if (ends_word(pass, STR("name")) || ends_word(pass, STR("name*")))
            note_file_name(pass);
        break;
    default:
        break;
    }
}

/* A line that is one long word is an attachment's: true if one was passed over. */
static bool skip_encoded_line(struct pass *pass)
{
    struct str rest = rest_of(pass);
    size_t length = 0;
    while (length < rest.length && (ascii_alnum(rest.at[length]) ||
                                    rest.at[length] == '+' || rest.at[length] == '/'))
        length++;
    bool is_whole = length == rest.length || is_blank(rest.at[length]);
    if (length < LINE_BYTES_RUN || !is_whole)
        return false;
    pass->at += length;
    return true;
}

static void read_blank(struct pass *pass)
{
    char c = pass->body.at[pass->at++];
    put_blank(pass);
    if (c == '\n')
        skip_encoded_line(pass);
}

/* At a '='. */
static void read_equals(struct pass *pass)
{
    size_t bytes;
    int decoded = read_escape(pass, &bytes);
    if (bytes == 0)
        put(pass, '=');
    else if (decoded >= 0 && is_blank((char)decoded))
        put_blank(pass);
    else if (decoded >= 0)
        put(pass, (char)decoded);
    pass->at += bytes ? bytes : 1;
}

/* A byte that is_special. */
static void read_special(struct pass *pass)
{
    char c = pass->body.at[pass->at];
    if (is_blank(c)) {
        read_blank(pass);
    } else if (c == '&' && str_starts(rest_of(pass), STR("&nbsp;"))) {
        put_blank(pass);
        pass->at += STR("&nbsp;").length;
    } else if (c != '<' || !read_tag(pass)) {
        note_byte(pass, c);
        if (c == '=' && pass->is_quoted_printable) {
            read_equals(pass);
        } else {
            put(pass, c);
            pass->at++;
        }
    }
}

/* Where more is to be done than to write the byte down. */
static bool is_special(char c)
{
    return (unsigned char)c < ' ' || c == '<' || c == '=' || c == '&' || c == ':' ||
           c == '!';
}

/* The high bit of each byte of a word that is `c`; above the first, perhaps of others. */
static uint64_t bytes_equal(uint64_t word, char c)
{
    word ^= ONES * (unsigned char)c;
    return (word - ONES) & ~word & HIGH_BITS;
}

/* True if no byte of the word is_special and no space follows a space. */
static bool is_plain(uint64_t word, bool is_after_space)
{
    uint64_t controls = (word - ONES * ' ') & ~word & HIGH_BITS;
    uint64_t markup = bytes_equal(word | ONES, '=') | bytes_equal(word, '&'); /* and '<' */
    uint64_t marks = bytes_equal(word, ':') | bytes_equal(word, '!');
    uint64_t spaces = bytes_equal(word, ' ');
    uint64_t doubles = spaces & (spaces << 8U | (is_after_space ? 0x80U : 0U));
    return !(controls | markup | marks | doubles);
}

static uint64_t lower(uint64_t word)
{
    uint64_t low_bits = word & ~HIGH_BITS;
    uint64_t from_a = low_bits + ONES * (0x80 - 'A');
    uint64_t past_z = low_bits + ONES * (0x7F - 'Z');
    return word | ((from_a ^ past_z) & ~word & HIGH_BITS) >> 2U;
}

/* Writes down, eight bytes at a time, what it can of the text. Returns how much that was. */
static size_t put_words(struct pass *pass, struct str text)
{
    bool is_after_space = !pass->length || pass->words[pass->length - 1] == ' ';
    char *words = pass->words + pass->length;
    size_t at = 0;
    for (uint64_t word; at + sizeof word <= text.length; at += sizeof word) {
        memcpy(&word, text.at + at, sizeof word);
        word = le64toh(word);
        if (!is_plain(word, is_after_space))
            break;
        is_after_space = word >> 56U == ' ';
        word = htole64(lower(word));
        memcpy(words + at, &word, sizeof word);
    }
    pass->length += at;
    return at;
}

/* Nearly all bytes: up to the next special one. */
static void read_plain(struct pass *pass)
{
    struct str rest = rest_of(pass);
    while (rest.length && !is_special(rest.at[0])) {
        rest = str_from(rest, put_words(pass, rest));
        for (int i = 0; i < 8 && rest.length && !is_special(rest.at[0]); i++) {
            if (rest.at[0] == ' ')
                put_blank(pass);
            else
                put(pass, rest.at[0]);
            rest = str_from(rest, 1);
        }
    }
    pass->at = pass->body.length - rest.length;
}

void spam_text_read(struct str body, bool is_quoted_printable, struct arena *arena,
                    struct spam_text *text)
{
    *text = (struct spam_text){0};
    struct pass pass = {.body = body,
                        .words = arena_alloc(arena, body.length + 1),
                        .is_quoted_printable = is_quoted_printable,
                        .text = text};
    skip_encoded_line(&pass);
    for (;;) {
        read_plain(&pass);
        if (pass.at == body.length)
            break;
        read_special(&pass);
    }
    text->words = (struct str){pass.words, pass.length};
}

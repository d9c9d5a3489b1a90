/* Replies: made, written and parsed (RFC 5321 section 4.2, RFC 2034).
 *
 *     Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
 *
 * Invariant: a reply's text is valid UTF-8 without control characters other than the '\n' between its
 * lines, so it may go to a peer, a log or a script as it is. */
#include "smtp/reply.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "mail/utf8.h"

#define CODE_BYTES     3
#define LINE_BYTES_MAX 512 /* with CRLF: RFC 5321 section 4.5.3.1.5 */

bool reply_is_ok(const struct reply *reply)
{
    return reply->code >= 200 && reply->code < 400;
}

bool reply_is_temporary(const struct reply *reply)
{
    return reply->code >= 400 && reply->code < 500;
}

bool reply_is_permanent(const struct reply *reply)
{
    return reply->code >= 500 && reply->code < 600;
}

/* --- printable text --- */

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

/* Bytes of the printable character at the start of `s`; 0 when there is none. */
static size_t printable_length(struct str s)
{
    size_t length = utf8_character_bytes(s);
    unsigned char first = (unsigned char)s.at[0];
    bool is_control = first < 0x20 || first == 0x7F;
    bool is_c1_control = first == 0xC2 && length == 2 && (unsigned char)s.at[1] < 0xA0;
    return is_control || is_c1_control ? 0 : length;
}

/* Appends printable characters, '?' for the rest, up to the ceiling of the text. */
static size_t append_printable(char text[REPLY_TEXT_BYTES], size_t used, struct str s)
{
    while (s.length > 0) {
        size_t length = printable_length(s);
        size_t bytes = length ? length : 1;
        if (used + bytes >= REPLY_TEXT_BYTES)
            break;
        if (length)
            memcpy(text + used, s.at, length);
        else
            text[used] = s.at[0] == '\n' ? '\n' : '?';
        used += bytes;
        s = str_from(s, bytes);
    }
    text[used] = '\0';
    return used;
}

/* --- making --- */

struct reply reply_make(int code, const char *enhanced, const char *format, ...)
{
    struct reply reply = {.code = code};
    char text[REPLY_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(reply.enhanced, sizeof reply.enhanced, "%s", enhanced);
    append_printable(reply.text, 0, str_of(text));
    return reply;
}

/* --- writing --- */

/* How much of a line goes on one line of the wire: cut at a blank if there is one in its second half, and
 * never within a character. */
static size_t wire_length(struct str line, size_t room)
{
    if (line.length <= room)
        return line.length;
    for (size_t at = room; at > room / 2; at--)
        if (line.at[at] == ' ')
            return at;
    while (is_continuation(line.at[room]))
        room--;
    return room;
}

static int write_line(const struct reply *reply, bool is_last, struct str piece,
                      struct buf *out)
{
    int failed = buf_append_number(out, reply->code);
    failed |= buf_append(out, is_last ? STR(" ") : STR("-"));
    if (reply->enhanced[0] != '\0')
        failed |= buf_append(out, str_of(reply->enhanced)) | buf_append(out, STR(" "));
    return failed | buf_append(out, piece) | buf_append(out, STR("\r\n"));
}

int reply_write(const struct reply *reply, struct buf *out)
{
    bool has_enhanced = reply->enhanced[0] != '\0';
    size_t before = strlen("250-") + strlen(reply->enhanced) + (has_enhanced ? 1 : 0);
    size_t room = LINE_BYTES_MAX - before - strlen("\r\n");
    struct str rest = str_of(reply->text);
    bool is_last = false;
    while (!is_last) {
        ptrdiff_t line_end = str_index(rest, '\n');
        struct str line = line_end < 0 ? rest : str_part(rest, 0, (size_t)line_end);
        struct str piece = str_part(line, 0, wire_length(line, room));
        size_t taken = piece.length;
        if (taken < rest.length && (rest.at[taken] == '\n' || rest.at[taken] == ' '))
            taken++;
        is_last = piece.length == rest.length;
        rest = str_from(rest, taken);
        if (write_line(reply, is_last, piece, out) < 0)
            return -ENOBUFS;
    }
    return 0;
}

static char *copy_to(char *at, struct str bytes)
{
    if (bytes.length)
        memcpy(at, bytes.at, bytes.length);
    return at + bytes.length;
}

/* In one piece: each message has several. */
struct str reply_line(const struct reply *reply, struct arena *arena)
{
    struct str enhanced = str_of(reply->enhanced), rest = str_of(reply->text);
    size_t room = CODE_BYTES + 1 + enhanced.length + 1;
    for (size_t i = 0; i < rest.length; i++)
        room += rest.at[i] == '\n' ? 2 : 1;
    char *line = arena_alloc(arena, room + 1), *at = line;
    at += snprintf(at, CODE_BYTES + 1, "%03d", reply->code);
    if (enhanced.length)
        at = copy_to(copy_to(at, STR(" ")), enhanced);
    for (struct str separator = STR(" "); rest.length > 0; separator = STR("; "))
        at = copy_to(copy_to(at, separator), str_cut(&rest, '\n'));
    *at = '\0';
    return (struct str){line, (size_t)(at - line)};
}

/* --- parsing --- */

/* Length of "5.1.1" at the start of a text (RFC 3463: class "." subject "." detail), 0 if none. */
static size_t enhanced_length(struct str text)
{
    size_t at = 1;
    if (text.length < 5 || (text.at[0] != '2' && text.at[0] != '4' && text.at[0] != '5'))
        return 0;
    for (int part = 0; part < 2; part++) {
        size_t digits = 0;
        if (at >= text.length || text.at[at++] != '.')
            return 0;
        for (; at < text.length && ascii_digit(text.at[at]); at++)
            digits++;
        if (digits == 0 || digits > 3)
            return 0;
    }
    return at == text.length || text.at[at] == ' ' ? at : 0;
}

static struct str without_enhanced(struct str text, const char *enhanced)
{
    size_t length = strlen(enhanced);
    if (length == 0 || enhanced_length(text) != length ||
        memcmp(text.at, enhanced, length) != 0)
        return text;
    return str_from(text, length < text.length ? length + 1 : length);
}

struct reply_wire_line {
    int code;
    bool is_last;
    struct str text;
};

static int parse_line(struct str line, struct reply_wire_line *parsed)
{
    if (line.length < 3 || line.at[0] < '2' || line.at[0] > '5' ||
        !ascii_digit(line.at[1]) || !ascii_digit(line.at[2]))
        return -EPROTO;
    parsed->code = (line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 + (line.at[2] - '0');
    parsed->is_last = line.length == 3 || line.at[3] == ' ';
    if (!parsed->is_last && line.at[3] != '-')
        return -EPROTO;
    parsed->text = line.length > 4 ? str_from(line, 4) : STR("");
    return 0;
}

static size_t append_line(struct reply *reply, size_t used,
                          const struct reply_wire_line *line, bool is_first)
{
    size_t length = is_first ? enhanced_length(line->text) : 0;
    if (length > 0 && line->text.at[0] - '0' == line->code / 100)
        memcpy(reply->enhanced, line->text.at, length);
    if (!is_first)
        used = append_printable(reply->text, used, STR("\n"));
    return append_printable(reply->text, used,
                            without_enhanced(line->text, reply->enhanced));
}

int reply_parse(struct str input, struct reply *reply)
{
    struct reply_wire_line line = {0};
    size_t used = 0;
    size_t consumed = 0;
    *reply = (struct reply){0};
    for (size_t count = 0; !line.is_last; count++) {
        struct str rest = str_from(input, consumed);
        ptrdiff_t end = str_index(rest, '\n');
        size_t line_bytes = end < 0 ? rest.length : (size_t)end + 1;
        if (count >= REPLY_LINES_MAX || consumed + line_bytes > REPLY_WIRE_BYTES_MAX ||
            (end < 0 && input.length >= REPLY_WIRE_BYTES_MAX))
            return -EPROTO;
        if (end < 0)
            return 0;
        struct str text = str_part(rest, 0, (size_t)end);
        if (text.length > 0 && text.at[text.length - 1] == '\r')
            text.length--;
        if (parse_line(text, &line) < 0)
            return -EPROTO;
        used = append_line(reply, used, &line, count == 0);
        consumed += line_bytes;
    }
    /* All lines should have the same code; where they do not, the last one is the verdict. */
    reply->code = line.code;
    if (reply->enhanced[0] && reply->enhanced[0] - '0' != line.code / 100)
        reply->enhanced[0] = '\0';
    return (int)consumed;
}

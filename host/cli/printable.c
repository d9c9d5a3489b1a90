#include "cli/printable.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "mail/utf8.h"

#define ESCAPED_BYTES_MAX 8 /* of one byte or character: "\ue0001" */
#define ELLIPSIS          STR("\xe2\x80\xa6")

static uint32_t code_point(struct str character)
{
    static const unsigned char first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t point = (unsigned char)character.at[0] & first_bits[character.length];
    for (size_t i = 1; i < character.length; i++)
        point = point << 6 | ((unsigned char)character.at[i] & 0x3f);
    return point;
}

static bool is_shown(uint32_t point)
{
    static const struct {
        uint32_t first, last;
    } hidden[] = {
        {0, 0x1f},          /* C0 */
        {0x7f, 0x9f},       /* DEL, C1 */
        {0xad, 0xad},       /* soft hyphen */
        {0x61c, 0x61c},     /* Arabic letter mark */
        {0x180e, 0x180e},   /* Mongolian vowel separator */
        {0x200b, 0x200f},   /* zero width, direction marks */
        {0x2028, 0x202e},   /* line and paragraph, overrides */
        {0x2060, 0x206f},   /* joiners, isolates */
        {0xfeff, 0xfeff},   /* byte order mark */
        {0xfff9, 0xfffb},   /* annotations */
        {0xe0000, 0xe0fff}, /* tags */
    };
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (point >= hidden[i].first && point <= hidden[i].last)
            return false;
    return true;
}

/* Appends the character at the start of `text`; how many bytes it was. */
static size_t show(struct str text, struct buf *out)
{
    size_t bytes = utf8_character_bytes(text);
    if (bytes == 0) {
        buf_printf(out, "\\x%02x", (unsigned)(unsigned char)text.at[0]);
        return 1;
    }
    uint32_t point = code_point(str_part(text, 0, bytes));
    if (is_shown(point))
        buf_append(out, str_part(text, 0, bytes));
    else
        buf_printf(out, point < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)point);
    return bytes;
}

const char *printable(struct str text, struct arena *arena)
{
    return printable_cut(text, SIZE_MAX, arena);
}

const char *printable_cut(struct str text, size_t characters_max, struct arena *arena)
{
    struct buf out;
    buf_init(&out, text.length * ESCAPED_BYTES_MAX + ELLIPSIS.length);
    size_t width = 0, fits = 0; /* what is kept when more follows */
    while (text.length && width <= characters_max) {
        size_t before = out.length;
        text = str_from(text, show(text, &out));
        size_t added = out.length - before;
        width += (unsigned char)buf_view(&out).at[before] < 0x80 ? added : 1;
        if (width < characters_max)
            fits = out.length;
    }
    struct str shown = buf_view(&out);
    const char *result = width > characters_max ? arena_printf(arena, "%.*s%.*s", (int)fits,
                                                               shown.at, STR_ARG(ELLIPSIS))
                                                : arena_text(arena, shown);
    buf_free(&out);
    return result;
}

size_t printable_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

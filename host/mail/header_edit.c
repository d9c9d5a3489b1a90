#include "header_edit.h"

#include <errno.h>

#include "base/str.h"
#include "mail/address_list.h"
#include "mail/decode.h"
#include "mail/encode.h"
#include "mail/tag_list.h"
#include "mail/utf8.h"

#define PLAIN_BYTES_MAX 900
#define TEXT_BYTES_MAX  4000
#define WORDS_BYTES_MAX 8000
#define NAME_BYTES_MAX  100
#define EDITS_MAX       256

/* --- which --- */

/* A final "-" stands for all names that start so. */
static bool is_one_of(struct str name, const char *const names[])
{
    for (; *names; names++) {
        struct str one = str_of(*names);
        bool is_prefix = one.at[one.length - 1] == '-';
        if (is_prefix ? name.length > one.length && str_starts_nocase(name, one)
                      : str_equal_nocase(name, one))
            return true;
    }
    return false;
}

bool header_edit_is_allowed(struct str name)
{
    static const char *const allowed[] = {
        "Subject",  "Reply-To", "List-", "Precedence", "Auto-Submitted",
        "Comments", "Keywords", "X-",    NULL};
    /* How often the message has been here (mail/hop.h) is not the script's to say. */
    return is_one_of(name, allowed) && !str_starts_nocase(name, STR("X-Postern-"));
}

bool header_edit_is_signed(const struct header *header, struct str name)
{
    const struct header_field *field;
    struct tag_list tags;
    size_t index = 0;
    while ((field = header_next(header, STR("DKIM-Signature"), &index)))
        if (tag_list_parse(field->value, &tags) == 0 &&
            tag_has_element(tag_list_value(&tags, STR("h")), name))
            return true;
    return false;
}

/* --- values --- */

static struct str encoded(struct str text, struct arena *arena)
{
    struct buf words;
    buf_init(&words, WORDS_BYTES_MAX);
    struct str value = {0};
    if (encode_words(text, &words) == 0)
        value = arena_str(arena, buf_view(&words));
    buf_free(&words);
    return value;
}

int header_edit_value(struct str name, struct str text, struct arena *arena,
                      struct str *value)
{
    static const char *const texts[] = {"Subject", "Comments", "X-", NULL};
    *value = text;
    if (!header_name_is_valid(name) || !header_value_is_valid(text))
        return -EINVAL;
    if (text.length <= PLAIN_BYTES_MAX && encode_is_7bit(text))
        return 0;
    if (!is_one_of(name, texts) || text.length > TEXT_BYTES_MAX || !utf8_is_valid(text))
        return -EINVAL;
    *value = encoded(text, arena);
    return value->length ? 0 : -EINVAL;
}

/* --- the section --- */

static size_t find_edit(const struct header_edit edits[], size_t count, struct str name)
{
    size_t i = 0;
    while (i < count && !str_equal_nocase(edits[i].name, name))
        i++;
    return i;
}

static int append_edit(struct buf *out, const struct header_edit *edit)
{
    return edit->is_removal ? 0 : header_append(out, edit->name, edit->value);
}

int header_edit_apply(struct str section, const struct header *header,
                      const struct header_edit edits[], size_t count, struct buf *out)
{
    bool is_done[EDITS_MAX] = {false};
    const char *rest = section.at;
    int result = count <= EDITS_MAX ? 0 : -EINVAL;
    for (size_t i = 0; i < header->count && result == 0; i++) {
        const struct header_field *field = &header->fields[i];
        size_t found = find_edit(edits, count, field->name);
        if (found == count)
            result = buf_append(out, field->whole);
        else if (!is_done[found])
            result = append_edit(out, &edits[found]);
        if (found < count)
            is_done[found] = true;
        rest = field->whole.at + field->whole.length;
    }
    for (size_t i = 0; i < count && result == 0; i++)
        if (!is_done[i])
            result = append_edit(out, &edits[i]);
    return result ? result
                  : buf_append(out, str_from(section, (size_t)(rest - section.at)));
}

/* --- From --- */

/* Without what ends a quoted string, and control bytes; empty when it is no text. */
static struct str quotable(struct str text, struct arena *arena)
{
    char *kept = arena_alloc(arena, text.length + 1);
    size_t length = 0;
    if (!utf8_is_valid(text))
        return STR("");
    for (size_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        if ((unsigned char)c >= ' ' && c != 0x7f && c != '"' && c != '\\')
            kept[length++] = c;
    }
    return str_trim(utf8_cut((struct str){kept, length}, NAME_BYTES_MAX));
}

/* The display name, or else the local part of the address. */
static struct str author_name(struct str from, struct arena *arena)
{
    struct mailbox author;
    ptrdiff_t bracket = str_last_index(from, '<');
    struct str name = STR("");
    if (bracket > 0)
        name = quotable(decode_words(str_part(from, 0, (size_t)bracket), arena), arena);
    if (name.length == 0 && address_list_parse(from, arena, &author, 1) == 1)
        name = quotable(author.local, arena);
    return name.length ? name : STR("somebody");
}

struct str header_edit_via(const struct header *header, const struct mailbox *address,
                           struct arena *arena)
{
    struct str name = author_name(header_value(header, STR("From"), arena), arena);
    struct str desk = quotable(address->local, arena);
    struct str shown =
        str_of(arena_printf(arena, "%.*s via %.*s", STR_ARG(name), STR_ARG(desk)));
    struct str phrase = utf8_is_ascii(shown)
                            ? str_of(arena_printf(arena, "\"%.*s\"", STR_ARG(shown)))
                            : encoded(shown, arena);
    return str_of(arena_printf(arena, "%.*s <%.*s>", STR_ARG(phrase),
                               STR_ARG(mailbox_ascii_text(address, arena))));
}

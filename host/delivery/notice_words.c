#include "notice_words.h"

#include "base/mem.h"
#include "mail/domain.h"
#include "mail/mailbox.h"
#include "mail/utf8.h"

#define WORD_BYTES_MAX   600 /* with a name in front well within a line */
#define TEXT_BYTES_MAX   2000
#define HIDDEN_BYTES_MAX 4000 /* of a text in which something was replaced */
#define LOCAL_BYTES_MIN  3    /* a local part of less is in every text */

/* --- clean --- */

/* Bytes of the character at the start of `text` if it may stand in a notice; else 0. */
static size_t printable_bytes(struct str text, enum words_charset charset)
{
    size_t bytes = utf8_character_bytes(text);
    unsigned char first = (unsigned char)text.at[0];
    bool is_c1_control = first == 0xC2 && bytes == 2 && (unsigned char)text.at[1] < 0xA0;
    if (first < ' ' || first == 0x7F || is_c1_control)
        return 0;
    return charset == WORDS_ASCII && bytes > 1 ? 0 : bytes;
}

struct str words_clean(struct str text, enum words_charset charset, size_t bytes_max,
                       struct arena *arena)
{
    invariant(bytes_max <= TEXT_BYTES_MAX, "words: a bound too high");
    char *clean = arena_alloc(arena, bytes_max + bytes_max / WORD_BYTES_MAX + 1);
    size_t length = 0, word = 0, taken = 0;
    while (text.length && taken < bytes_max) {
        size_t bytes = printable_bytes(text, charset);
        size_t step = bytes ? bytes : 1;
        if (taken + step > bytes_max)
            break;
        if (text.at[0] == ' ') {
            word = 0;
        } else if (word + step > WORD_BYTES_MAX) {
            clean[length++] = ' ';
            word = 0;
        }
        memcpy(clean + length, bytes ? text.at : "?", step);
        word += step;
        length += step;
        taken += step;
        text = str_from(text, step);
    }
    return str_trim((struct str){clean, length});
}

/* --- hide --- */

struct replacement {
    struct str address, percent_address, ascii_address; /* of the destination */
    struct str local, domain;                           /* empty: not to be replaced */
    struct str original, original_local;
};

bool words_must_hide(const struct notice_recipient *recipient, struct arena *arena)
{
    struct mailbox original, destination;
    if (recipient->original.length == 0)
        return false;
    if (mailbox_parse(recipient->original, arena, &original) < 0 ||
        mailbox_parse(recipient->recipient, arena, &destination) < 0)
        return !str_equal_nocase(recipient->original, recipient->recipient);
    return !mailbox_same(&original, &destination);
}

static struct replacement plan(const struct notice_recipient *recipient,
                               struct arena *arena)
{
    struct mailbox original, destination;
    struct replacement plan = {.address = recipient->recipient,
                               .original = recipient->original};
    if (mailbox_parse(recipient->original, arena, &original) < 0 ||
        mailbox_parse(recipient->recipient, arena, &destination) < 0)
        return plan;
    plan.ascii_address = mailbox_ascii_text(&destination, arena);
    plan.percent_address = str_of(arena_printf(
        arena, "%.*s%%40%.*s", STR_ARG(destination.local), STR_ARG(destination.domain)));
    plan.original_local = original.local;
    if (destination.local.length >= LOCAL_BYTES_MIN &&
        !str_equal_nocase(destination.local, original.local))
        plan.local = destination.local;
    if (!domain_is_within(original.domain, destination.domain))
        plan.domain = destination.domain;
    return plan;
}

static void append_bounded(struct buf *out, struct str text)
{
    size_t room = out->ceiling - out->length;
    buf_append(out, text.length <= room ? text : str_part(text, 0, room));
}

/* Each `needle` in any case becomes `other`. */
static struct str replace_all(struct str text, struct str needle, struct str other,
                              struct arena *arena)
{
    struct buf out;
    if (needle.length == 0)
        return text;
    buf_init(&out, HIDDEN_BYTES_MAX);
    while (text.length) {
        bool is_needle = str_starts_nocase(text, needle);
        append_bounded(&out, is_needle ? other : str_part(text, 0, 1));
        text = str_from(text, is_needle ? needle.length : 1);
    }
    struct str result = arena_str(arena, buf_view(&out));
    buf_free(&out);
    return result;
}

static bool is_name_byte(char c)
{
    return ascii_alnum(c) || c == '.' || c == '-' || c == '_' || c == '+' ||
           (unsigned char)c > 127;
}

static size_t name_bytes(struct str text)
{
    size_t end = 0;
    while (end < text.length && is_name_byte(text.at[end]))
        end++;
    while (end > 1 && text.at[end - 1] == '.') /* the end of a sentence */
        end--;
    return end;
}

static bool is_in_domain(struct str name, struct str domain)
{
    if (domain.length == 0 || !str_ends_nocase(name, domain))
        return false;
    return name.length == domain.length || name.at[name.length - domain.length - 1] == '.';
}

static struct str hide_names(struct str text, const struct replacement *plan,
                             struct arena *arena)
{
    struct buf out;
    buf_init(&out, HIDDEN_BYTES_MAX);
    while (text.length) {
        size_t bytes = name_bytes(text);
        struct str name = str_part(text, 0, bytes ? bytes : 1);
        if (is_in_domain(name, plan->domain))
            append_bounded(&out, STR("(hidden)"));
        else if (plan->local.length && str_equal_nocase(name, plan->local))
            append_bounded(&out, plan->original_local);
        else
            append_bounded(&out, name);
        text = str_from(text, name.length);
    }
    struct str result = arena_str(arena, buf_view(&out));
    buf_free(&out);
    return result;
}

struct str words_hide(struct str text, const struct notice_recipient *recipient,
                      struct arena *arena)
{
    struct replacement replacement = plan(recipient, arena);
    text = replace_all(text, replacement.address, replacement.original, arena);
    text = replace_all(text, replacement.ascii_address, replacement.original, arena);
    text = replace_all(text, replacement.percent_address, replacement.original, arena);
    return hide_names(text, &replacement, arena);
}

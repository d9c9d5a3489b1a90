/* Words of one character set that follow each other are decoded as one, since many a sender cuts characters in two.
 *
 *     encoded-word = "=?" charset ["*" language] "?" ("B" / "Q") "?" encoded-text "?="
 */
#include "decode.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "mail/charset.h"
#include "mail/tag_list.h"

/* RFC 2047 says 75; some write longer ones. */
#define WORD_BYTES_MAX 1000

struct word {
    struct str whole, text;
    struct charset *charset;
    char encoding; /* 'b' or 'q' */
};

/* Words of one character set. */
struct run {
    struct charset *charset;
    struct str raw;    /* empty: there is no run */
    struct str blanks; /* in front of it, if it stays as it stands */
    struct buf bytes;  /* decoded, not yet in UTF-8 */
};

struct decoder {
    struct arena *arena;
    struct run run;
    struct buf out;
};

/* --- one word --- */

static bool is_blank(struct str text)
{
    return str_trim(text).length == 0;
}

/* The word that `text` starts with. */
static bool read_word(struct str text, struct word *word)
{
    if (!str_starts(text, STR("=?")))
        return false;
    if (text.length > WORD_BYTES_MAX)
        text.length = WORD_BYTES_MAX;
    struct str rest = str_from(text, 2);
    struct str charset = str_cut(&rest, '?');
    word->charset = charset_find(str_cut(&charset, '*'));
    if (!word->charset || rest.length < 2 || rest.at[1] != '?')
        return false;
    word->encoding = ascii_lower(rest.at[0]);
    rest = str_from(rest, 2);
    ptrdiff_t end = str_find(rest, STR("?="));
    if (end < 0)
        return false;
    word->text = str_part(rest, 0, (size_t)end);
    word->whole = str_part(text, 0, (size_t)(rest.at - text.at) + (size_t)end + 2);
    return str_index(word->text, ' ') < 0 && str_index(word->text, '\t') < 0;
}

static int digit_of(char c)
{
    c = ascii_lower(c);
    if (ascii_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode_q(struct str text, struct arena *arena, struct str *bytes)
{
    char *decoded = arena_alloc(arena, text.length + 1);
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        char byte = text.at[i] == '_' ? ' ' : text.at[i];
        if (byte == '=') {
            int high = i + 2 < text.length ? digit_of(text.at[i + 1]) : -1;
            int low = high < 0 ? -1 : digit_of(text.at[i + 2]);
            if (low < 0)
                return false;
            byte = (char)(high * 16 + low);
            i += 2;
        }
        decoded[length++] = byte;
    }
    *bytes = (struct str){decoded, length};
    return true;
}

/* Padding is often forgotten. */
static bool decode_b(struct str text, struct arena *arena, struct str *bytes)
{
    int missing = (int)((4 - text.length % 4) % 4);
    struct str padded =
        str_of(arena_printf(arena, "%.*s%.*s", STR_ARG(text), missing, "==="));
    return missing < 3 && tag_base64(padded, arena, bytes) == 0;
}

static bool decode_word(const struct word *word, struct arena *arena, struct str *bytes)
{
    if (word->encoding == 'q')
        return decode_q(word->text, arena, bytes);
    return word->encoding == 'b' && decode_b(word->text, arena, bytes);
}

/* --- words that follow each other --- */

/* Appends the run's text; false, and nothing, if it is not well formed. */
static bool append_run(struct decoder *decoder)
{
    const struct run *run = &decoder->run;
    struct str bytes = buf_view(&run->bytes);
    struct buf text;
    bool is_broken = false;
    buf_init(&text, 4 * bytes.length + CHARSET_STEP_BYTES_MIN);
    charset_begin(run->charset);
    while (bytes.length && !is_broken) {
        char step[256];
        size_t length = charset_step(run->charset, &bytes, step, sizeof step, &is_broken);
        buf_append(&text, (struct str){step, length});
    }
    if (!is_broken)
        buf_append(&decoder->out, buf_view(&text));
    buf_free(&text);
    return !is_broken;
}

/* False: the run stays as it stood. */
static bool end_run(struct decoder *decoder)
{
    struct run *run = &decoder->run;
    bool is_decoded = append_run(decoder);
    if (!is_decoded) {
        buf_append(&decoder->out, run->blanks);
        buf_append(&decoder->out, run->raw);
    }
    buf_clear(&run->bytes);
    run->raw = STR("");
    return is_decoded;
}

/* `blanks` stand between it and what came before. */
static bool add_word(struct decoder *decoder, struct str blanks, const struct word *word)
{
    struct run *run = &decoder->run;
    struct str bytes;
    bool is_next = run->raw.length > 0;
    bool is_decoded = decode_word(word, decoder->arena, &bytes);
    if (is_decoded && is_next && word->charset == run->charset) {
        buf_append(&run->bytes, bytes);
        run->raw.length = (size_t)(word->whole.at - run->raw.at) + word->whole.length;
        return true;
    }
    bool may_be_glued = is_next && end_run(decoder) && is_decoded;
    if (!may_be_glued)
        buf_append(&decoder->out, blanks);
    if (is_decoded) {
        run->blanks = may_be_glued ? blanks : STR("");
        run->raw = word->whole;
        run->charset = word->charset;
        buf_append(&run->bytes, bytes);
    }
    return is_decoded;
}

static void take_plain(struct decoder *decoder, struct str plain)
{
    if (decoder->run.raw.length)
        end_run(decoder);
    buf_append(&decoder->out, plain);
}

struct str decode_words(struct str text, struct arena *arena)
{
    struct decoder decoder = {.arena = arena};
    buf_init(&decoder.out, 4 * text.length + 1);
    buf_init(&decoder.run.bytes, text.length + 1);
    size_t plain_from = 0, at = 0;
    while (at < text.length) {
        struct word word;
        struct str plain = str_part(text, plain_from, at - plain_from);
        if (!read_word(str_from(text, at), &word)) {
            at++;
            continue;
        }
        if (!is_blank(plain)) {
            take_plain(&decoder, plain);
            plain = STR("");
        }
        bool is_taken = add_word(&decoder, plain, &word);
        plain_from = is_taken ? at + word.whole.length : at;
        at += is_taken ? word.whole.length : 2;
    }
    take_plain(&decoder, str_from(text, plain_from));
    struct str decoded = arena_str(arena, buf_view(&decoder.out));
    buf_free(&decoder.out);
    buf_free(&decoder.run.bytes);
    return decoded;
}

#include "wrap.h"

#include <errno.h>

#include "mail/encode.h"
#include "mail/header.h"
#include "mail/message.h"
#include "mail/utf8.h"

#define SUBJECT_BYTES_MAX 400
#define WORDS_BYTES_MAX   8000

static int put_text(struct buf *out, const char *text)
{
    return buf_append(out, str_of(text));
}

/* What cannot be said in one line is left to the message within. */
static int put_subject(const struct wrap *wrap, struct buf *out)
{
    struct str subject =
        utf8_is_valid(wrap->subject) ? utf8_cut(wrap->subject, SUBJECT_BYTES_MAX) : STR("");
    struct buf text, words;
    buf_init(&text, WORDS_BYTES_MAX);
    buf_init(&words, WORDS_BYTES_MAX);
    int result = put_text(&text, "Fwd: ") | buf_append(&text, subject);
    bool is_plain = encode_is_7bit(buf_view(&text));
    if (result == 0 && !is_plain)
        result = encode_words(buf_view(&text), &words);
    if (result == 0)
        result = header_append(out, STR("Subject"), buf_view(is_plain ? &text : &words));
    buf_free(&text);
    buf_free(&words);
    return result == -EINVAL ? header_append(out, STR("Subject"), STR("Fwd:")) : result;
}

static int put_header(const struct wrap *wrap, struct buf *out)
{
    struct arena *arena = arena_new();
    char date[DATE_TEXT_BYTES];
    struct str type = str_of(
        arena_printf(arena, "multipart/mixed; boundary=\"%.*s\"", STR_ARG(wrap->boundary)));
    int result = header_append(out, STR("From"), wrap->from_field);
    result |= header_append(out, STR("To"), mailbox_ascii_text(wrap->to, arena));
    result |= put_subject(wrap, out);
    result |= header_append(out, STR("Date"), str_of(date_text(wrap->date_ms, date)));
    result |= header_append(out, STR("Message-ID"), wrap->message_id);
    result |= header_append(out, STR("Auto-Submitted"), STR("auto-generated"));
    result |= header_append(out, STR("MIME-Version"), STR("1.0"));
    result |= header_append(out, STR("Content-Type"), type);
    arena_free(arena);
    return result;
}

static int put_delimiter(const struct wrap *wrap, struct buf *out, const char *end)
{
    return put_text(out, "\r\n--") | buf_append(out, wrap->boundary) | put_text(out, end);
}

int wrap_message(const struct wrap *wrap, struct buf *out)
{
    int result = put_header(wrap, out) | put_delimiter(wrap, out, "\r\n");
    result |= put_text(out, "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
                            "The attached message was sent to an address here, and is "
                            "passed on.\r\n");
    result |= put_delimiter(wrap, out, "\r\nContent-Type: message/rfc822\r\n");
    bool is_8bit = false;
    for (size_t i = 0; i < wrap->part_count; i++)
        is_8bit = is_8bit || str_has_8bit(wrap->parts[i]);
    result |= put_text(out, is_8bit ? "Content-Transfer-Encoding: 8bit\r\n\r\n" : "\r\n");
    for (size_t i = 0; i < wrap->part_count && result == 0; i++)
        result = buf_append(out, wrap->parts[i]);
    return result | put_delimiter(wrap, out, "--\r\n") ? -ENOBUFS : 0;
}

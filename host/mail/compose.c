/* The reply to a person's mail that a worker sends (RFC 3834 section 3): header fields in the order people
 * expect them, then one part, or text and HTML as alternatives. */
#include "compose.h"

#include <errno.h>

#include "mail/encode.h"
#include "mail/header.h"
#include "mail/mailbox.h"
#include "mail/message.h"
#include "mail/references.h"
#include "mail/utf8.h"

#define PLAIN_BYTES_MAX 900
#define WORDS_BYTES_MAX 8000 /* 4,000 bytes encoded are less */

/* Never within a part: "=" is only followed by hexadecimal digits in quoted-printable, which a part that
 * has this text in it is sent as. */
#define BOUNDARY "=_postern"

/* --- header --- */

static int refuse_size(const struct buf *out, struct err *err)
{
    return err_set(err, -ENOBUFS, "the message is larger than %zu bytes", out->ceiling);
}

static int put_field(struct buf *out, struct str name, struct str value, struct err *err)
{
    int result = header_append(out, name, value);
    if (result == -ENOBUFS)
        return refuse_size(out, err);
    if (result < 0)
        return err_set(err, result, "%.*s: has a line break or a NUL in it, or is too long",
                       STR_ARG(name));
    return 0;
}

/* As it is when it is printable ASCII that fits a line, encoded words that the script passes on included;
 * else as encoded words. */
static int put_text_field(struct buf *out, struct str name, struct str value,
                          struct err *err)
{
    if (value.length > COMPOSE_FIELD_BYTES_MAX || !header_value_is_valid(value) ||
        !utf8_is_valid(value))
        return err_set(err, -EINVAL,
                       "%.*s: must be UTF-8 without line breaks and NUL, at most %d bytes",
                       STR_ARG(name), COMPOSE_FIELD_BYTES_MAX);
    if (value.length <= PLAIN_BYTES_MAX && encode_is_7bit(value))
        return put_field(out, name, value, err);
    struct buf words;
    buf_init(&words, WORDS_BYTES_MAX);
    int result = encode_words(value, &words);
    if (result == 0)
        result = put_field(out, name, buf_view(&words), err);
    buf_free(&words);
    return result;
}

static int put_mailbox(struct buf *out, const char *name, struct str text, struct err *err)
{
    struct arena *arena = arena_new();
    struct mailbox mailbox;
    int result = mailbox_parse(text, arena, &mailbox);
    if (result < 0)
        err_set(err, result, "%s: must be an address, as \"anna@example.com\"", name);
    else
        result = put_field(out, str_of(name), mailbox_ascii_text(&mailbox, arena), err);
    arena_free(arena);
    return result;
}

static int put_id(struct buf *out, const char *name, struct str id, struct err *err)
{
    if (!message_id_is_valid(id))
        return err_set(err, -EINVAL, "%s: must be one message identifier, as \"<id@host>\"",
                       name);
    return put_field(out, str_of(name), id, err);
}

static int put_references(struct buf *out, struct str references, struct err *err)
{
    if (references.length == 0)
        return 0;
    size_t count = 0;
    for (struct str rest = references; rest.length; count++)
        if (!message_id_is_valid(str_cut(&rest, ' ')) || count == REFERENCES_MAX)
            return err_set(err, -EINVAL,
                           "References: must be at most %d message identifiers with one "
                           "blank between",
                           REFERENCES_MAX);
    return put_field(out, STR("References"), references, err);
}

static int put_date(struct buf *out, uint64_t date_ms, struct err *err)
{
    char date[DATE_TEXT_BYTES];
    return put_field(out, STR("Date"), str_of(date_text(date_ms, date)), err);
}

/* A final "-" stands for all names that start so. */
static bool is_managed(struct str name)
{
    static const char *const managed[] = {
        "From",           "To",           "Cc",           "Bcc",
        "Sender",         "Subject",      "Date",         "Message-ID",
        "In-Reply-To",    "References",   "MIME-Version", "Content-",
        "Received",       "Received-SPF", "Return-Path",  "Resent-",
        "Auto-Submitted", "DKIM-",        "ARC-",         "Authentication-Results",
    };
    for (size_t i = 0; i < sizeof managed / sizeof *managed; i++) {
        struct str one = str_of(managed[i]);
        bool is_prefix = one.at[one.length - 1] == '-';
        if (is_prefix ? str_starts_nocase(name, one) : str_equal_nocase(name, one))
            return true;
    }
    return false;
}

static int check_own_field(struct str name, struct str value, struct err *err)
{
    if (!header_name_is_valid(name))
        return err_set(err, -EINVAL,
                       "a header name must be 1-76 ASCII letters, digits or signs without "
                       "blank and colon");
    if (is_managed(name))
        return err_set(
            err, -EINVAL,
            "%.*s: is set by Postern; leave it out of `headers` (or send a whole "
            "message as `raw`)",
            STR_ARG(name));
    if (str_equal_nocase(name, STR("Reply-To")) && !utf8_is_ascii(value))
        return err_set(err, -EINVAL,
                       "Reply-To: must be ASCII; write a name as RFC 2047 has it");
    return 0;
}

static int put_own_fields(struct buf *out, const struct compose_reply *parts,
                          struct err *err)
{
    int result = 0;
    for (size_t i = 0; i < parts->header_count && result == 0; i++) {
        const struct compose_header *own = &parts->headers[i];
        result = check_own_field(own->name, own->value, err);
        if (result == 0)
            result = put_text_field(out, own->name, own->value, err);
    }
    return result;
}

static int put_header(struct buf *out, const struct compose_reply *parts, struct err *err)
{
    int result = put_date(out, parts->date_ms, err);
    if (result == 0)
        result = put_id(out, "Message-ID", parts->message_id, err);
    if (result == 0)
        result = put_mailbox(out, "From", parts->from, err);
    if (result == 0)
        result = put_mailbox(out, "To", parts->to, err);
    if (result == 0)
        result = put_text_field(out, STR("Subject"), parts->subject, err);
    if (result == 0)
        result = put_id(out, "In-Reply-To", parts->in_reply_to, err);
    if (result == 0)
        result = put_references(out, parts->references, err);
    if (result == 0)
        result = put_field(out, STR("Auto-Submitted"), STR("auto-replied"), err);
    if (result == 0)
        result = put_own_fields(out, parts, err);
    if (result == 0)
        result = put_field(out, STR("MIME-Version"), STR("1.0"), err);
    return result;
}

/* --- body --- */

/* `text` has CRLF line ends. */
static int put_lines(struct buf *out, const char *subtype, struct str text)
{
    bool is_plain = encode_is_7bit(text) && str_find(text, STR(BOUNDARY)) < 0;
    int result = buf_printf(out,
                            "Content-Type: text/%s; charset=utf-8\r\n"
                            "Content-Transfer-Encoding: %s\r\n\r\n",
                            subtype, is_plain ? "7bit" : "quoted-printable");
    if (result < 0)
        return result;
    return is_plain ? buf_append(out, text) : encode_quoted_printable(text, out);
}

static int put_part(struct buf *out, const char *subtype, struct str text)
{
    struct buf lines;
    buf_init(&lines, out->ceiling);
    int result = encode_lines(text, &lines);
    if (result == 0)
        result = put_lines(out, subtype, buf_view(&lines));
    buf_free(&lines);
    return result;
}

static int put_alternatives(struct buf *out, const struct compose_reply *parts)
{
    int result =
        buf_append(out, STR("Content-Type: multipart/alternative; boundary=\"" BOUNDARY
                            "\"\r\n\r\n--" BOUNDARY "\r\n"));
    if (result == 0)
        result = put_part(out, "plain", parts->text);
    if (result == 0)
        result = buf_append(out, STR("--" BOUNDARY "\r\n"));
    if (result == 0)
        result = put_part(out, "html", parts->html);
    if (result == 0)
        result = buf_append(out, STR("--" BOUNDARY "--\r\n"));
    return result;
}

static int check_body(const char *field, struct str text, struct err *err)
{
    if (!utf8_is_valid(text) || str_index(text, '\0') >= 0)
        return err_set(err, -EINVAL, "`%s` must be UTF-8 without NUL", field);
    return 0;
}

static int put_body(struct buf *out, const struct compose_reply *parts, struct err *err)
{
    int result = check_body("text", parts->text, err);
    if (result == 0)
        result = check_body("html", parts->html, err);
    if (result < 0)
        return result;
    if (parts->text.length && parts->html.length)
        result = put_alternatives(out, parts);
    else if (parts->text.length)
        result = put_part(out, "plain", parts->text);
    else if (parts->html.length)
        result = put_part(out, "html", parts->html);
    else
        return err_set(err, -EINVAL, "the reply is empty: give `text`, `html` or both");
    return result < 0 ? refuse_size(out, err) : 0;
}

int compose_reply(const struct compose_reply *parts, struct buf *out, struct err *err)
{
    size_t before = out->length;
    int result = put_header(out, parts, err);
    if (result == 0)
        result = put_body(out, parts, err);
    if (result < 0)
        out->length = before;
    return result;
}

/* --- a message that the script wrote --- */

/* What it lacks. */
struct additions {
    struct str message_id;
    uint64_t date_ms;
    struct str auto_submitted; /* RFC 3834 section 5 */
};

/* In front of its fields, so that it cannot continue ours: its first line is a field. */
static int put_missing(struct buf *out, const struct header *header,
                       const struct additions *additions, struct err *err)
{
    int result = 0;
    if (header_count(header, STR("Date")) == 0)
        result = put_date(out, additions->date_ms, err);
    if (result == 0 && header_count(header, STR("Message-ID")) == 0)
        result = put_id(out, "Message-ID", additions->message_id, err);
    if (result == 0 && header_count(header, STR("Auto-Submitted")) == 0)
        result = put_field(out, STR("Auto-Submitted"), additions->auto_submitted, err);
    return result;
}

static int put_raw(struct buf *out, struct str raw, const struct additions *additions,
                   struct err *err)
{
    struct arena *arena = arena_new();
    struct header header;
    header_parse(raw, arena, &header);
    int result = header.count
                     ? put_missing(out, &header, additions, err)
                     : err_set(err, -EINVAL, "the first line of `raw` is no header field");
    arena_free(arena);
    if (result == 0 && buf_append(out, raw) < 0)
        result = refuse_size(out, err);
    return result;
}

static int compose_raw(struct str raw, const struct additions *additions, struct buf *out,
                       struct err *err)
{
    size_t before = out->length;
    struct buf lines;
    buf_init(&lines, out->ceiling);
    int result = encode_lines(raw, &lines) < 0
                     ? refuse_size(out, err)
                     : put_raw(out, buf_view(&lines), additions, err);
    if (result < 0)
        out->length = before;
    buf_free(&lines);
    return result;
}

int compose_raw_reply(struct str raw, struct str message_id, uint64_t date_ms,
                      struct buf *out, struct err *err)
{
    const struct additions additions = {message_id, date_ms, STR("auto-replied")};
    return compose_raw(raw, &additions, out, err);
}

int compose_raw_message(struct str raw, struct str message_id, uint64_t date_ms,
                        struct buf *out, struct err *err)
{
    const struct additions additions = {message_id, date_ms, STR("auto-generated")};
    return compose_raw(raw, &additions, out, err);
}

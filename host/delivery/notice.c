/* A notice is a multipart/report (RFC 6522) from <> to the message's return path: a text for people (notice_text.c),
 * the status for machines (notice_status.c), and what is given back of the message (notice_original.c).
 *
 * Its own header is ASCII, except for a return path whose local part is not: such a notice needs SMTPUTF8. A part with
 * 8-bit content makes it an 8-bit message. */
#include "notice.h"

#include <errno.h>

#include "base/mem.h"
#include "delivery/notice_parts.h"
#include "delivery/notice_words.h"
#include "delivery/seal.h"
#include "mail/answer.h"
#include "mail/delivery_notice.h"
#include "mail/encode.h"
#include "mail/mailbox.h"
#include "mail/message.h"
#include "mail/references.h"

/* --- whether --- */

bool notice_is_wanted(const struct store_message *message,
                      const struct notice_recipient *recipient)
{
    unsigned notify = recipient->notify;
    if (message->return_path.length == 0)
        return false;
    if (recipient->action == NOTICE_RELAYED)
        return notify & DSN_NOTIFY_SUCCESS;
    if (notify == 0)
        return true;
    return notify &
           (recipient->action == NOTICE_DELAYED ? DSN_NOTIFY_DELAY : DSN_NOTIFY_FAILURE);
}

/* --- header --- */

/* What the notice is made of before it is put together. */
struct notice_draft {
    struct str id, boundary;
    struct mailbox to;
    struct str text, status; /* with CRLF */
    struct notice_original original;
};

static void put(struct buf *out, struct str text)
{
    invariant(buf_append(out, text) == 0, "notice: its parts are bounded");
}

static void put_field(struct buf *out, const char *name, struct str value)
{
    if (value.length)
        invariant(header_append(out, str_of(name), value) == 0,
                  "notice: its fields are bounded");
}

/* The one that matters most to the reader. */
static const char *subject_begin(const struct notice_request *request)
{
    enum notice_action first = NOTICE_RELAYED;
    for (size_t i = 0; i < request->count; i++)
        if (request->recipients[i].action < first)
            first = request->recipients[i].action;
    return first == NOTICE_FAILED    ? "Undelivered mail to"
           : first == NOTICE_DELAYED ? "Delayed mail to"
                                     : "Mail passed on to";
}

static struct str subject(const struct notice_request *request)
{
    struct arena *arena = request->arena;
    const struct notice_recipient *first = &request->recipients[0];
    struct str address =
        words_clean(first->original.length ? first->original : first->recipient, WORDS_UTF8,
                    NOTICE_ADDRESS_BYTES, arena);
    struct str text = str_of(
        request->count == 1
            ? arena_printf(arena, "%s %.*s", subject_begin(request), STR_ARG(address))
            : arena_printf(arena, "%s %.*s and %zu more", subject_begin(request),
                           STR_ARG(address), request->count - 1));
    if (!str_has_8bit(text))
        return text;
    struct buf words;
    buf_init(&words, 4 * NOTICE_ADDRESS_BYTES);
    invariant(encode_words(text, &words) == 0, "notice: its subject is bounded");
    text = arena_str(arena, buf_view(&words));
    buf_free(&words);
    return text;
}

static struct str message_id_of(const struct header *original)
{
    size_t index = 0;
    const struct header_field *field = header_next(original, STR("Message-ID"), &index);
    struct str id = field ? str_trim(field->value) : STR("");
    return message_id_is_valid(id) ? id : STR("");
}

static bool is_8bit(const struct notice_draft *draft)
{
    return str_has_8bit(draft->status) || str_has_8bit(draft->original.content);
}

static void put_header(const struct notice_request *request,
                       const struct notice_draft *draft, struct buf *out)
{
    struct arena *arena = request->arena;
    const char *host = request->options->host_name;
    char date[DATE_TEXT_BYTES];
    put_field(out, "Date", str_of(date_text(request->now_ms, date)));
    put_field(out, "Message-ID",
              str_of(arena_printf(arena, "<%.*s@%s>", STR_ARG(draft->id), host)));
    put_field(
        out, "From",
        str_of(arena_printf(arena, "\"Mail Delivery System\" <MAILER-DAEMON@%s>", host)));
    put_field(out, "To",
              draft->to.is_utf8 ? draft->to.text : mailbox_ascii_text(&draft->to, arena));
    put_field(out, "Subject", subject(request));
    put_field(out, "In-Reply-To", message_id_of(&draft->original.header));
    put_field(out, "References", answer_references(&draft->original.header, arena));
    put_field(out, "Auto-Submitted", STR("auto-replied"));
    put_field(out, "MIME-Version", STR("1.0"));
    put_field(out, "Content-Type",
              str_of(arena_printf(arena,
                                  "multipart/report; report-type=delivery-status; "
                                  "boundary=\"%.*s\"",
                                  STR_ARG(draft->boundary))));
    put_field(out, "Content-Transfer-Encoding", is_8bit(draft) ? STR("8bit") : STR("7bit"));
    put(out, STR("\r\n"));
}

/* --- body --- */

static void open_part(const struct notice_draft *draft, const char *description,
                      const char *media_type, const char *encoding, struct buf *out)
{
    invariant(buf_printf(out,
                         "--%.*s\r\nContent-Description: %s\r\nContent-Type: %s\r\n"
                         "Content-Transfer-Encoding: %s\r\n\r\n",
                         STR_ARG(draft->boundary), description, media_type, encoding) == 0,
              "notice: its parts are bounded");
}

static void put_part(const struct notice_draft *draft, const char *description,
                     const char *media_type, struct str content, struct buf *out)
{
    open_part(draft, description, media_type, str_has_8bit(content) ? "8bit" : "7bit", out);
    put(out, content);
    put(out, STR("\r\n"));
}

static void put_text_part(const struct notice_draft *draft, struct buf *out)
{
    bool is_plain = encode_is_7bit(draft->text);
    open_part(draft, "Notification", "text/plain; charset=utf-8",
              is_plain ? "7bit" : "quoted-printable", out);
    if (is_plain)
        put(out, draft->text);
    else
        invariant(encode_quoted_printable(draft->text, out) == 0,
                  "notice: its text is bounded");
    put(out, STR("\r\n"));
}

static void put_body(const struct notice_draft *draft, struct buf *out)
{
    put_text_part(draft, out);
    put_part(draft, "Delivery report",
             str_has_8bit(draft->status) ? "message/global-delivery-status"
                                         : "message/delivery-status",
             draft->status, out);
    put_part(draft, "Undelivered message", draft->original.media_type,
             draft->original.content, out);
    put(out, STR("--"));
    put(out, draft->boundary);
    put(out, STR("--\r\n"));
}

/* --- together --- */

/* In no part, whatever somebody has put there on purpose. */
static struct str choose_boundary(const struct notice_draft *draft, struct arena *arena)
{
    struct str boundary = str_of(arena_printf(arena, "=_%.*s", STR_ARG(draft->id)));
    while (str_find(draft->original.content, boundary) >= 0 ||
           str_find(draft->status, boundary) >= 0 || str_find(draft->text, boundary) >= 0)
        boundary = str_of(arena_printf(arena, "=_%.*s", STR_ARG(message_new_id(arena))));
    return boundary;
}

static void write_draft(const struct notice_request *request, struct notice_draft *draft)
{
    struct arena *arena = request->arena;
    struct buf out;
    buf_init(&out, NOTICE_MESSAGE_BYTES + request->count * NOTICE_RECIPIENT_BYTES);
    draft->id = message_new_id(arena);
    draft->original = notice_original_take(request);
    notice_put_status(request, &out);
    draft->status = arena_str(arena, buf_view(&out));
    buf_clear(&out);
    notice_put_text(request, header_value(&draft->original.header, STR("Subject"), arena),
                    &out);
    draft->text = arena_str(arena, buf_view(&out));
    buf_free(&out);
    draft->boundary = choose_boundary(draft, arena);
}

/* Better unsigned than not at all. */
static struct str seal(const struct notice_request *request, struct str content)
{
    struct header header;
    struct str host = str_of(request->options->host_name), fields = STR("");
    struct err err;
    if (!request->options->keys)
        return fields;
    header_parse(content, request->arena, &header);
    const struct seal_request seal = {
        .header = &header,
        .body = str_from(content, header.body_offset),
        .domains = &host,
        .domain_count = 1,
        .now_ms = request->now_ms,
    };
    if (seal_message(request->options->keys, &seal, request->arena, &fields, &err) < 0)
        return STR("");
    return fields;
}

static struct str write_message(const struct notice_request *request,
                                const struct notice_draft *draft)
{
    struct buf out;
    /* In quoted-printable a byte is three, and some for its lines. */
    buf_init(&out, NOTICE_ORIGINAL_BYTES + 5 * (NOTICE_MESSAGE_BYTES +
                                                request->count * NOTICE_RECIPIENT_BYTES));
    put_header(request, draft, &out);
    put_body(draft, &out);
    struct str content = arena_str(request->arena, buf_view(&out));
    buf_free(&out);
    return content;
}

static void address_it(const struct notice_request *request,
                       const struct notice_draft *draft, struct store_message *notice,
                       struct store_leg *leg)
{
    struct arena *arena = request->arena;
    struct str *parts = arena_array(arena, struct str, 2);
    parts[1] = write_message(request, draft);
    parts[0] = seal(request, parts[1]);
    *notice = (struct store_message){
        .id = draft->id,
        .created_ms = request->now_ms,
        .is_8bit = is_8bit(draft),
        .is_utf8 = draft->to.is_utf8,
        .parts = parts,
        .part_count = 2,
    };
    *leg = (struct store_leg){
        .message_id = draft->id,
        .recipient = draft->to.text,
        .destination = draft->to.domain,
        .original = draft->to.text,
        .notify = DSN_NOTIFY_NEVER,
        .created_ms = request->now_ms,
    };
}

int notice_compose(const struct notice_request *request, struct store_message *notice,
                   struct store_leg *leg, struct err *err)
{
    struct notice_draft draft = {0};
    invariant(request->count > 0, "notice: of nobody");
    if (mailbox_parse(request->message->return_path, request->arena, &draft.to) < 0)
        return err_set(err, -EINVAL, "the return path is no address");
    write_draft(request, &draft);
    address_it(request, &draft, notice, leg);
    return 0;
}

/* The part for people: to whom, why in the peer's own words, and what can be done. */
#include "base/mem.h"
#include "delivery/failure.h"
#include "delivery/notice_parts.h"
#include "delivery/notice_words.h"
#include "mail/message.h"

#define LINE_BYTES_WRAP   72
#define SUBJECT_BYTES_MAX 300
#define REPLY_BYTES_MAX   1500
#define DAY_MS            ((uint64_t)24 * 60 * 60 * 1000)
#define HOUR_MS           ((uint64_t)60 * 60 * 1000)

static void put(struct buf *out, struct str text)
{
    invariant(buf_append(out, text) == 0, "notice: a text is bounded");
}

/* Lines of words, each after `indent`. */
static void put_paragraph(struct buf *out, const char *indent, struct str text)
{
    size_t column = 0;
    while (text.length) {
        struct str word = str_cut(&text, ' ');
        if (word.length == 0)
            continue;
        if (column && column + 1 + word.length > LINE_BYTES_WRAP) {
            put(out, STR("\r\n"));
            column = 0;
        }
        put(out, column ? STR(" ") : str_of(indent));
        put(out, word);
        column += (column ? 1 : strlen(indent)) + word.length;
    }
    put(out, STR("\r\n"));
}

static struct str address_of(const struct notice_recipient *recipient, struct arena *arena)
{
    bool is_ours = recipient->original.length > 0;
    return words_clean(is_ours ? recipient->original : recipient->recipient, WORDS_UTF8,
                       NOTICE_ADDRESS_BYTES, arena);
}

static const char *duration(uint64_t from_ms, uint64_t until_ms, struct arena *arena)
{
    uint64_t ms = until_ms > from_ms ? until_ms - from_ms : 0;
    uint64_t number = ms >= 2 * DAY_MS ? ms / DAY_MS : ms / HOUR_MS;
    if (number < 2)
        return "some time";
    return arena_printf(arena, "%d %s", (int)number, ms >= 2 * DAY_MS ? "days" : "hours");
}

/* --- what has happened --- */

static const char *outcome(const struct notice_request *request,
                           const struct notice_recipient *recipient)
{
    struct arena *arena = request->arena;
    char date[DATE_TEXT_BYTES];
    if (recipient->action == NOTICE_RELAYED)
        return "was passed on to a mail server that does not report deliveries. This is "
               "the "
               "last that you hear of it, unless something goes wrong there.";
    if (recipient->action == NOTICE_DELAYED)
        return arena_printf(arena,
                            "could not be delivered yet. It will be tried again until %s; "
                            "you need not send it again.",
                            date_text(recipient->retry_until_ms, date));
    if (reply_is_temporary(recipient->reply))
        return arena_printf(
            arena,
            "could not be delivered, though it was tried for %s. It is given up now.",
            duration(request->message->created_ms, request->now_ms, arena));
    return "could not be delivered.";
}

/* --- why --- */

static void put_reply(const struct notice_recipient *recipient, struct arena *arena,
                      struct buf *out)
{
    struct str peer = notice_peer_name(recipient, arena);
    struct str rest = notice_reply_text(recipient, arena);
    size_t room = REPLY_BYTES_MAX;
    put_paragraph(out, "    ",
                  !recipient->is_from_peer ? STR("What this mail system found:")
                  : peer.length ? str_of(arena_printf(arena, "%.*s said:", STR_ARG(peer)))
                                : STR("The recipient's mail server said:"));
    while (rest.length && room) {
        struct str line = words_clean(str_cut(&rest, '\n'), WORDS_UTF8, room, arena);
        put_paragraph(out, "        ", line);
        room -= line.length < room ? line.length : room;
    }
}

static void put_recipient(const struct notice_request *request,
                          const struct notice_recipient *recipient, struct buf *out)
{
    struct arena *arena = request->arena;
    put(out, STR("\r\n"));
    put_paragraph(out, "  ", address_of(recipient, arena));
    put_paragraph(out, "    ", str_of(outcome(request, recipient)));
    if (recipient->action == NOTICE_RELAYED)
        return;
    enum failure_class failure =
        failure_classify(recipient->reply, recipient->is_from_peer);
    put(out, STR("\r\n"));
    put_paragraph(out, "    ",
                  str_of(arena_printf(arena, "Why: %s.", failure_meaning(failure))));
    put_reply(recipient, arena, out);
    if (recipient->action == NOTICE_FAILED) {
        put(out, STR("\r\n"));
        put_paragraph(out, "    ", str_of(failure_advice(failure)));
    }
}

/* --- which message --- */

/* Left out when it is encoded: a reader finds it in the header that is given back. */
static void put_subject(struct str subject, struct arena *arena, struct buf *out)
{
    subject = words_clean(subject, WORDS_UTF8, SUBJECT_BYTES_MAX, arena);
    if (subject.length && str_find(subject, STR("=?")) < 0)
        put_paragraph(out, "    ",
                      str_of(arena_printf(arena, "Subject: %.*s", STR_ARG(subject))));
}

void notice_put_text(const struct notice_request *request, struct str subject,
                     struct buf *out)
{
    struct arena *arena = request->arena;
    char date[DATE_TEXT_BYTES];
    const struct store_message *message = request->message;
    struct str host = words_clean(str_of(request->options->host_name), WORDS_ASCII,
                                  NOTICE_ADDRESS_BYTES, arena);
    put_paragraph(
        out, "",
        str_of(arena_printf(arena, "This is the mail system at %.*s.", STR_ARG(host))));
    put(out, STR("\r\nYour message\r\n\r\n"));
    put_subject(subject, arena, out);
    put_paragraph(
        out, "    ",
        str_of(arena_printf(arena, "Received: %s", date_text(message->created_ms, date))));
    put(out, STR("\r\nto\r\n"));
    for (size_t i = 0; i < request->count; i++)
        put_recipient(request, &request->recipients[i], out);
    put(out, STR("\r\n"));
    put_paragraph(out, "",
                  str_of(arena_printf(arena, "To ask about it, name the number %.*s.",
                                      STR_ARG(words_clean(message->id, WORDS_ASCII,
                                                          NOTICE_ADDRESS_BYTES, arena)))));
}

/* The part for machines: RFC 3464 section 2 and, where an address is not ASCII, RFC 6533 section 3.
 *
 * Final-Recipient is the address at this host, not where a rule forwards it to: a forwarding is not to tell strangers
 * its destination. For the same reason the peer (Remote-MTA) is not named then, and its words come without the
 * destination's names. The activity log has all of it. */
#include "base/mem.h"
#include "delivery/failure.h"
#include "delivery/notice_parts.h"
#include "delivery/notice_words.h"
#include "mail/mailbox.h"
#include "mail/message.h"
#include "smtp/reply.h"

#define REPLY_BYTES_MAX 1500
#define ORCPT_BYTES_MAX 560

/* --- of the last word --- */

/* What we say of a peer names it, so of a hidden one only the meaning is told. */
struct str notice_reply_text(const struct notice_recipient *recipient, struct arena *arena)
{
    const struct reply *reply = recipient->reply;
    struct str text = str_of(reply->text);
    if (words_must_hide(recipient, arena)) {
        enum failure_class failure = failure_classify(reply, recipient->is_from_peer);
        text = recipient->is_from_peer ? words_hide(text, recipient, arena)
                                       : str_of(failure_meaning(failure));
    }
    const char *blank = reply->enhanced[0] ? " " : "";
    return str_of(arena_printf(arena, "%03d%s%s %.*s", reply->code, blank, reply->enhanced,
                               STR_ARG(text)));
}

struct str notice_peer_name(const struct notice_recipient *recipient, struct arena *arena)
{
    struct str peer = recipient->peer;
    if (!recipient->is_from_peer || words_must_hide(recipient, arena))
        return STR("");
    return words_clean(str_cut(&peer, '['), WORDS_ASCII, NOTICE_ADDRESS_BYTES, arena);
}

/* --- fields --- */

static void put_field(struct buf *out, const char *name, struct str value)
{
    if (value.length)
        invariant(header_append(out, str_of(name), value) == 0,
                  "notice: a field is bounded");
}

static void put_date(struct buf *out, const char *name, uint64_t date_ms)
{
    char date[DATE_TEXT_BYTES];
    if (date_ms)
        put_field(out, name, str_of(date_text(date_ms, date)));
}

/* "rfc822; anna@example.com" or "utf-8; …": a domain has an ASCII form, a local part has not. */
static struct str typed_address(struct str address, struct arena *arena)
{
    struct mailbox mailbox;
    if (mailbox_parse(address, arena, &mailbox) == 0 && !mailbox.is_utf8)
        address = mailbox_ascii_text(&mailbox, arena);
    address = words_clean(address, WORDS_UTF8, NOTICE_ADDRESS_BYTES, arena);
    return str_of(arena_printf(
        arena, "%s; %.*s", str_has_8bit(address) ? "utf-8" : "rfc822", STR_ARG(address)));
}

/* As RCPT said it, decoded; empty when it was not. */
static struct str original_recipient(struct str orcpt, struct arena *arena)
{
    struct str type =
        words_clean(str_cut(&orcpt, ';'), WORDS_ASCII, ORCPT_BYTES_MAX, arena);
    bool is_utf8 = str_equal_nocase(type, STR("utf-8"));
    struct str address =
        words_clean(orcpt, is_utf8 ? WORDS_UTF8 : WORDS_ASCII, ORCPT_BYTES_MAX, arena);
    if (type.length == 0 || address.length == 0)
        return STR("");
    return str_of(arena_printf(arena, "%.*s; %.*s", STR_ARG(type), STR_ARG(address)));
}

static struct str final_recipient(const struct notice_recipient *recipient,
                                  struct arena *arena)
{
    bool is_ours = recipient->original.length > 0;
    return typed_address(is_ours ? recipient->original : recipient->recipient, arena);
}

/* RFC 3464 section 2.3.4: of the last reply; what has none gets the general one of its class. Who is given up after a
 * temporary one has run out of time (RFC 3463: X.4.7). */
static struct str status_of(const struct notice_recipient *recipient, struct arena *arena)
{
    const struct reply *reply = recipient->reply;
    struct str enhanced = str_of(reply->enhanced);
    bool is_code = enhanced.length >= 5 && enhanced.at[1] == '.' &&
                   strspn(reply->enhanced, "0123456789.") == enhanced.length;
    if (recipient->action == NOTICE_RELAYED)
        return is_code && enhanced.at[0] == '2' ? enhanced : STR("2.0.0");
    if (recipient->action == NOTICE_FAILED && reply_is_temporary(reply))
        return STR("4.4.7");
    if (is_code && (enhanced.at[0] == '4' || enhanced.at[0] == '5'))
        return enhanced;
    return str_of(arena_printf(arena, "%d.0.0", reply_is_temporary(reply) ? 4 : 5));
}

/* RFC 3464 section 2.3.6; the words are the peer's, or ours about it. */
static struct str diagnostic(const struct notice_recipient *recipient, struct arena *arena)
{
    char *text = arena_text(arena, notice_reply_text(recipient, arena));
    for (char *at = text; *at; at++)
        if (*at == '\n')
            *at = ' ';
    struct str words = words_clean(str_of(text), WORDS_ASCII, REPLY_BYTES_MAX, arena);
    return str_of(arena_printf(
        arena, "%s; %.*s", recipient->is_from_peer ? "smtp" : "x-postern", STR_ARG(words)));
}

static void put_recipient(const struct notice_request *request,
                          const struct notice_recipient *recipient, struct buf *out)
{
    static const char *const actions[] = {"failed", "delayed", "relayed"};
    struct arena *arena = request->arena;
    struct str peer = notice_peer_name(recipient, arena);
    put_field(out, "Original-Recipient", original_recipient(recipient->orcpt, arena));
    put_field(out, "Final-Recipient", final_recipient(recipient, arena));
    put_field(out, "Action", str_of(actions[recipient->action]));
    put_field(out, "Status", status_of(recipient, arena));
    if (peer.length)
        put_field(out, "Remote-MTA",
                  str_of(arena_printf(arena, "dns; %.*s", STR_ARG(peer))));
    put_field(out, "Diagnostic-Code", diagnostic(recipient, arena));
    put_date(out, "Last-Attempt-Date", recipient->last_attempt_ms);
    put_field(out, "Final-Log-ID",
              words_clean(request->message->id, WORDS_ASCII, NOTICE_ADDRESS_BYTES, arena));
    if (recipient->action == NOTICE_DELAYED)
        put_date(out, "Will-Retry-Until", recipient->retry_until_ms);
}

void notice_put_status(const struct notice_request *request, struct buf *out)
{
    struct arena *arena = request->arena;
    const struct store_message *message = request->message;
    put_field(out, "Original-Envelope-Id",
              words_clean(message->envid, WORDS_ASCII, NOTICE_ADDRESS_BYTES, arena));
    put_field(out, "Reporting-MTA",
              str_of(arena_printf(
                  arena, "dns; %.*s",
                  STR_ARG(words_clean(str_of(request->options->host_name), WORDS_ASCII,
                                      NOTICE_ADDRESS_BYTES, arena)))));
    put_date(out, "Arrival-Date", message->created_ms);
    for (size_t i = 0; i < request->count; i++) {
        invariant(buf_append(out, STR("\r\n")) == 0, "notice: a status is bounded");
        put_recipient(request, &request->recipients[i], out);
    }
}

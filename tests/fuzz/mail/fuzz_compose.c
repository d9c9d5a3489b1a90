/* The input, cut at 0xFF, fills the parts of a reply (or is a whole one): it is refused, or the message
 * has just the fields it should have, and its lines are such as SMTP takes. */
#include <stdint.h>

#include "base/mem.h"
#include "mail/compose.h"
#include "mail/header.h"
#include "mail/message.h"
#include "mail/reply_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_lines(struct str message)
{
    invariant(str_ends_nocase(message, STR("\r\n")), "the last line ends");
    while (message.length) {
        struct str line = str_cut(&message, '\n');
        invariant(line.length <= 999, "lines are bounded");
        invariant(str_index(line, '\r') == (ptrdiff_t)line.length - 1, "only CRLF");
        invariant(str_index(line, '\0') < 0, "no NUL");
    }
}

static void check_reply(const struct compose_reply *parts, struct str message,
                        struct arena *arena)
{
    static const char *const names[] = {
        "Date",    "Message-ID",   "From",         "To",
        "Subject", "In-Reply-To",  "References",   "Auto-Submitted",
        "X-Own",   "MIME-Version", "Content-Type", "Content-Transfer-Encoding"};
    struct header header;
    header_parse(message, arena, &header);
    size_t expected = 0;
    for (size_t i = 0; i < header.count; i++, expected++) {
        while (expected < 12 && !str_equal(header.fields[i].name, str_of(names[expected])))
            expected++;
        invariant(expected < 12, "the fields are ours, in their order, once");
    }
    invariant(header.count >= 10 && header.count <= 12, "and no other");
    invariant(str_equal(header_value(&header, STR("Message-ID"), arena), parts->message_id),
              "values come back");
    check_lines(message);
}

static void fuzz_parts(struct str input, struct arena *arena)
{
    struct compose_header own = {STR("X-Own"), STR("")};
    struct compose_reply parts = {.date_ms = 1795321752000, .headers = &own};
    parts.header_count = 1;
    struct str *fields[] = {&parts.from,       &parts.to,         &parts.in_reply_to,
                            &parts.references, &parts.message_id, &parts.subject,
                            &own.value,        &parts.text,       &parts.html};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        *fields[i] = str_cut(&input, '\xFF');
    struct buf out;
    struct err err = {0};
    buf_init(&out, 100000);
    if (compose_reply(&parts, &out, &err) == 0)
        check_reply(&parts, buf_view(&out), arena);
    else
        invariant(out.length == 0 && err.text[0] != '\0', "refused with a reason");
    buf_free(&out);
}

/* What has passed the check is from the domain and to the sender. */
static void fuzz_raw(struct str input)
{
    struct message *original = message_new();
    struct mailbox recipient;
    struct err err = {0};
    struct buf out;
    buf_init(&out, 100000);
    header_parse(STR("Message-ID: <1@b>\r\n\r\n"), original->arena, &original->header);
    mailbox_parse(STR("a@b"), original->arena, &original->reverse_path);
    mailbox_parse(STR("c@d"), original->arena, &recipient);
    reply_check_original(original, NULL);
    if (compose_raw_reply(input, STR("<2@d>"), 0, &out, &err) == 0 &&
        reply_check_raw(buf_view(&out), original, &recipient, &err) == 0) {
        struct header header;
        header_parse(buf_view(&out), original->arena, &header);
        invariant(header_count(&header, STR("From")) == 1 &&
                      header_count(&header, STR("Bcc")) == 0,
                  "from one, to one");
        check_lines(buf_view(&out));
    }
    buf_free(&out);
    message_release(original);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena *arena = arena_new();
    struct str input = {(const char *)bytes, length};
    fuzz_parts(input, arena);
    fuzz_raw(input);
    arena_free(arena);
    return 0;
}

/* The input, cut at 0xFF, is a message's envelope, a recipient, the last word on it and the content. The notice has just
 * the fields it should have, three parts, and lines that any peer takes. */
#include <stdint.h>
#include <stdio.h>

#include "base/mem.h"
#include "delivery/notice.h"
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_lines(struct str notice)
{
    while (notice.length) {
        struct str line = str_cut(&notice, '\n');
        invariant(line.length <= 999, "lines are bounded");
        invariant(str_index(line, '\r') == (ptrdiff_t)line.length - 1, "only CRLF");
        invariant(str_index(line, '\0') < 0, "no NUL");
    }
}

static struct str boundary_of(const struct header *header, struct arena *arena)
{
    struct str type = header_value(header, STR("Content-Type"), arena);
    ptrdiff_t at = str_find(type, STR("boundary=\""));
    invariant(at > 0, "there is a boundary");
    struct str boundary = str_from(type, (size_t)at + strlen("boundary=\""));
    return str_cut(&boundary, '"');
}

static void check_parts(struct str body, struct str boundary)
{
    size_t delimiters = 0, ends = 0;
    while (body.length) {
        struct str line = str_cut(&body, '\n');
        ptrdiff_t at = str_find(line, boundary);
        if (at < 0)
            continue;
        invariant(at == 2 && str_starts(line, STR("--")), "it is only a boundary");
        bool is_end = line.length == boundary.length + 5;
        invariant(is_end || line.length == boundary.length + 3, "and nothing else");
        delimiters++;
        ends += is_end;
    }
    invariant(delimiters == 4 && ends == 1, "there are three parts");
}

static void check_notice(struct str notice, struct arena *arena)
{
    static const char *const names[] = {"Date",
                                        "Message-ID",
                                        "From",
                                        "To",
                                        "Subject",
                                        "In-Reply-To",
                                        "References",
                                        "Auto-Submitted",
                                        "MIME-Version",
                                        "Content-Type",
                                        "Content-Transfer-Encoding"};
    struct header header;
    header_parse(notice, arena, &header);
    size_t expected = 0;
    for (size_t i = 0; i < header.count; i++, expected++) {
        while (expected < 11 && !str_equal(header.fields[i].name, str_of(names[expected])))
            expected++;
        invariant(expected < 11, "the fields are ours, in their order, once");
    }
    invariant(header.count >= 9, "and all of them");
    check_lines(notice);
    check_parts(str_from(notice, header.body_offset), boundary_of(&header, arena));
}

/* A number, then text that need not be what reply_make leaves of it. */
static void read_reply(struct str input, struct reply *reply)
{
    struct str enhanced = str_cut(&input, ' ');
    reply->code = 400 + (input.length ? (unsigned char)input.at[0] : 0);
    snprintf(reply->enhanced, sizeof reply->enhanced, "%.*s", STR_ARG(enhanced));
    snprintf(reply->text, sizeof reply->text, "%.*s", STR_ARG(input));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena *arena = arena_new();
    struct str input = {(const char *)bytes, length}, said = STR("");
    struct notice_options options = {.host_name = "mx.gate.test"};
    struct store_message message = {.created_ms = 1795321752000, .part_count = 1}, notice;
    struct notice_recipient recipient = {0};
    struct reply reply = {0};
    struct str *fields[] = {
        &said,           &message.return_path, &recipient.original, &recipient.recipient,
        &recipient.peer, &recipient.orcpt,     &message.envid,      &message.id};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        *fields[i] = str_cut(&input, '\xFF');
    message.parts = &input;
    message.ret = length % 3;
    read_reply(said, &reply);
    recipient.reply = &reply;
    recipient.is_from_peer = recipient.peer.length > 0;
    recipient.action = (enum notice_action)(said.length % 3);
    struct notice_recipient both[] = {recipient, recipient};
    struct store_leg leg;
    struct err err;
    notice_is_wanted(&message, &recipient);
    const struct notice_request request = {
        .options = &options,
        .message = &message,
        .recipients = both,
        .count = 1 + length % 2,
        .now_ms = 1795321752000,
        .arena = arena,
    };
    if (notice_compose(&request, &notice, &leg, &err) == 0)
        check_notice(notice.parts[1], arena);
    arena_free(arena);
    return 0;
}

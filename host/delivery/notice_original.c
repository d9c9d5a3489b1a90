/* What the sender gets back of the message (RFC 6522 section 3, RFC 3461 section 4.3): by default its header, which
 * tells well enough which one it was. Media types in message/ may not be encoded (RFC 2045 section 6.4), so what a peer
 * would not take as it is stays out. */
#include "delivery/notice_parts.h"
#include "mail/delivery_notice.h"
#include "mail/header.h"
#include "mail/utf8.h"

#define LINE_BYTES_MAX 998

/* The first bytes of the message: all of it when there are no more than may be given back. */
static struct str first_bytes(const struct store_message *message, struct arena *arena,
                              bool *is_whole)
{
    char *bytes = arena_alloc(arena, NOTICE_ORIGINAL_BYTES);
    size_t length = 0;
    *is_whole = true;
    for (size_t i = 0; i < message->part_count && *is_whole; i++) {
        struct str part = message->parts[i];
        size_t room = NOTICE_ORIGINAL_BYTES - length;
        *is_whole = part.length <= room;
        size_t taken = *is_whole ? part.length : room;
        if (taken)
            memcpy(bytes + length, part.at, taken);
        length += taken;
    }
    return (struct str){bytes, length};
}

/* Lines that every peer takes: with CRLF, not too long, without NUL and CR or LF alone. */
static bool is_sound(struct str text)
{
    if (!str_ends_nocase(text, STR("\r\n")) || str_index(text, '\0') >= 0)
        return false;
    while (text.length) {
        struct str line = str_cut(&text, '\n');
        if (line.length > LINE_BYTES_MAX + 1 ||
            str_index(line, '\r') != (ptrdiff_t)line.length - 1)
            return false;
    }
    return true;
}

/* The fields one after the other, without those that are not sound. */
static struct str sound_fields(const struct header *header, struct arena *arena)
{
    char *fields = arena_alloc(arena, NOTICE_ORIGINAL_BYTES);
    size_t length = 0;
    for (size_t i = 0; i < header->count; i++) {
        struct str whole = header->fields[i].whole;
        if (!is_sound(whole))
            continue;
        memcpy(fields + length, whole.at, whole.length);
        length += whole.length;
    }
    return (struct str){fields, length};
}

/* RFC 6532: a header in UTF-8 makes it a message of the other kind. */
static bool is_global(struct str fields)
{
    return str_has_8bit(fields) && utf8_is_valid(fields);
}

static bool wants_all(const struct notice_request *request)
{
    bool has_failed = false;
    for (size_t i = 0; i < request->count; i++)
        has_failed |= request->recipients[i].action == NOTICE_FAILED;
    return has_failed && request->message->ret == DSN_RETURN_FULL;
}

struct notice_original notice_original_take(const struct notice_request *request)
{
    struct notice_original original = {0};
    bool is_whole;
    struct str bytes = first_bytes(request->message, request->arena, &is_whole);
    header_parse(bytes, request->arena, &original.header);
    if (is_whole && wants_all(request) && is_sound(bytes)) {
        struct str fields = str_part(bytes, 0, original.header.body_offset);
        original.media_type = is_global(fields) ? "message/global" : "message/rfc822";
        original.content = bytes;
    } else {
        original.content = sound_fields(&original.header, request->arena);
        original.media_type =
            is_global(original.content) ? "message/global-headers" : "text/rfc822-headers";
    }
    return original;
}

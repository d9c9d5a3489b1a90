/* Messages: the tree of parts stays within its bounds and within the message; what is decoded of its fields
 * and bodies fits, and is UTF-8. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "mail/charset.h"
#include "mail/decode.h"
#include "mail/encode.h"
#include "mail/mime_parameters.h"
#include "mail/mime_tree.h"
#include "mail/transfer.h"
#include "mail/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_text(struct charset *charset, struct str bytes)
{
    bool is_broken = false;
    charset_begin(charset);
    while (bytes.length) {
        char text[CHARSET_STEP_BYTES_MIN];
        size_t left = bytes.length;
        size_t length = charset_step(charset, &bytes, text, sizeof text, &is_broken);
        invariant(length <= sizeof text, "a step stays in its room");
        invariant(utf8_is_valid((struct str){text, length}), "a step makes UTF-8");
        invariant(bytes.length < left, "a step goes on");
    }
}

static void check_parameters(struct str field, struct arena *arena)
{
    struct mime_parameters *parameters = arena_new_of(arena, struct mime_parameters);
    mime_parameters_read(field, arena, parameters);
    invariant(parameters->count <= MIME_PARAMETERS_MAX, "parameters are bounded");
    for (size_t i = 0; i < parameters->count; i++)
        invariant(utf8_is_valid(parameters->items[i].value), "parameters are UTF-8");
    struct charset *charset = charset_find(mime_parameter(parameters, "charset"));
    if (charset)
        check_text(charset, field);
}

static void check_body(struct str body)
{
    char *room = mem_alloc(ENCODE_BASE64_BYTES(body.length));
    bool is_broken = false;
    invariant(transfer_decode_base64(body, room, &is_broken) <= body.length, "it fits");
    size_t length = transfer_decode_quoted_printable(body, room, &is_broken);
    invariant(length <= body.length, "it fits");
    check_text(charset_guess((struct str){room, length}), (struct str){room, length});
    struct str lines = {room, encode_base64_lines(body, room)};
    char *back = mem_alloc(lines.length + 1);
    is_broken = false;
    length = transfer_decode_base64(lines, back, &is_broken);
    invariant(!is_broken && str_equal((struct str){back, length}, body), "it comes back");
    free(back);
    free(room);
}

static size_t check_part(const struct mime_part *part, struct str raw, struct arena *arena)
{
    invariant(part->depth <= MIME_DEPTH_MAX, "depth is bounded");
    invariant(part->header.at >= raw.at && part->body.at >= part->header.at &&
                  part->body.at + part->body.length <= raw.at + raw.length,
              "a part is within the message");
    if (part->parent)
        invariant(part->body.at + part->body.length <=
                      part->parent->body.at + part->parent->body.length,
                  "a part is within its parent");
    check_parameters(part->type_field, arena);
    check_parameters(part->disposition_field, arena);
    if (!part->first)
        check_body(part->body);
    size_t count = 1;
    for (const struct mime_part *child = part->first; child; child = child->next)
        count += check_part(child, raw, arena);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct arena *arena = arena_new();
    struct str raw = {(const char *)bytes, length};
    if (!length)
        raw = STR("");
    const struct mime_part *root = mime_tree_read(raw, arena);
    invariant(check_part(root, raw, arena) <= MIME_PARTS_MAX, "parts are bounded");
    decode_words(raw, arena);
    arena_free(arena);
    return 0;
}

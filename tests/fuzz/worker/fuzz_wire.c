/* The isolate protocol: packets as they could come from a hostile process, and values. A value that decodes
 * is written again and must decode to as many bytes. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "worker/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void write_value(struct buf *out, const struct value *value)
{
    switch (value->kind) {
    case VALUE_NIL:
        value_write_nil(out);
        break;
    case VALUE_BOOL:
        value_write_bool(out, value->boolean);
        break;
    case VALUE_NUMBER:
        value_write_number(out, value->number);
        break;
    case VALUE_STRING:
        value_write_string(out, value->string);
        break;
    case VALUE_TABLE:
        value_begin_table(out);
        for (size_t i = 0; i < value->count; i++) {
            write_value(out, &value->keys[i]);
            write_value(out, &value->items[i]);
        }
        value_end_table(out);
        break;
    }
}

static void check_value(struct str bytes)
{
    struct arena *arena = arena_new();
    const struct value *value = value_decode(bytes, arena);
    if (value) {
        struct buf out;
        buf_init(&out, WIRE_FRAME_BYTES_MAX);
        write_value(&out, value);
        invariant(str_equal(buf_view(&out), bytes), "written otherwise than read");
        value_get_string(value, "text", STR(""));
        buf_free(&out);
    }
    arena_free(arena);
}

/* The input is packets, each after its length in two bytes. */
static void check_packets(struct str rest)
{
    struct wire_inbox inbox;
    struct wire_frame frame;
    wire_inbox_init(&inbox);
    while (rest.length >= 2) {
        size_t length = (size_t)(uint8_t)rest.at[0] << 8 | (uint8_t)rest.at[1];
        rest = str_from(rest, 2);
        if (length > rest.length)
            length = rest.length;
        struct str packet = str_part(rest, 0, length);
        int taken = packet.length ? 1 : -EPROTO;
        while (taken >= 0 && packet.length) {
            taken = wire_inbox_take(&inbox, &packet, &frame);
            if (taken > 0)
                check_value(frame.payload);
        }
        if (taken < 0)
            break;
        rest = str_from(rest, length);
    }
    wire_inbox_free(&inbox);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct str input = {(const char *)bytes, length};
    check_value(input);
    check_packets(input);
    return 0;
}

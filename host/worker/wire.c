/* The codec of host and isolate: frames to packets and back, values to bytes and back. No I/O. */
#include "wire.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* --- frames --- */

#define PART_BYTES_MAX (WIRE_PACKET_BYTES - sizeof(struct wire_packet_head))

bool wire_frame_is_short(const struct wire_frame *frame)
{
    return frame->payload.length <= PART_BYTES_MAX;
}

bool wire_packet_cut(const struct wire_frame *frame, size_t *offset,
                     struct wire_packet_head *head, struct str *part)
{
    size_t left = frame->payload.length - *offset;
    size_t length = left < PART_BYTES_MAX ? left : PART_BYTES_MAX;
    *head = (struct wire_packet_head){
        .type = (uint8_t)frame->type,
        .more = length < left,
        .run = frame->run,
        .call = frame->call,
        .frame_bytes = *offset ? 0 : (uint32_t)frame->payload.length,
    };
    *part = str_part(frame->payload, *offset, length);
    *offset += length;
    return head->more;
}

void wire_inbox_init(struct wire_inbox *inbox)
{
    *inbox = (struct wire_inbox){0};
    buf_init(&inbox->payload, WIRE_FRAME_BYTES_MAX);
}

void wire_inbox_free(struct wire_inbox *inbox)
{
    buf_free(&inbox->payload);
}

static bool type_is_known(uint8_t type)
{
    return (type >= WIRE_LOAD && type <= WIRE_EVENT) ||
           (type >= WIRE_READY && type <= WIRE_END);
}

static bool head_continues(const struct wire_packet_head *head,
                           const struct wire_packet_head *first)
{
    return head->type == first->type && head->run == first->run &&
           head->call == first->call && head->frame_bytes == 0;
}

/* A large frame's memory is kept for the frame only. */
static void forget_last_frame(struct wire_inbox *inbox)
{
    if (inbox->payload.capacity > WIRE_PACKET_BYTES * 4)
        buf_free(&inbox->payload);
    else
        buf_clear(&inbox->payload);
}

static struct wire_frame frame_of(const struct wire_packet_head *head, struct str payload)
{
    return (struct wire_frame){.type = (enum wire_type)head->type,
                               .run = head->run,
                               .call = head->call,
                               .payload = payload};
}

/* A frame that fits into a packet, and what follows it there. */
static int take_whole(struct wire_inbox *inbox, const struct wire_packet_head *head,
                      struct str *packet, struct wire_frame *frame)
{
    struct str rest = str_from(*packet, sizeof *head);
    if (head->frame_bytes > rest.length || inbox->frame_count == WIRE_PACKET_FRAMES)
        return -EPROTO;
    *frame = frame_of(head, str_part(rest, 0, head->frame_bytes));
    *packet = str_from(rest, head->frame_bytes);
    inbox->frame_count = packet->length ? inbox->frame_count + 1 : 0;
    return 1;
}

/* One of the packets of a longer one. */
static int take_piece(struct wire_inbox *inbox, const struct wire_packet_head *head,
                      struct str *packet, struct wire_frame *frame)
{
    struct str part = str_from(*packet, sizeof *head);
    if (inbox->is_open) {
        if (!head_continues(head, &inbox->first))
            return -EPROTO;
    } else {
        forget_last_frame(inbox);
        inbox->first = *head;
    }
    if (part.length == 0 || inbox->frame_count || buf_append(&inbox->payload, part) != 0 ||
        inbox->payload.length > inbox->first.frame_bytes)
        return -EPROTO;
    *packet = STR("");
    inbox->is_open = head->more;
    if (head->more)
        return 0;
    if (inbox->payload.length != inbox->first.frame_bytes)
        return -EPROTO;
    *frame = frame_of(head, buf_view(&inbox->payload));
    return 1;
}

int wire_inbox_take(struct wire_inbox *inbox, struct str *packet, struct wire_frame *frame)
{
    struct wire_packet_head head;
    if (packet->length < sizeof head || packet->length > WIRE_PACKET_BYTES)
        return -EPROTO;
    memcpy(&head, packet->at, sizeof head);
    if (!type_is_known(head.type) || head.more > 1 || head.zero)
        return -EPROTO;
    return inbox->is_open || head.more ? take_piece(inbox, &head, packet, frame)
                                       : take_whole(inbox, &head, packet, frame);
}

/* --- values ---
 *
 *   value = "N" | "F" | "T" | "D" double | "S" uint32 bytes | "{" *( key value ) "}"
 *   key   = "D" double | "S" uint32 bytes          ; never a NaN */

int value_write_nil(struct buf *out)
{
    return buf_append(out, STR("N"));
}

int value_write_bool(struct buf *out, bool boolean)
{
    return buf_append(out, boolean ? STR("T") : STR("F"));
}

int value_write_number(struct buf *out, double number)
{
    char bytes[1 + sizeof number] = {'D'};
    memcpy(bytes + 1, &number, sizeof number);
    return buf_append(out, (struct str){bytes, sizeof bytes});
}

#define STRING_HEAD_BYTES (1 + sizeof(uint32_t))

static char *write_string_at(char *at, struct str string)
{
    uint32_t length = (uint32_t)string.length;
    *at++ = 'S';
    memcpy(at, &length, sizeof length);
    at += sizeof length;
    if (length)
        memcpy(at, string.at, length);
    return at + length;
}

/* One after the other. */
static int write_strings(struct buf *out, const struct str strings[], size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (strings[i].length > WIRE_FRAME_BYTES_MAX)
            return -ENOBUFS;
        bytes += STRING_HEAD_BYTES + strings[i].length;
    }
    char *at = buf_reserve(out, bytes);
    if (!at)
        return -ENOBUFS;
    for (size_t i = 0; i < count; i++)
        at = write_string_at(at, strings[i]);
    buf_extend(out, bytes);
    return 0;
}

int value_write_string(struct buf *out, struct str string)
{
    return write_strings(out, &string, 1);
}

int value_begin_table(struct buf *out)
{
    return buf_append(out, STR("{"));
}

int value_end_table(struct buf *out)
{
    return buf_append(out, STR("}"));
}

int value_put_string(struct buf *out, const char *key, struct str string)
{
    return write_strings(out, (const struct str[]){str_of(key), string}, 2);
}

int value_put_number(struct buf *out, const char *key, double number)
{
    int result = value_write_string(out, str_of(key));
    return result ? result : value_write_number(out, number);
}

int value_put_bool(struct buf *out, const char *key, bool boolean)
{
    int result = value_write_string(out, str_of(key));
    return result ? result : value_write_bool(out, boolean);
}

int value_put_table(struct buf *out, const char *key)
{
    int result = value_write_string(out, str_of(key));
    return result ? result : value_begin_table(out);
}

struct decoder {
    struct str rest;
    struct arena *arena;
    size_t values_left;
    unsigned depth;
};

/* Pairs are chained while their number is unknown. */
struct pair {
    struct pair *next;
    struct value key, item;
};

static bool decode_bytes(struct decoder *in, void *to, size_t length)
{
    if (in->rest.length < length)
        return false;
    memcpy(to, in->rest.at, length);
    in->rest = str_from(in->rest, length);
    return true;
}

static bool decode_string(struct decoder *in, struct value *value)
{
    uint32_t length;
    value->kind = VALUE_STRING;
    if (!decode_bytes(in, &length, sizeof length) || length > in->rest.length)
        return false;
    value->string = str_part(in->rest, 0, length);
    in->rest = str_from(in->rest, length);
    return true;
}

static bool decode_value(struct decoder *in, struct value *value);

static bool decode_key(struct decoder *in, struct value *key)
{
    return decode_value(in, key) && (key->kind == VALUE_STRING ||
                                     (key->kind == VALUE_NUMBER && !isnan(key->number)));
}

static void settle_table(struct decoder *in, const struct pair *first, struct value *table)
{
    table->keys = arena_array(in->arena, struct value, table->count);
    table->items = arena_array(in->arena, struct value, table->count);
    size_t i = 0;
    for (const struct pair *pair = first; pair; pair = pair->next, i++) {
        table->keys[i] = pair->key;
        table->items[i] = pair->item;
    }
}

static bool decode_table(struct decoder *in, struct value *table)
{
    struct pair *first = NULL, **last = &first;
    table->kind = VALUE_TABLE;
    if (in->depth == WIRE_DEPTH_MAX)
        return false;
    in->depth++;
    while (in->rest.length && in->rest.at[0] != '}') {
        struct pair *pair = arena_new_of(in->arena, struct pair);
        if (!decode_key(in, &pair->key) || !decode_value(in, &pair->item))
            return false;
        *last = pair;
        last = &pair->next;
        table->count++;
    }
    if (in->rest.length == 0)
        return false;
    in->rest = str_from(in->rest, 1);
    in->depth--;
    settle_table(in, first, table);
    return true;
}

static bool decode_value(struct decoder *in, struct value *value)
{
    char tag;
    if (in->values_left == 0 || !decode_bytes(in, &tag, 1))
        return false;
    in->values_left--;
    switch (tag) {
    case 'N':
        value->kind = VALUE_NIL;
        return true;
    case 'F':
    case 'T':
        value->kind = VALUE_BOOL;
        value->boolean = tag == 'T';
        return true;
    case 'D':
        value->kind = VALUE_NUMBER;
        return decode_bytes(in, &value->number, sizeof value->number);
    case 'S':
        return decode_string(in, value);
    case '{':
        return decode_table(in, value);
    default:
        return false;
    }
}

struct value *value_decode(struct str bytes, struct arena *arena)
{
    struct decoder in = {.rest = bytes, .arena = arena, .values_left = WIRE_VALUES_MAX};
    struct value *value = arena_new_of(arena, struct value);
    return decode_value(&in, value) && in.rest.length == 0 ? value : NULL;
}

const struct value *value_get(const struct value *table, const char *key)
{
    if (!table || table->kind != VALUE_TABLE)
        return NULL;
    for (size_t i = 0; i < table->count; i++) {
        if (table->keys[i].kind == VALUE_STRING &&
            str_equal(table->keys[i].string, str_of(key)))
            return &table->items[i];
    }
    return NULL;
}

struct str value_get_string(const struct value *table, const char *key, struct str fallback)
{
    const struct value *item = value_get(table, key);
    return item && item->kind == VALUE_STRING ? item->string : fallback;
}

double value_get_number(const struct value *table, const char *key, double fallback)
{
    const struct value *item = value_get(table, key);
    return item && item->kind == VALUE_NUMBER ? item->number : fallback;
}

bool value_get_bool(const struct value *table, const char *key, bool fallback)
{
    const struct value *item = value_get(table, key);
    return item && item->kind == VALUE_BOOL ? item->boolean : fallback;
}

uint64_t value_get_count(const struct value *table, const char *key, uint64_t max,
                         uint64_t fallback)
{
    double number = value_get_number(table, key, -1);
    return number >= 0 && number <= (double)max ? (uint64_t)number : fallback;
}

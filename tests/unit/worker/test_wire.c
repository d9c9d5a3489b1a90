/* The codec of host and isolate: frames to packets and back, values to bytes and back, and what is neither. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "worker/wire.h"

/* --- packets --- */

/* Head and part as one packet; in static memory. */
static struct str packet_of(const struct wire_packet_head *head, struct str part)
{
    static char packet[WIRE_PACKET_BYTES + 100];
    memcpy(packet, head, sizeof *head);
    if (part.length)
        memcpy(packet + sizeof *head, part.at, part.length);
    return (struct str){packet, sizeof *head + part.length};
}

/* Through packets and back; the number of packets. */
static int round_trip(struct wire_inbox *inbox, size_t length)
{
    char *bytes = mem_zero(1, length + 1);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)(i * 31);
    struct wire_frame sent = {WIRE_CALL, 7, 3, {bytes, length}}, received;
    struct wire_packet_head head;
    struct str part;
    size_t offset = 0;
    int packets = 0, taken = 0;
    bool more = true;
    while (more) {
        assert_int_equal(taken, 0);
        more = wire_packet_cut(&sent, &offset, &head, &part);
        struct str packet = packet_of(&head, part);
        taken = wire_inbox_take(inbox, &packet, &received);
        assert_int_equal(packet.length, 0);
        packets++;
    }
    assert_int_equal(taken, 1);
    assert_int_equal(received.type, WIRE_CALL);
    assert_int_equal(received.run, 7);
    assert_int_equal(received.call, 3);
    assert_true(str_equal(received.payload, sent.payload));
    free(bytes);
    return packets;
}

static void frames_of_any_length_come_through(void **state)
{
    (void)state;
    const size_t room = WIRE_PACKET_BYTES - sizeof(struct wire_packet_head);
    struct wire_inbox inbox;
    wire_inbox_init(&inbox);
    assert_int_equal(round_trip(&inbox, 0), 1);
    assert_int_equal(round_trip(&inbox, 1), 1);
    assert_int_equal(round_trip(&inbox, room), 1);
    assert_int_equal(round_trip(&inbox, room + 1), 2);
    assert_int_equal(round_trip(&inbox, room * 20), 20);
    assert_int_equal(round_trip(&inbox, 5), 1);
    wire_inbox_free(&inbox);
}

static int take_one(struct wire_inbox *inbox, struct wire_packet_head head, struct str part)
{
    struct str packet = packet_of(&head, part);
    struct wire_frame frame;
    int taken = 1;
    while (taken == 1 && packet.length)
        taken = wire_inbox_take(inbox, &packet, &frame);
    return taken;
}

static void what_is_no_packet_is_refused(void **state)
{
    (void)state;
    const struct {
        struct wire_packet_head head;
        struct str part;
    } cases[] = {
        {{.type = 0}, STR("")},
        {{.type = WIRE_EVENT + 1}, STR("")},
        {{.type = WIRE_END + 1}, STR("")},
        {{.type = WIRE_END, .more = 2, .frame_bytes = 2}, STR("N")},
        {{.type = WIRE_END, .zero = 1, .frame_bytes = 1}, STR("N")},
        {{.type = WIRE_END, .frame_bytes = 2}, STR("N")},
        {{.type = WIRE_END, .frame_bytes = 0}, STR("N")},
        {{.type = WIRE_END, .more = 1, .frame_bytes = 5}, STR("")},
        {{.type = WIRE_END, .more = 1, .frame_bytes = 1}, STR("NN")},
    };
    struct wire_inbox inbox;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wire_inbox_init(&inbox);
        assert_int_equal(take_one(&inbox, cases[i].head, cases[i].part), -EPROTO);
        wire_inbox_free(&inbox);
    }
    struct wire_frame frame;
    struct str no_packets[] = {STR("short"), STR("")};
    wire_inbox_init(&inbox);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(wire_inbox_take(&inbox, &no_packets[i], &frame), -EPROTO);
    wire_inbox_free(&inbox);
}

/* `count` frames in one packet, and `more` bytes. */
static struct str many_frames(unsigned count, struct str more)
{
    static char packet[WIRE_PACKET_BYTES];
    size_t used = 0;
    for (unsigned i = 1; i <= count; i++) {
        const struct wire_packet_head head = {
            .type = WIRE_LOG, .run = i, .frame_bytes = i % 3};
        memcpy(packet + used, &head, sizeof head);
        memset(packet + used + sizeof head, (int)('a' + i), i % 3);
        used += sizeof head + i % 3;
    }
    memcpy(packet + used, more.at, more.length);
    return (struct str){packet, used + more.length};
}

static void a_packet_holds_several_frames(void **state)
{
    (void)state;
    struct wire_inbox inbox;
    struct wire_frame frame;
    wire_inbox_init(&inbox);
    for (unsigned round = 0; round < 2; round++) {
        struct str packet = many_frames(WIRE_PACKET_FRAMES, STR(""));
        for (unsigned i = 1; i <= WIRE_PACKET_FRAMES; i++) {
            assert_int_equal(wire_inbox_take(&inbox, &packet, &frame), 1);
            assert_int_equal(frame.run, i);
            assert_int_equal(frame.payload.length, i % 3);
            assert_true(i % 3 == 0 || frame.payload.at[0] == (char)('a' + i));
        }
        assert_int_equal(packet.length, 0);
    }
    wire_inbox_free(&inbox);
}

static int take_all(struct str packet)
{
    struct wire_inbox inbox;
    struct wire_frame frame;
    int taken = 1;
    wire_inbox_init(&inbox);
    while (taken == 1 && packet.length)
        taken = wire_inbox_take(&inbox, &packet, &frame);
    wire_inbox_free(&inbox);
    return taken;
}

static void what_follows_a_frame_in_its_packet_is_checked(void **state)
{
    (void)state;
    const struct wire_packet_head piece = {
        .type = WIRE_CALL, .more = 1, .run = 1, .call = 2, .frame_bytes = 4};
    char bytes[sizeof piece + 1] = "";
    memcpy(bytes, &piece, sizeof piece);
    assert_int_equal(take_all(many_frames(2, STR(""))), 1);
    assert_int_equal(take_all(many_frames(2, STR("x"))), -EPROTO);
    assert_int_equal(take_all(many_frames(2, (struct str){bytes, sizeof bytes})), -EPROTO);
    assert_int_equal(take_all(many_frames(WIRE_PACKET_FRAMES + 1, STR(""))), -EPROTO);
}

static void packets_of_different_frames_are_not_mixed(void **state)
{
    (void)state;
    const struct wire_packet_head first = {
        .type = WIRE_CALL, .more = 1, .run = 1, .call = 2, .frame_bytes = 4};
    const struct wire_packet_head others[] = {
        {.type = WIRE_LOG, .run = 1, .call = 2},
        {.type = WIRE_CALL, .run = 2, .call = 2},
        {.type = WIRE_CALL, .run = 1, .call = 1},
        {.type = WIRE_CALL, .run = 1, .call = 2, .frame_bytes = 4},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct wire_inbox inbox;
        wire_inbox_init(&inbox);
        assert_int_equal(take_one(&inbox, first, STR("ab")), 0);
        assert_int_equal(take_one(&inbox, others[i], STR("cd")), -EPROTO);
        wire_inbox_free(&inbox);
    }
}

/* --- values --- */

static void values_come_through(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    value_begin_table(&out);
    value_put_string(&out, "text", STR("a\0b"));
    value_put_number(&out, "number", -1.5);
    value_put_bool(&out, "yes", true);
    value_put_table(&out, "list");
    value_write_number(&out, 1);
    value_write_string(&out, STR(""));
    value_end_table(&out);
    value_write_string(&out, STR("nothing"));
    value_write_nil(&out);
    value_end_table(&out);
    struct arena *arena = arena_new();
    const struct value *table = value_decode(buf_view(&out), arena);
    assert_non_null(table);
    assert_int_equal(table->count, 5);
    assert_true(str_equal(value_get_string(table, "text", STR("")), STR("a\0b")));
    assert_true(value_get_number(table, "number", 0) == -1.5);
    assert_true(value_get_bool(table, "yes", false));
    const struct value *list = value_get(table, "list");
    assert_int_equal(list->count, 1);
    assert_true(list->keys[0].number == 1);
    assert_int_equal(list->items[0].kind, VALUE_STRING);
    assert_int_equal(value_get(table, "nothing")->kind, VALUE_NIL);
    arena_free(arena);
    buf_free(&out);
}

static void a_missing_or_other_item_is_the_fallback(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    value_begin_table(&out);
    value_put_string(&out, "text", STR("x"));
    value_end_table(&out);
    struct arena *arena = arena_new();
    const struct value *table = value_decode(buf_view(&out), arena);
    assert_null(value_get(table, "other"));
    assert_true(value_get_number(table, "text", 7) == 7);
    assert_true(value_get_bool(table, "text", true));
    assert_true(str_equal(value_get_string(NULL, "text", STR("f")), STR("f")));
    assert_null(value_get(value_get(table, "text"), "text"));
    arena_free(arena);
    buf_free(&out);
}

static void what_is_no_value_is_refused(void **state)
{
    (void)state;
    double not_a_number = NAN;
    char nan_key[12] = "{D........N";
    memcpy(nan_key + 2, &not_a_number, sizeof not_a_number);
    nan_key[11] = '}';
    const struct str cases[] = {
        STR(""),
        STR("?"),
        STR("NN"),
        STR("D1234567"),
        STR("S"),
        STR("S\1\0\0"),
        STR("S\2\0\0\0a"),
        STR("S\xff\xff\xff\xff"),
        STR("{"),
        STR("}"),
        STR("{N}"),
        STR("{NN}"),
        STR("{TN}"),
        STR("{{}N}"),
        STR("{S\1\0\0\0a}"),
        STR("{S\1\0\0\0aN"),
        {nan_key, sizeof nan_key},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_new();
        if (value_decode(cases[i], arena))
            fail_msg("case %zu is taken for a value", i);
        arena_free(arena);
    }
}

/* A table in a table … `depth` times. */
static bool decodes_at_depth(int depth)
{
    struct buf out;
    buf_init(&out, 10000);
    for (int i = 0; i < depth; i++) {
        value_begin_table(&out);
        value_write_number(&out, 1);
    }
    value_write_nil(&out);
    for (int i = 0; i < depth; i++)
        value_end_table(&out);
    struct arena *arena = arena_new();
    bool is_value = value_decode(buf_view(&out), arena) != NULL;
    arena_free(arena);
    buf_free(&out);
    return is_value;
}

static void depth_is_bounded(void **state)
{
    (void)state;
    assert_true(decodes_at_depth(WIRE_DEPTH_MAX));
    assert_false(decodes_at_depth(WIRE_DEPTH_MAX + 1));
    assert_false(decodes_at_depth(500));
}

static bool decodes_with_pairs(size_t count)
{
    struct buf out;
    buf_init(&out, 4000000);
    value_begin_table(&out);
    for (size_t i = 0; i < count; i++) {
        value_write_number(&out, (double)i);
        value_write_nil(&out);
    }
    value_end_table(&out);
    struct arena *arena = arena_new();
    bool is_value = value_decode(buf_view(&out), arena) != NULL;
    arena_free(arena);
    buf_free(&out);
    return is_value;
}

static void the_number_of_values_is_bounded(void **state)
{
    (void)state;
    assert_true(decodes_with_pairs((WIRE_VALUES_MAX - 1) / 2));
    assert_false(decodes_with_pairs(WIRE_VALUES_MAX / 2));
}

static void writing_past_the_ceiling_is_an_error(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 8);
    assert_int_equal(value_write_string(&out, STR("12345")), -ENOBUFS);
    assert_int_equal(value_write_number(&out, 1), -ENOBUFS);
    assert_int_equal(value_put_bool(&out, "key", true), -ENOBUFS);
    buf_clear(&out);
    assert_int_equal(value_write_string(&out, STR("123")), 0);
    assert_int_equal(value_write_nil(&out), -ENOBUFS);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_any_length_come_through),
        cmocka_unit_test(what_is_no_packet_is_refused),
        cmocka_unit_test(a_packet_holds_several_frames),
        cmocka_unit_test(what_follows_a_frame_in_its_packet_is_checked),
        cmocka_unit_test(packets_of_different_frames_are_not_mixed),
        cmocka_unit_test(values_come_through),
        cmocka_unit_test(a_missing_or_other_item_is_the_fallback),
        cmocka_unit_test(what_is_no_value_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(the_number_of_values_is_bounded),
        cmocka_unit_test(writing_past_the_ceiling_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Content on its way out: dots doubled wherever lines and parts begin, blocks that are not too large. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "delivery/transmit.h"
#include "net/listener.h"

static struct buf received;
static struct task_signal all_received;

static void receive(struct net_stream *stream, void *arg)
{
    (void)arg;
    while (net_stream_fill(stream, task_in_ms(5000)) > 0) {
        struct str input = net_stream_input(stream);
        assert_int_equal(buf_append(&received, input), 0);
        net_stream_consume(stream, input.length);
    }
    net_stream_close(stream);
    task_signal_raise(&all_received);
}

struct sending {
    int (*transmit)(struct net_stream *stream, const struct str parts[], size_t count,
                    uint32_t block_timeout_ms);
    const struct str *parts;
    size_t count;
};

static int send_all(void *arg)
{
    const struct sending *sending = arg;
    struct net_address any;
    struct net_stream *stream;
    struct err err;
    net_address_parse(STR("127.0.0.1"), 0, &any);
    struct net_listener *listener =
        net_listener_open(&any, "receiver", receive, NULL, &err);
    assert_int_equal(
        net_stream_connect(net_listener_address(listener), NULL, task_in_ms(5000), &stream),
        0);
    int result = sending->transmit(stream, sending->parts, sending->count, 5000);
    net_stream_close(stream);
    assert_int_equal(task_signal_wait(&all_received, task_in_ms(5000)), 0);
    net_listener_close(listener);
    return result;
}

/* Parts are given as "a|b|c". */
static void assert_sent(int (*transmit)(struct net_stream *, const struct str[], size_t,
                                        uint32_t),
                        const char *given, const char *expected)
{
    struct str parts[16];
    size_t count = 0;
    for (struct str rest = str_of(given); rest.length > 0 && count < 16;)
        parts[count++] = str_cut(&rest, '|');
    struct sending sending = {transmit, parts, count};
    buf_init(&received, (size_t)1 << 20);
    assert_int_equal(test_run(send_all, &sending), 0);
    assert_int_equal(received.length, strlen(expected));
    assert_memory_equal(buf_view(&received).at, expected, strlen(expected));
    buf_free(&received);
}

static void dots_that_begin_a_line_are_doubled(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ".\r\n"},
        {"a\r\n", "a\r\n.\r\n"},
        {"a", "a\r\n.\r\n"},
        {".\r\n", "..\r\n.\r\n"},
        {"..\r\n", "...\r\n.\r\n"},
        {"a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"},
        {"a\r\n.b\r\n..c\r\nd.e\r\n", "a\r\n..b\r\n...c\r\nd.e\r\n.\r\n"},
        {"a.b\r\n.", "a.b\r\n..\r\n.\r\n"},
        {"a\r\n.\r\n.\r\n.\r\n", "a\r\n..\r\n..\r\n..\r\n.\r\n"},
        {"a\r\n|.b\r\n", "a\r\n..b\r\n.\r\n"},
        {"a\r|\n.b\r\n", "a\r\n..b\r\n.\r\n"},
        {"a\r\n||.|.\r\n", "a\r\n...\r\n.\r\n"},
        {"a|.b|\r\n|.", "a.b\r\n..\r\n.\r\n"},
        {"a\n.\nb\r\n", "a\n..\nb\r\n.\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_sent(transmit_data, cases[i][0], cases[i][1]);
}

static void chunks_are_sent_as_they_are(void **state)
{
    (void)state;
    assert_sent(transmit_bdat, "", "BDAT 0 LAST\r\n");
    assert_sent(transmit_bdat, ".a\r\n||.\r\n|.b", "BDAT 9 LAST\r\n.a\r\n.\r\n.b");
}

/* What comes out, with the doubling undone, is what went in. */
static void long_and_dotty_content_survives(void **state)
{
    (void)state;
    size_t length = (size_t)3 << 20;
    char *bytes = mem_alloc(length);
    for (size_t i = 0; i < length; i += 4)
        memcpy(bytes + i, i % 12 == 0 ? "abcd" : "\r\n.x", 4);
    struct str parts[3] = {
        {bytes, 1}, {bytes + 1, 700001}, {bytes + 700002, length - 700002}};
    struct sending sending = {transmit_data, parts, 3};
    buf_init(&received, (size_t)1 << 24);
    assert_int_equal(test_run(send_all, &sending), 0);
    struct str got = buf_view(&received);
    size_t at = 0;
    for (size_t i = 0; i < length; i++) {
        bool is_doubled = bytes[i] == '.' && i > 0 && bytes[i - 1] == '\n';
        assert_true(at + is_doubled < got.length && got.at[at] == bytes[i]);
        at += 1 + is_doubled;
    }
    assert_int_equal(got.length, at + 5);
    buf_free(&received);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(dots_that_begin_a_line_are_doubled),
        loop_test(chunks_are_sent_as_they_are),
        loop_test(long_and_dotty_content_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

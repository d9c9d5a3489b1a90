/* Streams in the clear: input, output, backpressure, deadlines, cancellation, the ways a peer goes. */
#include "loopback.h"

#include "net/internal.h"

#define MEBIBYTE ((size_t)1024 * 1024)

static int echo_both_ways(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    assert_int_equal(write_text(pair.client, "EHLO"), 0);
    expect_text(pair.server, "EHLO");
    struct str parts[] = {STR("250"), STR(""), STR(" "), STR("fine\r\n")};
    assert_int_equal(net_stream_write(pair.server, parts, 4, TASK_FOREVER), 0);
    expect_text(pair.client, "250 fine\r\n");
    assert_int_equal(net_stream_write(pair.server, NULL, 0, TASK_FOREVER), 0);
    net_stream_write_now(pair.server, STR("421 bye"));
    expect_text(pair.client, "421 bye");
    pair_close(&pair);
    return 0;
}

static void what_is_written_arrives(void **state)
{
    (void)state;
    test_run(echo_both_ways, NULL);
}

static int compare_addresses(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    char a[NET_ADDRESS_TEXT_BYTES], b[NET_ADDRESS_TEXT_BYTES];
    assert_string_equal(net_address_text(net_stream_peer(pair.client), a),
                        net_address_text(net_stream_local(pair.server), b));
    assert_string_equal(net_address_text(net_stream_local(pair.client), a),
                        net_address_text(net_stream_peer(pair.server), b));
    struct net_address told;
    net_address_parse(STR("192.0.2.1"), 99, &told);
    net_stream_set_peer(pair.server, &told, NULL);
    assert_true(net_address_same_ip(net_stream_peer(pair.server), &told));
    assert_true(net_address_is_loopback(net_stream_local(pair.server)));
    pair_close(&pair);
    return 0;
}

static void both_ends_know_their_addresses(void **state)
{
    (void)state;
    test_run(compare_addresses, NULL);
}

static int look_while_more_arrives(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    write_text(pair.client, "first");
    assert_int_equal(net_stream_fill(pair.server, TASK_FOREVER), 5);
    struct str view = net_stream_input(pair.server);
    write_text(pair.client, "second");
    task_sleep(10);
    assert_int_equal(net_stream_input(pair.server).length, 5);
    assert_memory_equal(view.at, "first", 5);
    assert_int_equal(net_stream_fill(pair.server, TASK_FOREVER), 11);
    net_stream_consume(pair.server, 5);
    expect_text(pair.server, "second");
    pair_close(&pair);
    return 0;
}

static void a_view_stays_valid_while_its_owner_waits(void **state)
{
    (void)state;
    test_run(look_while_more_arrives, NULL);
}

/* --- much --- */

struct transfer {
    struct net_stream *stream;
    size_t bytes;
    uint64_t deadline_ms;
};

static char byte_of(size_t at)
{
    return (char)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

/* Writes in parts of uneven lengths. */
static int write_much(void *arg)
{
    const struct transfer *transfer = arg;
    char *bytes = malloc(transfer->bytes);
    for (size_t i = 0; i < transfer->bytes; i++)
        bytes[i] = byte_of(i);
    enum { PARTS = 100 };
    struct str parts[PARTS], rest = {bytes, transfer->bytes};
    for (size_t i = 0; i < PARTS; i++) {
        size_t length = i + 1 < PARTS ? rest.length / (PARTS - i) + i % 7 : rest.length;
        parts[i] = str_part(rest, 0, length);
        rest = str_from(rest, length);
    }
    int result = net_stream_write(transfer->stream, parts, PARTS, transfer->deadline_ms);
    free(bytes);
    return result;
}

static int read_much(struct net_stream *stream, size_t bytes, bool is_slow)
{
    size_t at = 0;
    for (size_t turn = 0; at < bytes; turn++) {
        assert_true(net_stream_fill(stream, task_in_ms(20000)) > 0);
        struct str input = net_stream_input(stream);
        bool keeps_one = is_slow && input.length > 1 && at + input.length < bytes;
        size_t taken = input.length - (keeps_one ? turn % 2 : 0);
        for (size_t i = 0; i < taken; i++)
            if (input.at[i] != byte_of(at + i))
                return -1;
        at += taken;
        net_stream_consume(stream, taken);
        if (is_slow && turn % 64 == 0)
            task_sleep(1);
    }
    return at == bytes ? 0 : -1;
}

static int transfer_much(void *arg)
{
    bool is_slow = *(bool *)arg;
    struct pair pair;
    pair_open(&pair);
    struct transfer transfer = {pair.client, 25 * MEBIBYTE, TASK_FOREVER};
    struct task *writer = task_start("writer", write_much, &transfer);
    assert_int_equal(read_much(pair.server, transfer.bytes, is_slow), 0);
    assert_int_equal(task_join(writer), 0);
    pair_close(&pair);
    return 0;
}

static void a_large_message_arrives_whole(void **state)
{
    (void)state;
    bool is_slow = false;
    test_run(transfer_much, &is_slow);
}

static void a_large_message_arrives_whole_at_a_slow_reader(void **state)
{
    (void)state;
    bool is_slow = true;
    test_run(transfer_much, &is_slow);
}

static int do_not_read(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    struct transfer transfer = {pair.client, 16 * MEBIBYTE, TASK_FOREVER};
    struct task *writer = task_start("writer", write_much, &transfer);
    while (pair.server->arrived.length < STREAM_UNREAD_MAX)
        task_sleep(1);
    task_sleep(5);
    assert_int_equal(net_stream_fill(pair.server, TASK_FOREVER), STREAM_UNREAD_MAX);
    assert_int_equal(net_stream_fill(pair.server, TASK_FOREVER), -ENOBUFS);
    pair_close(&pair);
    assert_int_equal(task_join(writer), -ECANCELED);
    return 0;
}

static void reading_pauses_while_64_kib_are_unread(void **state)
{
    (void)state;
    test_run(do_not_read, NULL);
}

static int empty_a_buffer(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    assert_true(sizeof *pair.server < 1024);
    assert_int_equal(pair.server->input.capacity + pair.server->arrived.capacity, 0);
    struct transfer transfer = {pair.client, 30000, TASK_FOREVER};
    write_much(&transfer);
    assert_int_equal(read_much(pair.server, 30000, false), 0);
    assert_int_equal(pair.server->input.capacity + pair.server->arrived.capacity, 0);
    pair_close(&pair);
    return 0;
}

static void an_idle_stream_is_small(void **state)
{
    (void)state;
    test_run(empty_a_buffer, NULL);
}

/* --- deadlines and cancellation --- */

static int fill_in_vain(void *arg)
{
    return net_stream_fill(arg, TASK_FOREVER);
}

static int give_up_fills(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    assert_int_equal(net_stream_fill(pair.server, task_in_ms(2)), -ETIMEDOUT);
    struct task *filler = task_start("filler", fill_in_vain, pair.server);
    task_sleep(1);
    task_cancel(filler);
    assert_int_equal(task_join(filler), -ECANCELED);
    write_text(pair.client, "still here");
    expect_text(pair.server, "still here");
    pair_close(&pair);
    return 0;
}

static void a_fill_that_gave_up_leaves_the_stream_usable(void **state)
{
    (void)state;
    test_run(give_up_fills, NULL);
}

static int close_under_a_fill(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    struct task *filler = task_start("filler", fill_in_vain, pair.server);
    task_sleep(1);
    pair_close(&pair);
    return task_join(filler);
}

static void closing_a_stream_ends_its_fill(void **state)
{
    (void)state;
    assert_int_equal(test_run(close_under_a_fill, NULL), -ECANCELED);
}

static int write_past_deadline(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    struct transfer transfer = {pair.client, 16 * MEBIBYTE, task_in_ms(10)};
    assert_int_equal(write_much(&transfer), -ETIMEDOUT);
    assert_true(net_stream_is_dead(pair.client));
    pair_close(&pair);
    return 0;
}

static void a_write_ends_at_its_deadline(void **state)
{
    (void)state;
    test_run(write_past_deadline, NULL);
}

static int cancel_a_write(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    struct transfer transfer = {pair.client, 16 * MEBIBYTE, TASK_FOREVER};
    struct task *writer = task_start("writer", write_much, &transfer);
    task_sleep(5);
    task_cancel(writer);
    assert_int_equal(task_join(writer), -ECANCELED);
    size_t read =
        0; /* what was handed over before is sent, and is owned by nobody who has gone */
    int filled;
    while ((filled = net_stream_fill(pair.server, task_in_ms(20))) > 0) {
        read += (size_t)filled;
        net_stream_consume(pair.server, (size_t)filled);
    }
    assert_int_equal(filled, -ETIMEDOUT);
    assert_true(read < transfer.bytes);
    pair_close(&pair);
    return 0;
}

static void a_cancelled_write_unwinds(void **state)
{
    (void)state;
    test_run(cancel_a_write, NULL);
}

static int close_when_woken(void *arg)
{
    struct net_stream *stream = arg;
    int result = net_stream_fill(stream, TASK_FOREVER);
    net_stream_close(stream);
    return result;
}

static int close_within_a_callback(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    struct task *filler = task_start("filler", close_when_woken, pair.server);
    task_sleep(1);
    write_text(pair.client, "now");
    assert_int_equal(task_join(filler), 3);
    net_stream_close(pair.client);
    return 0;
}

static void a_woken_task_may_close_the_stream_at_once(void **state)
{
    (void)state;
    test_run(close_within_a_callback, NULL);
}

/* --- how a peer goes --- */

static int see_eof(void *arg)
{
    (void)arg;
    struct pair pair;
    pair_open(&pair);
    write_text(pair.client, "QUIT");
    net_stream_close(pair.client);
    expect_text(pair.server, "QUIT");
    assert_int_equal(net_stream_fill(pair.server, TASK_FOREVER), 0);
    assert_int_equal(net_stream_fill(pair.server, TASK_FOREVER), 0);
    assert_true(net_stream_is_dead(pair.server));
    net_stream_close(pair.server);
    return 0;
}

static void input_ends_with_zero(void **state)
{
    (void)state;
    test_run(see_eof, NULL);
}

static int see_reset(void *arg)
{
    (void)arg;
    int raw;
    struct net_stream *stream = stream_to_raw(&raw);
    assert_false(net_stream_is_dead(stream));
    assert_int_equal(write(raw, "last words", 10), 10);
    task_sleep(5);
    raw_reset(raw);
    task_sleep(5);
    assert_true(net_stream_is_dead(stream));
    expect_text(stream, "last words");
    assert_int_equal(net_stream_fill(stream, TASK_FOREVER), -ECONNRESET);
    assert_int_equal(net_stream_fill(stream, TASK_FOREVER), -ECONNRESET);
    net_stream_close(stream);
    return 0;
}

static void bytes_before_a_reset_are_delivered(void **state)
{
    (void)state;
    test_run(see_reset, NULL);
}

static int write_to_nobody(void *arg)
{
    (void)arg;
    int raw;
    struct net_stream *stream = stream_to_raw(&raw);
    assert_int_equal(write(raw, "554 go away", 11), 11);
    close(raw);
    int result = 0;
    for (int i = 0; i < 100 && result == 0; i++) {
        result = write_text(stream, "MAIL FROM:<>\r\n");
        task_sleep(1);
    }
    assert_true(result == -EPIPE || result == -ECONNRESET);
    net_stream_write_now(stream, STR("nobody hears"));
    expect_text(stream, "554 go away");
    net_stream_close(stream);
    return 0;
}

static void writing_to_a_closed_peer_fails_and_its_last_words_remain(void **state)
{
    (void)state;
    test_run(write_to_nobody, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(what_is_written_arrives),
        loop_test(both_ends_know_their_addresses),
        loop_test(a_view_stays_valid_while_its_owner_waits),
        loop_test(a_large_message_arrives_whole),
        loop_test(a_large_message_arrives_whole_at_a_slow_reader),
        loop_test(reading_pauses_while_64_kib_are_unread),
        loop_test(an_idle_stream_is_small),
        loop_test(a_fill_that_gave_up_leaves_the_stream_usable),
        loop_test(closing_a_stream_ends_its_fill),
        loop_test(a_write_ends_at_its_deadline),
        loop_test(a_cancelled_write_unwinds),
        loop_test(a_woken_task_may_close_the_stream_at_once),
        loop_test(input_ends_with_zero),
        loop_test(bytes_before_a_reset_are_delivered),
        loop_test(writing_to_a_closed_peer_fails_and_its_last_words_remain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

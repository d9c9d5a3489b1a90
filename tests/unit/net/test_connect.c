/* Connecting: refusals, silence, and the race between several addresses. */
#include <uv.h>

#include "loopback.h"

/* A bound port where nobody listens: connecting to it is refused. */
static int refusing(struct net_address *address)
{
    return raw_socket(-1, address);
}

struct silent {
    int listening, filling[4];
};

/* A listening port whose backlog is full: connecting to it finds silence. */
static struct silent silent_open(struct net_address *address)
{
    struct silent silent = {.listening = raw_socket(0, address)};
    for (int i = 0; i < 4; i++) {
        silent.filling[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(silent.filling[i], &address->socket.any, sizeof address->socket.v4);
    }
    return silent;
}

static void silent_close(const struct silent *silent)
{
    for (int i = 0; i < 4; i++)
        close(silent->filling[i]);
    close(silent->listening);
}

static int connect_in_vain(void *arg)
{
    (void)arg;
    struct net_address address;
    struct net_stream *stream = NULL;
    int raw = refusing(&address);
    assert_int_equal(net_stream_connect(&address, NULL, TASK_FOREVER, &stream),
                     -ECONNREFUSED);
    struct silent silent = silent_open(&address);
    assert_int_equal(net_stream_connect(&address, NULL, task_in_ms(5), &stream),
                     -ETIMEDOUT);
    struct net_address foreign;
    net_address_parse(STR("192.0.2.1"), 0, &foreign);
    assert_int_equal(net_stream_connect(&address, &foreign, TASK_FOREVER, &stream),
                     -EADDRNOTAVAIL);
    assert_null(stream);
    silent_close(&silent);
    close(raw);
    return 0;
}

static void refusal_silence_and_a_foreign_source_are_errors(void **state)
{
    (void)state;
    test_run(connect_in_vain, NULL);
}

static int connect_from(void *arg)
{
    (void)arg;
    struct net_address address, source;
    int raw = raw_socket(1, &address);
    net_address_parse(STR("127.0.0.9"), 0, &source);
    struct net_stream *stream = NULL;
    assert_int_equal(net_stream_connect(&address, &source, TASK_FOREVER, &stream), 0);
    assert_true(net_address_same_ip(net_stream_local(stream), &source));
    net_stream_close(stream);
    close(raw);
    return 0;
}

static void a_source_address_can_be_chosen(void **state)
{
    (void)state;
    test_run(connect_from, NULL);
}

/* --- the first of several --- */

static int race_past_dead(void *arg)
{
    (void)arg;
    struct net_address peers[3];
    struct silent silent = silent_open(&peers[0]);
    int refused = refusing(&peers[1]), live = raw_socket(8, &peers[2]);
    struct net_stream *stream = NULL;
    size_t winner = 99;
    assert_int_equal(
        net_stream_connect_first(peers, 3, task_in_ms(20000), &stream, &winner, NULL), 0);
    assert_int_equal(winner, 2);
    net_stream_close(stream);
    struct net_address both_live[] = {peers[2], peers[2]};
    assert_int_equal(
        net_stream_connect_first(both_live, 2, task_in_ms(5000), &stream, &winner, NULL),
        0);
    assert_int_equal(winner, 0);
    net_stream_close(stream);
    silent_close(&silent);
    close(refused);
    close(live);
    return 0;
}

static void the_first_that_answers_wins(void **state)
{
    (void)state;
    test_run(race_past_dead, NULL);
}

static int race_in_vain(void *arg)
{
    (void)arg;
    struct net_address peers[2];
    struct silent silent = silent_open(&peers[0]);
    int refused = refusing(&peers[1]);
    struct net_stream *stream = NULL;
    struct err err = {0};
    assert_int_equal(
        net_stream_connect_first(peers, 2, task_in_ms(3000), &stream, NULL, &err),
        -ETIMEDOUT);
    for (int i = 0; i < 2; i++) {
        char text[NET_ADDRESS_TEXT_BYTES];
        assert_non_null(strstr(err.text, net_address_text(&peers[i], text)));
    }
    assert_non_null(strstr(err.text, "timed out; "));
    assert_non_null(strstr(err.text, "connection refused"));
    assert_int_equal(
        net_stream_connect_first(&peers[1], 1, TASK_FOREVER, &stream, NULL, &err),
        -ECONNREFUSED);
    assert_int_equal(net_stream_connect_first(peers, 0, TASK_FOREVER, &stream, NULL, &err),
                     -EINVAL);
    uint64_t before = task_deadline_set(task_in_ms(5));
    assert_int_equal(net_stream_connect_first(peers, 2, TASK_FOREVER, &stream, NULL, &err),
                     -ETIMEDOUT);
    task_deadline_set(before);
    silent_close(&silent);
    close(refused);
    return 0;
}

static void the_error_names_every_address(void **state)
{
    (void)state;
    test_run(race_in_vain, NULL);
}

static int race_forever(void *arg)
{
    struct net_stream *stream = NULL;
    return net_stream_connect_first(arg, 1, TASK_FOREVER, &stream, NULL, NULL);
}

static int cancel_the_race(void *arg)
{
    (void)arg;
    struct net_address address;
    struct silent silent = silent_open(&address);
    struct task *racer = task_start("racer", race_forever, &address);
    task_sleep(2);
    task_cancel(racer);
    int result = task_join(racer);
    silent_close(&silent);
    return result;
}

static void a_cancelled_race_ends(void **state)
{
    (void)state;
    assert_int_equal(test_run(cancel_the_race, NULL), -ECANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(refusal_silence_and_a_foreign_source_are_errors),
        loop_test(a_source_address_can_be_chosen),
        loop_test(the_first_that_answers_wins),
        loop_test(the_error_names_every_address),
        loop_test(a_cancelled_race_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

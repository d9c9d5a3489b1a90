/* Connections on loopback for the tests of net/: a pair of streams, and raw sockets that behave as no
 * stream of ours does. */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

#include "net/listener.h"

static inline struct net_address loopback(uint16_t port)
{
    struct net_address address;
    assert_int_equal(net_address_parse(STR("127.0.0.1"), port, &address), 0);
    return address;
}

struct pair {
    struct net_stream *client, *server;
    struct task_signal accepted;
};

static inline void pair_accept(struct net_stream *stream, void *arg)
{
    struct pair *pair = arg;
    pair->server = stream;
    task_signal_raise(&pair->accepted);
}

/* In a task: a connected pair of streams. */
static inline void pair_open(struct pair *pair)
{
    *pair = (struct pair){0};
    struct net_address any = loopback(0);
    struct net_listener *listener =
        net_listener_open(&any, "pair", pair_accept, pair, NULL);
    assert_non_null(listener);
    int result = net_stream_connect(net_listener_address(listener), NULL, task_in_ms(5000),
                                    &pair->client);
    assert_int_equal(result, 0);
    while (!pair->server)
        assert_int_equal(task_signal_wait(&pair->accepted, task_in_ms(5000)), 0);
    net_listener_close(listener);
}

static inline void pair_close(struct pair *pair)
{
    net_stream_close(pair->client);
    net_stream_close(pair->server);
}

static inline int write_text(struct net_stream *stream, const char *text)
{
    struct str part = str_of(text);
    return net_stream_write(stream, &part, 1, task_in_ms(5000));
}

/* Fills until `text` is the input, and consumes it. */
static inline void expect_text(struct net_stream *stream, const char *text)
{
    while (net_stream_input(stream).length < strlen(text))
        assert_true(net_stream_fill(stream, task_in_ms(5000)) > 0);
    struct str input = net_stream_input(stream);
    assert_int_equal(input.length, strlen(text));
    assert_memory_equal(input.at, text, input.length);
    net_stream_consume(stream, input.length);
}

/* A raw socket bound to loopback; with `backlog` >= 0 it listens but nobody accepts. */
static inline int raw_socket(int backlog, struct net_address *address)
{
    int raw = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *address = loopback(0);
    assert_int_equal(bind(raw, &address->socket.any, sizeof address->socket.v4), 0);
    socklen_t length = sizeof address->socket.v4;
    assert_int_equal(getsockname(raw, &address->socket.any, &length), 0);
    if (backlog >= 0)
        assert_int_equal(listen(raw, backlog), 0);
    return raw;
}

/* A stream whose other end is the raw socket *raw. */
static inline struct net_stream *stream_to_raw(int *raw)
{
    struct net_address address;
    int listening = raw_socket(1, &address);
    struct net_stream *stream = NULL;
    assert_int_equal(net_stream_connect(&address, NULL, task_in_ms(5000), &stream), 0);
    *raw = accept(listening, NULL, NULL);
    assert_true(*raw >= 0);
    close(listening);
    return stream;
}

/* Closes with RST instead of FIN. */
static inline void raw_reset(int raw)
{
    struct linger linger = {.l_onoff = 1};
    setsockopt(raw, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(raw);
}

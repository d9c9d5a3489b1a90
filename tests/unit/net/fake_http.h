/* An HTTP server for tests, on a port of loopback: gives every request the same bytes as its answer, and keeps
 * the last request. */
#pragma once

#include <stdio.h>

#include "loopback.h"

#include "base/buf.h"

struct fake_http {
    struct net_listener *listener;
    struct str answer; /* empty: says nothing and keeps the connection */
    bool closes;       /* after an answer */
    struct tls_server *tls;
    struct buf request;
    int connection_count, request_count;
    char url[64];
};

/* Bytes of the request at the start of `input`; 0 while it is not complete. */
static inline size_t fake_http_request_length(struct str input)
{
    unsigned long long body = 0;
    ptrdiff_t end = str_find(input, STR("\r\n\r\n"));
    if (end < 0)
        return 0;
    struct str rest = {input.at, (size_t)end};
    while (rest.length) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        struct str name = str_cut(&line, ':');
        if (str_equal_nocase(name, STR("Content-Length")))
            assert_true(str_to_number(str_trim(line), &body));
    }
    size_t length = (size_t)end + 4 + (size_t)body;
    return length <= input.length ? length : 0;
}

static inline bool fake_http_answer(struct fake_http *server, struct net_stream *stream)
{
    struct buf input;
    buf_init(&input, (size_t)16 << 20);
    size_t length;
    while ((length = fake_http_request_length(buf_view(&input))) == 0 &&
           net_stream_fill(stream, task_in_ms(5000)) > 0) {
        buf_append(&input, net_stream_input(stream));
        net_stream_consume(stream, net_stream_input(stream).length);
    }
    if (length) {
        server->request_count++;
        buf_free(&server->request);
        server->request = input;
    } else {
        buf_free(&input);
    }
    if (length && server->answer.length == 0)
        net_stream_fill(stream, task_in_ms(5000));
    return length && server->answer.length &&
           net_stream_write(stream, &server->answer, 1, task_in_ms(5000)) == 0 &&
           !server->closes;
}

static inline void fake_http_serve(struct net_stream *stream, void *arg)
{
    struct fake_http *server = arg;
    server->connection_count++;
    if (!server->tls ||
        net_stream_tls_accept_implicit(stream, server->tls, task_in_ms(5000), NULL) == 0)
        while (fake_http_answer(server, stream)) {
        }
    net_stream_close(stream);
}

static inline void fake_http_open(struct fake_http *server, const char *answer)
{
    struct net_address any = loopback(0);
    *server = (struct fake_http){.answer = str_of(answer)};
    server->listener = net_listener_open(&any, "fake http", fake_http_serve, server, NULL);
    assert_non_null(server->listener);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u",
             net_address_port(net_listener_address(server->listener)));
}

/* Its connections end when the client closes its own. */
static inline void fake_http_close(struct fake_http *server)
{
    net_listener_close(server->listener);
    buf_free(&server->request);
}

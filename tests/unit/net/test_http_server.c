/* The HTTP server, asked over sockets by clients good and bad. */
#include <stdio.h>

#include "loopback.h"

#include "net/http_server.h"

#define ASK "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"

static struct http_server_options options;
static struct http_server *server;
static struct net_stream *client;
static unsigned ended[16]; /* statuses */
static size_t ended_count;
static struct task_signal released;
static bool is_released;

/* --- the handler: /hello, /echo (its body), /wait (until it is released), all else is refused --- */

static bool begin(void *arg, struct http_server_request *request,
                  struct http_server_response *response)
{
    (void)arg;
    *response = (struct http_server_response){.status = 404, .body = STR("no")};
    return !str_equal(request->head->target, STR("/no"));
}

static void answer(void *arg, struct http_server_request *request,
                   struct http_server_response *response)
{
    static const struct http_field field = {"X-One", {"1", 1}};
    (void)arg;
    *response = (struct http_server_response){
        .status = 200, .fields = &field, .field_count = 1, .body = STR("hello")};
    if (str_equal(request->head->target, STR("/echo")))
        response->body = request->body;
    while (str_equal(request->head->target, STR("/wait")) && !is_released)
        if (task_signal_wait(&released, TASK_FOREVER) < 0)
            break;
    if (str_equal(request->head->target, STR("/none")))
        response->status = 204;
}

static void end(void *arg, const struct http_server_request *request, unsigned status)
{
    (void)arg, (void)request;
    ended[ended_count++] = status;
}

static const struct http_server_handler handler = {NULL, begin, answer, end};

/* --- each test is a task with a server of its own --- */

static void connect_client(void)
{
    assert_int_equal(net_stream_connect(http_server_address(server, 0), NULL,
                                        task_in_ms(30000), &client),
                     0);
}

static int run_one(void *arg)
{
    void (**body)(void) = arg;
    struct net_address any = loopback(0);
    struct err err = {0};
    options = (struct http_server_options){.connections_max = 10,
                                           .connections_per_address_max = 3,
                                           .header_bytes_max = 1000,
                                           .body_bytes_max = 100,
                                           .memory_bytes_max = 150,
                                           .header_timeout_ms = 30000,
                                           .body_timeout_ms = 30000,
                                           .idle_timeout_ms = 30000};
    ended_count = 0;
    is_released = false;
    server = http_server_open(&options, NULL, &handler);
    assert_int_equal(http_server_listen(server, &any, false, &err), 0);
    connect_client();
    (*body)();
    net_stream_close(client);
    http_server_shut_down(server, task_in_ms(30000));
    http_server_close(server);
    return 0;
}

#define IN_TASK(name) TEST_IN_TASK(run_one, name)

/* Waits until the text has come, and forgets all up to its end. */
static void expect(const char *text)
{
    ptrdiff_t at;
    while ((at = str_find(net_stream_input(client), str_of(text))) < 0)
        if (net_stream_fill(client, task_in_ms(30000)) <= 0)
            fail_msg("instead of \"%s\": \"%.*s\"", text,
                     STR_ARG(net_stream_input(client)));
    net_stream_consume(client, (size_t)at + strlen(text));
}

static void expect_end(void)
{
    int result;
    do
        result = net_stream_fill(client, task_in_ms(30000));
    while (result > 0);
    assert_true(result == 0 || result == -ECONNRESET);
}

static void ask(const char *text)
{
    assert_int_equal(write_text(client, text), 0);
}

IN_TASK(a_request_is_answered)
{
    ask(ASK);
    expect("HTTP/1.1 200 OK\r\nDate: ");
    expect("GMT\r\nX-One: 1\r\nContent-Length: 5\r\n\r\nhello");
    assert_int_equal(ended_count, 1);
    assert_int_equal(ended[0], 200);
}

IN_TASK(requests_in_one_piece_are_answered_in_turn)
{
    ask(ASK "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            "2\r\nde\r\n1\r\nf\r\n0\r\n\r\n" ASK);
    expect("\r\n\r\nhello");
    expect("\r\n\r\nabc");
    expect("\r\n\r\ndef");
    expect("\r\n\r\nhello");
}

IN_TASK(a_client_that_asks_is_told_to_go_on)
{
    ask("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
        "Content-Length: 3\r\n\r\n");
    expect("HTTP/1.1 100 Continue\r\n\r\n");
    ask("abc");
    expect("\r\n\r\nabc");
}

IN_TASK(a_refused_body_is_not_asked_for)
{
    ask("POST /no HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
        "Content-Length: 3\r\n\r\n");
    expect("HTTP/1.1 404 Not Found\r\n");
    expect("Connection: close\r\n\r\nno");
    assert_int_equal(ended[0], 404);
}

IN_TASK(what_is_refused_without_a_body_keeps_its_connection)
{
    ask("GET /no HTTP/1.1\r\nHost: a\r\n\r\n" ASK);
    expect("404 Not Found");
    expect("hello");
}

IN_TASK(head_has_no_body)
{
    ask("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n" ASK);
    expect("Content-Length: 5\r\n\r\nHTTP/1.1 200 OK");
    expect("hello");
}

IN_TASK(no_content_has_no_length)
{
    ask("GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect("204 No Content\r\nDate: ");
    expect("GMT\r\nX-One: 1\r\nConnection: close\r\n\r\n");
    expect_end();
}

IN_TASK(the_old_version_ends_its_connection)
{
    ask("GET /hello HTTP/1.0\r\n\r\n");
    expect("Connection: close\r\n\r\nhello");
    expect_end();
}

IN_TASK(a_malformed_request_is_the_last)
{
    ask("GET /hello HTTP/1.1\r\n\r\n" ASK);
    expect("HTTP/1.1 400 Bad Request");
    expect("Connection: close");
    expect_end();
    assert_int_equal(ended_count, 0);
}

IN_TASK(a_header_that_is_too_long_is_refused)
{
    char text[2000];
    snprintf(text, sizeof text, "GET /%01500d", 0);
    ask(text);
    expect("HTTP/1.1 431 ");
    expect_end();
}

IN_TASK(a_body_that_is_too_long_is_refused)
{
    ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n");
    expect("HTTP/1.1 413 ");
    net_stream_close(client);
    connect_client();
    ask("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 11; i++)
        ask("a\r\n0123456789\r\n");
    expect("HTTP/1.1 413 ");
}

IN_TASK(all_bodies_together_have_a_limit)
{
    struct net_stream *first = client;
    char text[200];
    snprintf(text, sizeof text,
             "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 90\r\n\r\n%090d", 0);
    ask(text);
    connect_client();
    ask(text);
    expect("HTTP/1.1 503 ");
    is_released = true;
    task_signal_raise_all(&released);
    net_stream_close(client);
    client = first;
    expect("hello");
}

IN_TASK(a_slow_header_runs_out_of_time)
{
    options.header_timeout_ms = 50;
    http_server_reconfigure(server, &options, NULL);
    ask("GET /hel");
    expect("HTTP/1.1 408 ");
    expect_end();
}

IN_TASK(a_slow_body_runs_out_of_time)
{
    options.body_timeout_ms = 50;
    http_server_reconfigure(server, &options, NULL);
    ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
    expect("HTTP/1.1 408 ");
    expect_end();
    assert_int_equal(ended[0], 408);
}

IN_TASK(a_silent_connection_is_closed)
{
    options.idle_timeout_ms = 50;
    http_server_reconfigure(server, &options, NULL);
    ask(ASK);
    expect("hello");
    expect_end();
}

IN_TASK(an_address_has_so_many_connections)
{
    struct net_stream *streams[3] = {client};
    for (int i = 1; i < 3; i++) {
        connect_client();
        streams[i] = client;
        ask(ASK);
        expect("hello");
    }
    connect_client();
    expect("HTTP/1.1 503 ");
    expect_end();
    for (int i = 0; i < 3; i++)
        net_stream_close(streams[i]);
}

static int shut_down(void *arg)
{
    (void)arg;
    http_server_shut_down(server, task_in_ms(30000));
    return 0;
}

IN_TASK(a_shut_down_lets_a_request_finish)
{
    struct net_stream *idle = client;
    connect_client();
    ask("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    while (net_stream_fill(client, task_in_ms(50)) > 0)
        ;
    struct task *task = task_start("shut-down", shut_down, NULL);
    assert_true(net_stream_fill(idle, task_in_ms(30000)) <=
                0); /* it has nothing to finish */
    net_stream_close(idle);
    is_released = true;
    task_signal_raise_all(&released);
    expect("Connection: close\r\n\r\nhello");
    expect_end();
    task_join(task);
}

IN_TASK(a_shut_down_has_an_end)
{
    ask("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    while (net_stream_fill(client, task_in_ms(50)) > 0)
        ;
    http_server_shut_down(server, task_in_ms(10));
    expect_end();
}

static void the_servers_own_fields_are_not_for_handlers(void **state)
{
    (void)state;
    assert_true(http_server_may_send(STR("X-One"), STR("a b")));
    assert_true(http_server_may_send(STR("Set-Cookie"), STR("")));
    assert_false(http_server_may_send(STR("X-One"), STR("a\r\nX-Two: b")));
    assert_false(http_server_may_send(STR("X-One"), STR("a\nb")));
    assert_false(http_server_may_send(STR("X-One"), ((struct str){"a\0b", 3})));
    assert_false(http_server_may_send(STR("X One"), STR("a")));
    assert_false(http_server_may_send(STR("X-One:"), STR("a")));
    assert_false(http_server_may_send(STR(""), STR("a")));
    assert_false(http_server_may_send(STR("content-LENGTH"), STR("1")));
    assert_false(http_server_may_send(STR("Transfer-Encoding"), STR("chunked")));
    assert_false(http_server_may_send(STR("Proxy-Authenticate"), STR("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(a_request_is_answered),
        loop_test(requests_in_one_piece_are_answered_in_turn),
        loop_test(a_client_that_asks_is_told_to_go_on),
        loop_test(a_refused_body_is_not_asked_for),
        loop_test(what_is_refused_without_a_body_keeps_its_connection),
        loop_test(head_has_no_body),
        loop_test(no_content_has_no_length),
        loop_test(the_old_version_ends_its_connection),
        loop_test(a_malformed_request_is_the_last),
        loop_test(a_header_that_is_too_long_is_refused),
        loop_test(a_body_that_is_too_long_is_refused),
        loop_test(all_bodies_together_have_a_limit),
        loop_test(a_slow_header_runs_out_of_time),
        loop_test(a_slow_body_runs_out_of_time),
        loop_test(a_silent_connection_is_closed),
        loop_test(an_address_has_so_many_connections),
        loop_test(a_shut_down_lets_a_request_finish),
        loop_test(a_shut_down_has_an_end),
        cmocka_unit_test(the_servers_own_fields_are_not_for_handlers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

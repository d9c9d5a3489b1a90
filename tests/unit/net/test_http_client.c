/* The HTTP client against servers that are good, slow, broken and too generous. */
#include <stdio.h>

#include "fake_http.h"

#include "base/mem.h"
#include "net/http_client.h"

static struct fake_http server;
static struct http_client *client;
static struct arena *arena;
static struct http_response response;
static struct err err;

static int open_arena(void **state)
{
    arena = arena_new();
    response = (struct http_response){0};
    err = (struct err){0};
    return test_loop_open(state);
}

static int free_arena(void **state)
{
    arena_free(arena);
    return test_loop_close(state);
}

static int post(const char *url, struct str body, uint64_t deadline_ms)
{
    struct http_field fields[] = {{"X-One", STR("1")}};
    struct http_request request = {
        .method = "POST",
        .url = url,
        .fields = fields,
        .field_count = 1,
        .body = body,
        .response_bytes_max = 1000,
    };
    return http_client_request(client, &request, deadline_ms, arena, &response, &err);
}

static int post_hello(void)
{
    return post(server.url, STR("hello"), task_in_ms(5000));
}

/* --- each test is a task with a server of its own --- */

struct test {
    const char *answer;
    void (*run)(void);
};

static int run_one(void *arg)
{
    const struct test *test = arg;
    fake_http_open(&server, test->answer);
    client = http_client_open(&err);
    assert_non_null(client);
    test->run();
    http_client_close(client);
    task_sleep(10); /* the server's tasks see the end of their connections */
    fake_http_close(&server);
    return 0;
}

static void with_server(const char *answer, void (*run)(void))
{
    struct test test = {answer, run};
    test_run(run_one, &test);
}

#define OK_ABC "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"

static void assert_body(const char *text)
{
    assert_int_equal(response.body.length, strlen(text));
    assert_memory_equal(response.body.at, text, strlen(text));
}

static void post_and_get(void)
{
    assert_int_equal(post_hello(), 0);
    assert_int_equal(response.status, 200);
    assert_body("abc");
    struct str request = buf_view(&server.request);
    assert_true(str_starts(request, STR("POST / HTTP/1.1\r\n")));
    assert_true(str_find(request, STR("\r\nX-One: 1\r\n")) > 0);
    assert_true(str_find(request, STR("\r\nExpect:")) < 0);
    assert_true(str_ends_nocase(request, STR("\r\n\r\nhello")));
    struct http_request get = {
        .method = "GET", .url = server.url, .response_bytes_max = 10};
    assert_int_equal(
        http_client_request(client, &get, task_in_ms(5000), arena, &response, &err), 0);
    assert_true(str_starts(buf_view(&server.request), STR("GET / HTTP/1.1\r\n")));
    assert_int_equal(server.request_count, 2);
    assert_int_equal(server.connection_count, 1);
}

static void requests_share_a_kept_connection(void **state)
{
    (void)state;
    with_server(OK_ABC, post_and_get);
}

static void post_many_bytes(void)
{
    size_t length = (size_t)8 << 20;
    char *bytes = mem_zero(1, length);
    assert_int_equal(post(server.url, (struct str){bytes, length}, task_in_ms(30000)), 0);
    struct str request = buf_view(&server.request);
    assert_int_equal(request.length - (size_t)str_find(request, STR("\r\n\r\n")) - 4,
                     length);
    free(bytes);
}

static void a_large_body_is_sent_whole(void **state)
{
    (void)state;
    with_server(OK_ABC, post_many_bytes);
}

static void expect_any_status(void)
{
    assert_int_equal(post_hello(), 0);
    assert_int_equal(response.status, 302);
    assert_int_equal(server.request_count, 1);
}

static void a_redirect_is_an_answer_like_others(void **state)
{
    (void)state;
    with_server("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
                expect_any_status);
}

static void expect_too_long(void)
{
    assert_int_equal(post_hello(), -EMSGSIZE);
    assert_int_equal(err.code, -EMSGSIZE);
    assert_string_equal(err.text, "the answer is too long");
}

static void a_body_past_the_ceiling_ends_the_transfer(void **state)
{
    static char answer[3000] = "HTTP/1.1 200 OK\r\n\r\n";
    (void)state;
    memset(answer + strlen(answer), 'a', 1001);
    with_server(answer, expect_too_long);
    with_server("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", expect_too_long);
}

static void a_header_past_the_ceiling_ends_the_transfer(void **state)
{
    static char answer[(size_t)80 * 1024] = "HTTP/1.1 200 OK\r\n";
    (void)state;
    size_t length = strlen(answer);
    while (length < (size_t)70 * 1024)
        length += (size_t)sprintf(answer + length, "X-Long: %0100d\r\n", 1);
    with_server(answer, expect_too_long);
}

static void expect_broken(void)
{
    assert_int_equal(post_hello(), -EIO);
    assert_true(err.text[0]);
}

static void what_is_not_http_is_an_error(void **state)
{
    (void)state;
    with_server("220 mx.test ESMTP\r\n", expect_broken);
}

static void expect_cut_short(void)
{
    server.closes = true;
    expect_broken();
}

static void a_body_cut_short_is_an_error(void **state)
{
    (void)state;
    with_server("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nabc", expect_cut_short);
}

static void expect_time_out(void)
{
    assert_int_equal(post(server.url, STR("hello"), task_in_ms(50)), -ETIMEDOUT);
    assert_string_equal(err.text, "no answer in time");
}

static void silence_ends_at_the_deadline(void **state)
{
    (void)state;
    with_server("", expect_time_out);
}

static int post_in_task(void *arg)
{
    (void)arg;
    return post_hello();
}

static void cancel_one(void)
{
    struct task *task = task_start("asks", post_in_task, NULL);
    task_sleep(20);
    task_cancel(task);
    assert_int_equal(task_join(task), -ECANCELED);
    task = task_start("asks", post_in_task, NULL);
    task_cancel(task); /* before it has begun */
    assert_int_equal(task_join(task), -ECANCELED);
    server.answer = STR(OK_ABC);
    assert_int_equal(post_hello(), 0);
}

static void a_cancelled_request_leaves_the_client_fit(void **state)
{
    (void)state;
    with_server("", cancel_one);
}

static void post_side_by_side(void)
{
    enum { REQUESTS = 200 };
    struct task_job jobs[REQUESTS];
    for (int i = 0; i < REQUESTS; i++)
        jobs[i] = (struct task_job){post_in_task, NULL, 0};
    assert_int_equal(task_gather("asks", jobs, REQUESTS), 0);
    for (int i = 0; i < REQUESTS; i++)
        assert_int_equal(jobs[i].result, 0);
    assert_int_equal(server.request_count, REQUESTS);
    assert_in_range(server.connection_count, 1, 64);
}

static void many_requests_share_bounded_connections(void **state)
{
    (void)state;
    with_server(OK_ABC, post_side_by_side);
}

static void ask_what_is_not_asked(void)
{
    static const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "",
                                       "http://", "gopher://127.0.0.1/"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        assert_int_equal(post(urls[i], STR(""), task_in_ms(5000)), -EINVAL);
    struct http_field field = {"X-Evil", STR("a\r\nHost: b")};
    struct http_request request = {.method = "GET",
                                   .url = server.url,
                                   .fields = &field,
                                   .field_count = 1,
                                   .response_bytes_max = 10};
    assert_int_equal(
        http_client_request(client, &request, task_in_ms(5000), arena, &response, &err),
        -EINVAL);
    assert_int_equal(server.connection_count, 0);
}

static void other_schemes_and_split_fields_are_refused(void **state)
{
    (void)state;
    with_server(OK_ABC, ask_what_is_not_asked);
}

static void ask_a_stranger(void)
{
    char url[80];
    server.tls = tls_server_new_self_signed("127.0.0.1", NULL);
    snprintf(url, sizeof url, "https%s", server.url + strlen("http"));
    assert_int_equal(post(url, STR("secret"), task_in_ms(5000)), -EACCES);
    assert_int_equal(server.request_count, 0);
    tls_server_release(server.tls);
}

static void a_peer_that_proves_nothing_is_told_nothing(void **state)
{
    (void)state;
    with_server(OK_ABC, ask_a_stranger);
}

static void ask_nobody(void)
{
    struct net_address closed;
    char url[64];
    int raw = raw_socket(-1, &closed);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", net_address_port(&closed));
    assert_int_equal(post(url, STR(""), task_in_ms(5000)), -ECONNREFUSED);
    close(raw);
}

static void nobody_there_is_an_error(void **state)
{
    (void)state;
    with_server(OK_ABC, ask_nobody);
}

#define http_test(name) cmocka_unit_test_setup_teardown(name, open_arena, free_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(requests_share_a_kept_connection),
        http_test(a_large_body_is_sent_whole),
        http_test(a_redirect_is_an_answer_like_others),
        http_test(a_body_past_the_ceiling_ends_the_transfer),
        http_test(a_header_past_the_ceiling_ends_the_transfer),
        http_test(what_is_not_http_is_an_error),
        http_test(a_body_cut_short_is_an_error),
        http_test(silence_ends_at_the_deadline),
        http_test(a_cancelled_request_leaves_the_client_fit),
        http_test(many_requests_share_bounded_connections),
        http_test(other_schemes_and_split_fields_are_refused),
        http_test(a_peer_that_proves_nothing_is_told_nothing),
        http_test(nobody_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

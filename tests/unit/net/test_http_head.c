/* Heads of requests: what they say, and what is refused because somebody could read it in another way. */
#include <errno.h>
#include <string.h>

#include "arena_fixture.h"
#include "test.h"

#include "net/http_head.h"

#define HOST "Host: a.test\r\n"

static struct http_head head;

/* As a connection does it: the status that refuses it, or 0. */
static unsigned parse(struct str text)
{
    size_t line = 0;
    ptrdiff_t length = http_head_length(text, &line);
    if (length < 0)
        return 400;
    assert_int_equal(length, text.length);
    return http_head_parse(text, arena, &head);
}

static void assert_str(struct str is, const char *text)
{
    assert_int_equal(is.length, strlen(text));
    assert_memory_equal(is.at, text, is.length);
}

static void a_head_is_taken_apart(void **state)
{
    (void)state;
    assert_int_equal(parse(STR("POST /a/b?c=d HTTP/1.1\r\n" HOST
                               "X-One:  1\t\r\nx-one:2\r\nContent-Length: 12\r\n"
                               "Expect: 100-Continue\r\nConnection: x, Close\r\n\r\n")),
                     0);
    assert_str(head.method, "POST");
    assert_str(head.target, "/a/b?c=d");
    assert_str(head.host, "a.test");
    assert_int_equal(head.field_count, 6);
    assert_str(http_field_find(head.fields, head.field_count, STR("X-ONE"))->value, "1");
    assert_int_equal(head.length, 12);
    assert_false(head.is_chunked);
    assert_true(head.wants_close);
    assert_true(head.wants_continue);
}

static void a_connection_is_kept_as_its_version_says(void **state)
{
    (void)state;
    assert_int_equal(parse(STR("GET / HTTP/1.1\r\n" HOST "\r\n")), 0);
    assert_false(head.wants_close);
    assert_int_equal(parse(STR("GET / HTTP/1.0\r\n\r\n")), 0);
    assert_true(head.wants_close);
    assert_int_equal(parse(STR("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")), 0);
    assert_false(head.wants_close);
}

static void an_absolute_target_is_for_its_own_host(void **state)
{
    (void)state;
    assert_int_equal(parse(STR("GET http://A.test/x HTTP/1.1\r\n" HOST "\r\n")), 0);
    assert_str(head.target, "/x");
    assert_int_equal(parse(STR("GET https://a.test HTTP/1.1\r\n" HOST "\r\n")), 0);
    assert_str(head.target, "/");
    assert_int_equal(parse(STR("GET http://b.test/x HTTP/1.1\r\n" HOST "\r\n")), 400);
}

static void what_can_be_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    const struct {
        unsigned status;
        struct str text;
    } rows[] = {
        {400, STR("GET / HTTP/1.1\r\n\r\n")},
        {400, STR("GET / HTTP/1.1\r\n" HOST HOST "\r\n")},
        {400, STR("GET / HTTP/1.1\r\nHost: a b\r\n\r\n")},
        {400, STR("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n")},
        {400, STR("GET /\r\n" HOST "\r\n")},
        {400, STR("GET  / HTTP/1.1\r\n" HOST "\r\n")},
        {400, STR("GET / a HTTP/1.1\r\n" HOST "\r\n")},
        {400, STR("GET / HTTP/1.1 \r\n" HOST "\r\n")},
        {400, STR("GET * HTTP/1.1\r\n" HOST "\r\n")},
        {400, STR("GET a HTTP/1.1\r\n" HOST "\r\n")},
        {400, STR("GET /a#b HTTP/1.1\r\n" HOST "\r\n")},
        {400, STR("GET /\x80 HTTP/1.1\r\n" HOST "\r\n")},
        {400, STR("GET /\0 HTTP/1.1\r\n" HOST "\r\n")},
        {400, STR("G(T / HTTP/1.1\r\n" HOST "\r\n")},
        {400, STR("CONNECT a.test:443 HTTP/1.1\r\n" HOST "\r\n")},
        {505, STR("GET / HTTP/1.2\r\n" HOST "\r\n")},
        {505, STR("GET / HTTP/2\r\n" HOST "\r\n")},
        {400, STR("GET / http/1.1\r\n" HOST "\r\n")},
        {400, STR("GET / HTTP/1.1\n" HOST "\r\n")},
        {400, STR("GET / HTTP/1.1\r\nHost: a\n\r\n")},
        {400, STR("GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n")},
        {400, STR("GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n")},
        {400, STR("GET / HTTP/1.1\r\n" HOST "X : a\r\n\r\n")},
        {400, STR("GET / HTTP/1.1\r\n" HOST " X: a\r\n\r\n")},
        {400, STR("GET / HTTP/1.1\r\n X: a\r\n" HOST "\r\n")},
        {400, STR("GET / HTTP/1.1\r\n" HOST "nonsense\r\n\r\n")},
        {400, STR("GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n")},
        {400,
         STR("POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n")},
        {400, STR("POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\n")},
        {400, STR("POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n")},
        {400, STR("POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n")},
        {400, STR("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n\r\n")},
        {400, STR("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n")},
        {400,
         STR("POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n")},
        {400, STR("POST / HTTP/1.1\r\n" HOST
                  "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")},
        {400, STR("POST / HTTP/1.1\r\n" HOST
                  "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")},
        {400, STR("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n")},
        {501, STR("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n")},
        {501, STR("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n")},
        {400, STR("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \vchunked\r\n\r\n")},
        {417, STR("POST / HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (parse(rows[i].text) != rows[i].status)
            fail_msg("row %zu: %.*s", i, STR_ARG(rows[i].text));
}

static void fields_have_a_limit(void **state)
{
    (void)state;
    char text[HTTP_FIELDS_MAX * 8 + 64];
    size_t length = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\n" HOST);
    for (int i = 0; i < HTTP_FIELDS_MAX; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "X: y\r\n");
    length += (size_t)snprintf(text + length, sizeof text - length, "\r\n");
    assert_int_equal(parse((struct str){text, length}), 431);
}

/* However it is cut into packets. */
static void a_head_that_comes_byte_by_byte_ends_where_it_ends(void **state)
{
    (void)state;
    struct str text = STR("GET / HTTP/1.1\r\n" HOST "\r\nrest");
    size_t line = 0;
    for (size_t i = 0; i < text.length - 5; i++)
        assert_int_equal(http_head_length(str_part(text, 0, i), &line), 0);
    assert_int_equal(http_head_length(text, &line), text.length - 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_is_taken_apart),
        cmocka_unit_test(a_connection_is_kept_as_its_version_says),
        cmocka_unit_test(an_absolute_target_is_for_its_own_host),
        cmocka_unit_test(what_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(fields_have_a_limit),
        cmocka_unit_test(a_head_that_comes_byte_by_byte_ends_where_it_ends),
    };
    return cmocka_run_group_tests(tests, open_arena, free_arena);
}

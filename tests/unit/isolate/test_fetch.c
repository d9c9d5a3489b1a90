/* The `fetch` handler: the request as scripts see it, and what they may return. */
#include "driver.h"

#include "isolate/internal.h"

static void put_header(struct buf *event, int number, const char *name, const char *value)
{
    value_write_number(event, number);
    value_begin_table(event);
    value_put_string(event, "name", str_of(name));
    value_put_string(event, "value", str_of(value));
    value_end_table(event);
}

static struct buf request(void)
{
    struct buf event = driver_table();
    value_put_string(&event, "method", STR("POST"));
    value_put_string(&event, "url", STR("https://a.test/x?q=1%202&q=3&e"));
    value_put_string(&event, "path", STR("/x"));
    value_put_string(&event, "queryString", STR("q=1%202&q=3&e"));
    value_put_string(&event, "body", STR("{\"a\":[1]}"));
    value_put_string(&event, "ip", STR("192.0.2.1"));
    value_put_table(&event, "headers");
    put_header(&event, 1, "x-one", "1");
    put_header(&event, 2, "accept", "a");
    put_header(&event, 3, "x-one", "2");
    value_end_table(&event);
    return event;
}

/* The frame that tells the end of a run of this handler; its logs are left out. */
static struct said run(struct driver *driver)
{
    struct buf event = request();
    driver_send_event(driver, 1, "fetch", &event);
    struct said said;
    do
        said = driver_receive(driver);
    while (said.type == WIRE_LOG);
    return said;
}

static struct driver *start(const char *body)
{
    char source[2048];
    snprintf(source, sizeof source,
             "return { fetch = function(request, env, ctx)\n%s\nend }", body);
    return driver_start(source);
}

static const struct value *first_header(const struct value *response)
{
    const struct value *headers = value_get(response, "headers");
    assert_non_null(headers);
    return headers->count ? &headers->items[0] : NULL;
}

static void assert_text(const struct value *table, const char *key, const char *text)
{
    struct str is = value_get_string(table, key, STR("(none)"));
    if (!str_equal(is, str_of(text)))
        fail_msg("%s: \"%.*s\" is not \"%s\"", key, STR_ARG(is), text);
}

/* status, Content-Type ("" for none), body */
static void assert_response(const char *body, int status, const char *kind,
                            const char *text)
{
    struct driver *driver = start(body);
    struct said said = run(driver);
    assert_int_equal(said.type, WIRE_DONE);
    assert_text(said.value, "result", "ok");
    const struct value *response = value_get(said.value, "value");
    assert_int_equal(value_get_number(response, "status", 0), status);
    assert_text(response, "body", text);
    const struct value *header = first_header(response);
    if (header)
        assert_text(header, "value", kind);
    else
        assert_string_equal(kind, "");
    driver_stop(driver);
}

static void a_request_is_what_its_client_has_sent(void **state)
{
    (void)state;
    assert_response("return table.concat({ request.method, request.url, request.path,\n"
                    "  request.query.q, request.query.e, request.queryString,\n"
                    "  request.client.ip, request:text(), request:json().a[1] }, '|')",
                    200, "text/plain;charset=UTF-8",
                    "POST|https://a.test/x?q=1%202&q=3&e|/x|1 2||q=1%202&q=3&e|192.0.2.1|"
                    "{\"a\":[1]}|1");
}

static void names_of_headers_compare_without_case(void **state)
{
    (void)state;
    assert_response(
        "local names = {}\n"
        "for name, value in request.headers:each() do\n"
        "  names[#names + 1] = name .. value end\n"
        "return table.concat({ request.headers:get('X-ONE'),\n"
        "  #request.headers:getAll('x-One'), tostring(request.headers:get('no')),\n"
        "  tostring(request.headers:has('Accept')), unpack(names) }, '|')",
        200, "text/plain;charset=UTF-8", "1, 2|2|nil|true|x-one1|accepta|x-one2");
}

static void what_is_returned_becomes_a_response(void **state)
{
    (void)state;
    assert_response("", 204, "", "");
    assert_response("return 'a'", 200, "text/plain;charset=UTF-8", "a");
    assert_response("return {}", 200, "", "");
    assert_response("return { status = 404, body = '' }", 404, "", "");
    assert_response("return { json = { 1 } }", 200, "application/json", "[1]");
    assert_response("return { body = '<p>', headers = { ['content-type'] = 'text/html' } }",
                    200, "text/html", "<p>");
    assert_response("return { headers = { ['X-A'] = 7 } }", 200, "7", "");
}

static void what_is_no_response_is_an_error_at_the_handler(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"return 7", "it returned a number"},
        {"return { statu = 200 }", "not 'statu'"},
        {"return { status = 100 }", "from 200 to 599, not 100"},
        {"return { status = 200.5 }", "from 200 to 599, not 200.5"},
        {"return { status = '200' }", "from 200 to 599, not 200"},
        {"return { body = {} }", "for a table write json"},
        {"return { body = '', json = 1 }", "either body or json"},
        {"return { headers = 'x' }", "headers must be a table"},
        {"return { headers = { 'X-A: b' } }", "'1' is no header name"},
        {"return { headers = { ['X A'] = 'b' } }", "'X A' is no header name"},
        {"return { headers = { ['X\\r\\nA'] = 'b' } }", "'X??A' is no header name"},
        {"return { headers = { ['X-A'] = true } }", "got boolean"},
        {"return { headers = { ['X-A'] = 'b\\nC: d' } }", "control character"},
        {"return { headers = { ['X-A'] = { 'b', 'c\\r' } } }", "control character"},
        {"return { headers = { ['X-A'] = '\\0' } }", "control character"},
        {"return { headers = { ['Content-length'] = 1 } }", "the server's to set"},
        {"return { headers = { Connection = 'close' } }", "the server's to set"},
        {"return { headers = { ['Proxy-X'] = 'a' } }", "the server's to set"},
        {"return { headers = { ['X-A'] = ('a'):rep(9000) } }", "longer than 8192"},
        {"return { body = ('a'):rep(11 * 1024 * 1024) }", "longer than 10 MiB"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct driver *driver = start(rows[i][0]);
        struct said said = run(driver);
        assert_int_equal(said.type, WIRE_DONE);
        assert_text(said.value, "result", "exception");
        struct str text = value_get_string(said.value, "text", STR(""));
        if (!str_starts(text, STR("support.lua:1: fetch: ")) ||
            str_find(text, str_of(rows[i][1])) < 0)
            fail_msg("%s: %.*s", rows[i][0], STR_ARG(text));
        driver_stop(driver);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_request_is_what_its_client_has_sent),
    cmocka_unit_test(names_of_headers_compare_without_case),
    cmocka_unit_test(what_is_returned_becomes_a_response),
    cmocka_unit_test(what_is_no_response_is_an_error_at_the_handler),
};

ISOLATE_TEST_MAIN(tests)

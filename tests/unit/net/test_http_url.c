/* What stands in a URL, as those see it who decide whether it may be asked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena_fixture.h"
#include "test.h"

#include "base/mem.h"
#include "net/http_url.h"

/* "host port text", or "-" */
static const char *parts_of(const char *text, const char *base)
{
    struct http_url below, url;
    struct err err = {0};
    if (base)
        assert_int_equal(http_url_parse(str_of(base), NULL, arena, &below, &err), 0);
    int result = http_url_parse(str_of(text), base ? &below : NULL, arena, &url, &err);
    if (result < 0) {
        assert_int_equal(result, -EINVAL);
        assert_true(err.text[0] != '\0');
        return "-";
    }
    assert_int_equal(strlen(url.text.at), url.text.length);
    return arena_printf(arena, "%.*s %u%s %.*s", STR_ARG(url.host), url.port,
                        url.is_https ? "s" : "", STR_ARG(url.text));
}

static void parts_of_a_url(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"http://a.test/", "a.test 80 http://a.test/"},
        {"https://A.Test", "a.test 443s https://A.Test/"},
        {"HTTP://a.test:8080/x?y=z#part", "a.test 8080 http://a.test:8080/x?y=z"},
        {"http://a.test:80/", "a.test 80 http://a.test:80/"},
        {"http://[::1]:81/", "::1 81 http://[::1]:81/"},
        {"http://127.1/", "127.0.0.1 80 http://127.0.0.1/"},
        {"http://0x7f000001/", "127.0.0.1 80 http://127.0.0.1/"},
        {"http://2130706433/", "127.0.0.1 80 http://127.0.0.1/"},
        {"http://0177.0.0.1/", "127.0.0.1 80 http://127.0.0.1/"},
        {"http:///a.test/", "a.test 80 http://a.test/"},
        {"http://a.test?b@c.test", "a.test 80 http://a.test/?b@c.test"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(parts_of(cases[i][0], NULL), cases[i][1]);
}

static void a_location_is_relative_to_where_it_came_from(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"/x", "a.test 80 http://a.test/x"},
        {"x?y", "a.test 80 http://a.test/b/x?y"},
        {"//b.test/x", "b.test 80 http://b.test/x"},
        {"https://b.test", "b.test 443s https://b.test/"},
        {"file:///etc/passwd", "-"},
        {"gopher://a.test/", "-"},
        {"http://user:word@b.test/", "-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(parts_of(cases[i][0], "http://a.test/b/c#d"), cases[i][1]);
}

static void what_is_no_url_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "a.test",
        "/x",
        "http://",
        "ftp://a.test/",
        "file:///etc/passwd",
        "gopher://a.test:25/_x",
        "http://user@a.test/",
        "http://user:word@a.test/",
        "http://a.test:0/",
        "http://a.test:99999/",
        "http://a.test:x/",
        "http://a.test/ b",
        "http://a.test/\r\nX: y",
        "http://b\303\274cher.test/",
        "javascript:alert(1)",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(parts_of(texts[i], NULL), "-") != 0)
            fail_msg("taken: %s as %s", texts[i], parts_of(texts[i], NULL));
    char *longest = mem_alloc(HTTP_URL_BYTES_MAX + 2);
    memset(longest, 'x', HTTP_URL_BYTES_MAX + 1);
    longest[HTTP_URL_BYTES_MAX + 1] = '\0';
    memcpy(longest, "http://a.test/", 14);
    assert_string_equal(parts_of(longest, NULL), "-");
    free(longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_a_url),
        cmocka_unit_test(a_location_is_relative_to_where_it_came_from),
        cmocka_unit_test(what_is_no_url_is_refused),
    };
    return cmocka_run_group_tests(tests, open_arena, free_arena);
}

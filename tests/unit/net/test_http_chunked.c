/* The chunked coding, whole and byte by byte. */
#include <errno.h>
#include <string.h>

#include "test.h"

#include "net/http_chunked.h"

#define BODY_BYTES_MAX 64

/* In pieces of so many bytes: the last result; what is left of the input is counted. */
static int take(const char *text, size_t piece, struct buf *body, size_t *left)
{
    struct http_chunked chunked = {0};
    struct str rest = str_of(text);
    int result = 0;
    while (rest.length && result == 0) {
        struct str part = str_part(rest, 0, piece < rest.length ? piece : rest.length);
        size_t length = part.length;
        result = http_chunked_take(&chunked, &part, body);
        rest = str_from(rest, length - part.length);
    }
    *left = rest.length;
    return result;
}

static void assert_taken(const char *text, int result, const char *content, size_t left)
{
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        struct buf body;
        size_t is_left;
        buf_init(&body, BODY_BYTES_MAX);
        if (take(text, piece, &body, &is_left) != result)
            fail_msg("in pieces of %zu: %s", piece, text);
        if (result > 0) {
            assert_int_equal(is_left, left);
            assert_true(str_equal(buf_view(&body), str_of(content)));
        }
        buf_free(&body);
    }
}

static void chunks_become_one_body(void **state)
{
    (void)state;
    assert_taken("0\r\n\r\n", 1, "", 0);
    assert_taken("3\r\nabc\r\n0\r\n\r\n", 1, "abc", 0);
    assert_taken("3\r\nabc\r\n00\r\n\r\nGET /", 1, "abc", 5);
    assert_taken("1\r\na\r\nA\r\n0123456789\r\n0\r\n\r\n", 1, "a0123456789", 0);
}

static void extensions_and_trailers_are_read_past(void **state)
{
    (void)state;
    assert_taken("3;a=\"b\"\r\nabc\r\n0 ;x\r\nContent-Length: 7\r\nX: y\r\n\r\n", 1, "abc",
                 0);
}

static void what_is_no_chunk_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\r\n",
        "x\r\n",
        "-3\r\nabc",
        "+3\r\nabc",
        "0x3\r\nabc",
        " 3\r\nabc",
        "3\nabc\r\n",
        "3\r\rabc\r\n",
        "3\r\nabcX\r\n",
        "3\r\nabc\n0\r\n",
        "0\r\nX: y\n\r",
        "0\r\n\rX",
        "3;a\nb\r\n",
        "0\r\nX: \001\r\n",
        "1234567890abcdef\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_taken(texts[i], -EBADMSG, "", 0);
}

static void a_body_past_its_ceiling_is_refused(void **state)
{
    (void)state;
    assert_taken("fffffffffffffff\r\n"
                 "0123456789012345678901234567890123456789012345678901234567890123456789",
                 -ENOBUFS, "", 0);
}

static void an_extension_without_end_is_refused(void **state)
{
    (void)state;
    char text[20000] = "3;";
    memset(text + 2, 'x', sizeof text - 3);
    struct buf body;
    size_t left;
    buf_init(&body, BODY_BYTES_MAX);
    assert_int_equal(take(text, 1000, &body, &left), -EBADMSG);
    text[0] = '0', text[1] = '\r', text[2] = '\n';
    assert_int_equal(take(text, 1000, &body, &left), -EBADMSG);
    buf_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_become_one_body),
        cmocka_unit_test(extensions_and_trailers_are_read_past),
        cmocka_unit_test(what_is_no_chunk_is_refused),
        cmocka_unit_test(a_body_past_its_ceiling_is_refused),
        cmocka_unit_test(an_extension_without_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

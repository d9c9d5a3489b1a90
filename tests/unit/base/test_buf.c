/* Buffers: appending, consuming, ceilings. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "test.h"

#include "base/buf.h"

static void assert_holds(const struct buf *buf, const char *text)
{
    assert_int_equal(buf_view(buf).length, strlen(text));
    assert_memory_equal(buf_view(buf).at, text, strlen(text));
}

static void bytes_are_appended_and_consumed(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    assert_holds(&buf, "");
    assert_int_equal(buf_append(&buf, STR("hello ")), 0);
    assert_int_equal(buf_append(&buf, STR("")), 0);
    assert_int_equal(buf_append(&buf, (struct str){0}), 0);
    assert_int_equal(buf_printf(&buf, "%s %d", "world", 7), 0);
    assert_holds(&buf, "hello world 7");
    buf_consume(&buf, 6);
    assert_holds(&buf, "world 7");
    buf_consume(&buf, 0);
    buf_consume(&buf, 7);
    assert_holds(&buf, "");
    assert_int_equal(buf.start, 0);
    buf_append(&buf, STR("x"));
    buf_clear(&buf);
    assert_holds(&buf, "");
    assert_true(buf.capacity > 0);
    buf_free(&buf);
    assert_int_equal(buf.capacity, 0);
    assert_int_equal(buf.ceiling, 1000);
}

static void numbers_are_decimal(void **state)
{
    (void)state;
    static const struct {
        long long number;
        const char *text;
    } cases[] = {{0, "0"},
                 {7, "7"},
                 {-1, "-1"},
                 {1050, "1050"},
                 {LLONG_MAX, "9223372036854775807"},
                 {LLONG_MIN, "-9223372036854775808"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf buf;
        buf_init(&buf, 20);
        assert_int_equal(buf_append_number(&buf, cases[i].number), 0);
        assert_holds(&buf, cases[i].text);
        buf_free(&buf);
    }
    struct buf small;
    buf_init(&small, 2);
    assert_int_equal(buf_append_number(&small, 100), -ENOBUFS);
    assert_holds(&small, "");
    buf_free(&small);
}

static void a_full_buffer_takes_nothing_and_keeps_all(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    assert_int_equal(buf_append(&buf, STR("01234567")), 0);
    assert_int_equal(buf_append(&buf, STR("890")), -ENOBUFS);
    assert_int_equal(buf_printf(&buf, "%d", 890), -ENOBUFS);
    assert_null(buf_reserve(&buf, 3));
    assert_null(buf_reserve(&buf, SIZE_MAX));
    assert_holds(&buf, "01234567");
    assert_int_equal(buf_append(&buf, STR("89")), 0);
    assert_int_equal(buf_append(&buf, STR("a")), -ENOBUFS);
    buf_consume(&buf, 1);
    assert_int_equal(buf_append(&buf, STR("a")), 0);
    assert_holds(&buf, "123456789a");
    buf_free(&buf);
    buf_init(&buf, 0);
    assert_int_equal(buf_append(&buf, STR("a")), -ENOBUFS);
    assert_int_equal(buf_append(&buf, STR("")), 0);
    buf_free(&buf);
}

static void printf_fits_to_the_last_byte(void **state)
{
    (void)state;
    for (int length = 250; length < 260; length++) {
        struct buf buf;
        buf_init(&buf, 4096);
        assert_int_equal(buf_printf(&buf, "%*d", length, 1), 0);
        assert_int_equal(buf.length, length);
        assert_int_equal(buf_view(&buf).at[length - 1], '1');
        assert_int_equal(buf_append(&buf, STR("next")), 0);
        buf_free(&buf);
    }
}

static void reserved_room_is_counted_when_used(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100000);
    char *room = buf_reserve(&buf, 5000);
    memset(room, 'a', 5000);
    assert_int_equal(buf.length, 0);
    buf_extend(&buf, 3000);
    assert_int_equal(buf.length, 3000);
    assert_non_null(buf_reserve(&buf, 0));
    buf_free(&buf);
}

static void a_queue_that_never_empties_stays_small(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1 << 20);
    unsigned char in = 0, out = 0;
    for (int i = 0; i < 100000; i++) {
        char bytes[3] = {(char)in, (char)(in + 1), (char)(in + 2)};
        in = (unsigned char)(in + 3);
        assert_int_equal(buf_append(&buf, (struct str){bytes, 3}), 0);
        while (buf.length > 100) {
            assert_int_equal((unsigned char)buf_view(&buf).at[0], out++);
            buf_consume(&buf, 1);
        }
    }
    assert_true(buf.capacity <= 1024);
    buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_appended_and_consumed),
        cmocka_unit_test(numbers_are_decimal),
        cmocka_unit_test(a_full_buffer_takes_nothing_and_keeps_all),
        cmocka_unit_test(printf_fits_to_the_last_byte),
        cmocka_unit_test(reserved_room_is_counted_when_used),
        cmocka_unit_test(a_queue_that_never_empties_stays_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

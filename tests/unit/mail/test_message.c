#include "test.h"

#include "mail/message.h"

static void a_blob_lives_until_its_last_reference_goes(void **state)
{
    (void)state;
    struct blob *blob = blob_copy(STR("a\0b"));
    assert_true(str_equal(blob_view(blob), STR("a\0b")));
    assert_ptr_equal(blob_keep(blob), blob);
    blob_release(blob);
    assert_true(str_equal(blob_view(blob), STR("a\0b")));
    blob_release(blob);
    blob_release(NULL);
    blob = blob_copy((struct str){NULL, 0});
    assert_int_equal(blob_view(blob).length, 0);
    blob_release(blob);
}

static void ids_differ_and_sort_by_time(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct str before = message_new_id(arena);
    for (int i = 0; i < 1000; i++) {
        struct str id = message_new_id(arena);
        assert_int_equal(id.length, 16);
        for (size_t k = 0; k < id.length; k++)
            assert_true(ascii_digit(id.at[k]) || (id.at[k] >= 'a' && id.at[k] <= 'z'));
        assert_false(str_equal(id, before));
        assert_true(memcmp(before.at, id.at, 9) <= 0);
        before = id;
    }
    arena_free(arena);
}

static void dates_are_written_as_mail_has_them(void **state)
{
    (void)state;
    char text[DATE_TEXT_BYTES];
    assert_string_equal(date_text(0, text), "Thu, 01 Jan 1970 00:00:00 +0000");
    assert_string_equal(date_text(1795321752999, text), "Sun, 22 Nov 2026 04:29:12 +0000");
    assert_string_equal(date_text(1709164800000, text), "Thu, 29 Feb 2024 00:00:00 +0000");
    assert_true(unix_now_ms() > 1700000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blob_lives_until_its_last_reference_goes),
        cmocka_unit_test(ids_differ_and_sort_by_time),
        cmocka_unit_test(dates_are_written_as_mail_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

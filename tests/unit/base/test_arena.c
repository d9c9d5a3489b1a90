/* Arenas: zeroed, aligned, apart from one another. */
#include <stdio.h>
#include <string.h>

#include "test.h"

#include "base/arena.h"

static void memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    for (size_t bytes = 0; bytes < 3000; bytes += 7) {
        char *memory = arena_alloc(arena, bytes);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 0xff, bytes);
    }
    arena_free(arena);
    arena_free(NULL);
}

static void things_do_not_overlap(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    struct arena *arena = arena_new();
    unsigned char *things[COUNT];
    for (int i = 0; i < COUNT; i++) {
        size_t bytes = (size_t)(i * 37 % 5000 + 1);
        things[i] = arena_alloc(arena, bytes);
        memset(things[i], i % 251, bytes);
    }
    unsigned char *large = arena_alloc(arena, (size_t)1 << 20);
    memset(large, 1, (size_t)1 << 20);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(things[i][0], i % 251);
        assert_int_equal(things[i][i * 37 % 5000], i % 251);
    }
    arena_free(arena);
}

static void texts_are_copies_with_an_end(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    char from[] = "hello";
    char *text = arena_text(arena, (struct str){from, 4});
    struct str copy = arena_str(arena, str_of(from));
    from[0] = 'j';
    assert_string_equal(text, "hell");
    assert_true(str_equal(copy, STR("hello")));
    assert_string_equal(arena_text(arena, (struct str){0}), "");
    assert_string_equal(arena_printf(arena, "%s-%d", "a", 5), "a-5");
    const char *padded = arena_printf(arena, "%5000d", 1);
    assert_int_equal(strlen(padded), 5000);
    arena_free(arena);
}

struct wide {
    long double number;
};

static void arrays_are_zeroed(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    assert_non_null(arena_array(arena, struct wide, 0));
    struct wide *one = arena_new_of(arena, struct wide);
    struct wide *many = arena_array(arena, struct wide, 100);
    one->number = 1;
    for (int i = 0; i < 100; i++)
        assert_true(many[i].number == 0);
    arena_free(arena);
}

static void a_reset_arena_is_empty_and_keeps_a_block(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    arena_reset(arena);
    char *first = arena_alloc(arena, 100);
    memset(first, 'x', 100);
    arena_alloc(arena, 100000);
    arena_reset(arena);
    char *again = arena_alloc(arena, 100);
    assert_ptr_equal(again, first);
    assert_int_equal(again[0], 0);
    assert_int_equal(again[99], 0);
    for (int i = 0; i < 1000; i++)
        arena_alloc(arena, 300);
    arena_reset(arena);
    arena_reset(arena);
    assert_non_null(arena_alloc(arena, 50000));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reset_arena_is_empty_and_keeps_a_block),
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(things_do_not_overlap),
        cmocka_unit_test(texts_are_copies_with_an_end),
        cmocka_unit_test(arrays_are_zeroed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

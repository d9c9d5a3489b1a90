/* Tables: setting, replacing, removing, walking, with keys of any bytes. */
#include <stdio.h>

#include "test.h"

#include "base/table.h"

#define MANY 20000

static int values[MANY];

static struct str key_of(int i, char text[16])
{
    return (struct str){text, (size_t)snprintf(text, 16, "key-%d", i)};
}

static void a_value_is_found_replaced_and_removed(void **state)
{
    (void)state;
    struct table *table = table_new();
    int one = 1, two = 2;
    assert_null(table_get(table, STR("a")));
    assert_null(table_remove(table, STR("a")));
    assert_null(table_set(table, STR("a"), &one));
    assert_ptr_equal(table_get(table, STR("a")), &one);
    assert_ptr_equal(table_set(table, STR("a"), &two), &one);
    assert_int_equal(table_count(table), 1);
    assert_null(table_get(table, STR("A")));
    assert_ptr_equal(table_remove(table, STR("a")), &two);
    assert_null(table_get(table, STR("a")));
    assert_int_equal(table_count(table), 0);
    table_free(table);
    table_free(NULL);
}

static void keys_are_bytes(void **state)
{
    (void)state;
    static char zeros[40];
    struct table *table = table_new();
    for (int i = 0; i < 40; i++)
        assert_null(table_set(table, (struct str){zeros, (size_t)i}, &values[i]));
    for (int i = 0; i < 40; i++)
        assert_ptr_equal(table_get(table, (struct str){zeros, (size_t)i}), &values[i]);
    assert_ptr_equal(table_get(table, (struct str){0}), &values[0]);
    table_free(table);
}

static void the_table_keeps_its_own_keys(void **state)
{
    (void)state;
    struct table *table = table_new();
    char key[] = "abc";
    table_set(table, str_of(key), &values[0]);
    key[0] = 'x';
    assert_ptr_equal(table_get(table, STR("abc")), &values[0]);
    table_free(table);
}

static void many_keys_come_and_go(void **state)
{
    (void)state;
    struct table *table = table_new();
    char text[16];
    for (int i = 0; i < MANY; i++)
        assert_null(table_set(table, key_of(i, text), &values[i]));
    for (int i = 0; i < MANY; i += 3)
        assert_ptr_equal(table_remove(table, key_of(i, text)), &values[i]);
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(table_get(table, key_of(i, text)), i % 3 ? &values[i] : NULL);
    for (int i = 0; i < MANY; i += 3)
        assert_null(table_set(table, key_of(i, text), &values[i]));
    assert_int_equal(table_count(table), MANY);
    for (int i = MANY - 1; i >= 0; i--)
        assert_ptr_equal(table_remove(table, key_of(i, text)), &values[i]);
    assert_int_equal(table_count(table), 0);
    table_free(table);
}

static void a_walk_meets_every_key_once(void **state)
{
    (void)state;
    struct table *table = table_new();
    char text[16];
    size_t position = 0;
    struct str key;
    void *value;
    assert_false(table_next(table, &position, &key, &value));
    for (int i = 0; i < 1000; i++) {
        values[i] = 0;
        table_set(table, key_of(i, text), &values[i]);
    }
    for (position = 0; table_next(table, &position, &key, &value);) {
        assert_true(str_starts(key, STR("key-")));
        ++*(int *)value;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(values[i], 1);
    table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_found_replaced_and_removed),
        cmocka_unit_test(keys_are_bytes),
        cmocka_unit_test(the_table_keeps_its_own_keys),
        cmocka_unit_test(many_keys_come_and_go),
        cmocka_unit_test(a_walk_meets_every_key_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Lists: order, and removal while walking. */
#include "test.h"

#include "base/list.h"

struct item {
    int number;
    struct list node;
};

/* The numbers in the list, read as one decimal number. */
static int read_list(const struct list *head)
{
    int sum = 0;
    list_foreach (node, head)
        sum = sum * 10 + list_entry(node, struct item, node)->number;
    return sum;
}

static void things_stand_in_the_order_they_were_put(void **state)
{
    (void)state;
    struct list head;
    struct item items[] = {{.number = 1}, {.number = 2}, {.number = 3}};
    list_init(&head);
    assert_true(list_empty(&head));
    assert_int_equal(read_list(&head), 0);
    list_append(&head, &items[0].node);
    list_append(&head, &items[1].node);
    list_prepend(&head, &items[2].node);
    assert_false(list_empty(&head));
    assert_int_equal(read_list(&head), 312);
    list_remove(&items[0].node);
    assert_int_equal(read_list(&head), 32);
    list_remove(&items[0].node);
    list_append(&head, &items[0].node);
    assert_int_equal(read_list(&head), 321);
}

static void a_thing_may_be_removed_while_walking(void **state)
{
    (void)state;
    struct list head;
    struct item items[5];
    list_init(&head);
    for (int i = 0; i < 5; i++) {
        items[i].number = i + 1;
        list_append(&head, &items[i].node);
    }
    list_foreach (node, &head)
        if (list_entry(node, struct item, node)->number % 2)
            list_remove(node);
    assert_int_equal(read_list(&head), 24);
    list_foreach (node, &head)
        list_remove(node);
    assert_true(list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(things_stand_in_the_order_they_were_put),
        cmocka_unit_test(a_thing_may_be_removed_while_walking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

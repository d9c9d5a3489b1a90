/* What store.h promises of the ledger. */
#include "store/fixture.h"

static bool is_found(const char *key, uint64_t now_ms)
{
    struct str keys[] = {STR("another"), str_of(key)};
    bool found[2] = {true, false};
    assert_int_equal(store_ledger_find(fixture.store, keys, 2, now_ms, found), 0);
    assert_false(found[0]);
    return found[1];
}

static void add_key(struct store *store, const char *key, uint64_t expires_ms)
{
    struct str given = str_of(key);
    assert_int_equal(store_ledger_add(store, &given, 1, expires_ms), 0);
}

STORE_TEST(a_key_is_found_until_it_expires)
{
    add_key(fixture.store, "key", NOW_MS);
    reopen();
    assert_true(is_found("key", NOW_MS - 1));
    assert_false(is_found("key", NOW_MS));
}

STORE_TEST(a_key_added_again_lives_longer)
{
    add_key(fixture.store, "key", NOW_MS);
    add_key(fixture.store, "key", NOW_MS + 10);
    assert_true(is_found("key", NOW_MS + 9));
}

STORE_TEST(a_host_learns_of_the_first_key_of_any)
{
    struct store *other = open_another();
    assert_false(store_ledger_is_used(fixture.store));
    add_key(other, "key", NOW_MS);
    assert_true(store_ledger_is_used(fixture.store));
    assert_true(store_ledger_is_used(other));
    store_close(other);
    reopen();
    assert_true(store_ledger_is_used(fixture.store));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(a_key_is_found_until_it_expires),
        store_test(a_key_added_again_lives_longer),
        store_test(a_host_learns_of_the_first_key_of_any),
    };
    return RUN_CONTRACT("ledger", tests);
}

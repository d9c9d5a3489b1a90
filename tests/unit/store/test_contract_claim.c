/* What store.h promises of leases and claims. */
#include "store/fixture.h"

STORE_TEST(nobody_claims_what_another_holds)
{
    add("a", "ben@dest.test");
    assert_int_equal(claim_all("one").count, 1);
    assert_int_equal(claim_all("two").count, 0);
    assert_int_equal(claim_all("one").count, 0);
}

STORE_TEST(a_claim_needs_a_lease)
{
    add("a", "ben@dest.test");
    struct store_claim claim = {
        .owner = STR("nobody"), .now_ms = NOW_MS, .legs_max = 1, .per_destination_max = 1};
    struct claimed claimed;
    assert_int_equal(store_queue_claim(fixture.store, &claim, fixture.arena, &claimed.legs,
                                       &claimed.count),
                     -ESTALE);
    assert_int_equal(claimed.count, 0);
}

STORE_TEST(a_renewed_lease_keeps_what_it_holds)
{
    add("a", "ben@dest.test");
    claim_all("one");
    assert_int_equal(store_lease_renew(fixture.store, STR("one"), NOW_MS, NOW_MS + HOUR),
                     0);
    assert_int_equal(store_lease_renew(fixture.store, STR("two"), NOW_MS, NOW_MS + HOUR),
                     0);
    assert_int_equal(
        claim_with((struct store_claim){.owner = STR("two"), .now_ms = NOW_MS + HOUR - 1})
            .count,
        0);
}

STORE_TEST(a_released_lease_gives_back_what_it_holds)
{
    add("a", "ben@dest.test");
    claim_all("one");
    assert_int_equal(store_lease_release(fixture.store, STR("one")), 0);
    assert_int_equal(claim_all("two").count, 1);
    assert_int_equal(store_lease_release(fixture.store, STR("nobody")), 0);
}

STORE_TEST(what_is_not_due_is_not_claimed)
{
    add("a", "ben@dest.test");
    renew_lease("one");
    struct store_claim early = {.owner = STR("one"), .now_ms = NOW_MS - 1};
    assert_int_equal(claim_with(early).count, 0);
    assert_int_equal(claim_all("one").count, 1);
}

static void add_many(char prefix, const char *recipient, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "%c%u", prefix, i);
        assert_int_equal(add_created(id, recipient, NOW_MS + i), 0);
    }
}

STORE_TEST(destinations_take_turns)
{
    add_many('a', "ben@a.test", 6);
    add_many('b', "ben@b.test", 2);
    add_many('c', "ben@c.test", 1);
    renew_lease("one");
    struct claimed claimed =
        claim_with((struct store_claim){.owner = STR("one"), .legs_max = 6});
    assert_int_equal(claimed.count, 6);
    unsigned of[3] = {0};
    for (size_t i = 0; i < 6; i++)
        of[claimed.legs[i].destination.at[0] - 'a']++;
    assert_int_equal(of[0], 3);
    assert_int_equal(of[1], 2);
    assert_int_equal(of[2], 1);
}

STORE_TEST(turns_go_on_from_claim_to_claim)
{
    static const char *const recipients[] = {"ben@a.test", "ben@b.test", "ben@c.test",
                                             "ben@d.test", "ben@e.test"};
    for (size_t i = 0; i < 5; i++)
        add_many(recipients[i][4], recipients[i], 4);
    renew_lease("one");
    unsigned of[5] = {0};
    for (unsigned i = 0; i < 5; i++) {
        struct claimed claimed =
            claim_with((struct store_claim){.owner = STR("one"), .legs_max = 2});
        assert_int_equal(claimed.count, 2);
        of[claimed.legs[0].destination.at[0] - 'a']++;
        of[claimed.legs[1].destination.at[0] - 'a']++;
    }
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(of[i], 2);
}

STORE_TEST(within_a_destination_the_youngest_is_first)
{
    assert_int_equal(add_created("old", "ben@a.test", NOW_MS - 50), 0);
    assert_int_equal(add_created("young", "ben@a.test", NOW_MS), 0);
    assert_int_equal(add_created("mid", "ben@a.test", NOW_MS - 20), 0);
    struct claimed claimed = claim_all("one");
    assert_int_equal(claimed.count, 3);
    assert_str(claimed.legs[0].message_id, "young");
    assert_str(claimed.legs[1].message_id, "mid");
    assert_str(claimed.legs[2].message_id, "old");
}

STORE_TEST(a_destination_has_so_many_at_a_time)
{
    add_many('a', "ben@a.test", 5);
    add_many('b', "ben@b.test", 1);
    renew_lease("one");
    renew_lease("two");
    struct store_claim claim = {.owner = STR("one"), .per_destination_max = 2};
    struct claimed claimed = claim_with(claim);
    assert_int_equal(claimed.count, 3);
    assert_int_equal(claim_with(claim).count, 0);
    for (size_t i = 0; i < 3; i++)
        if (claimed.legs[i].destination.at[0] == 'a')
            assert_int_equal(
                store_queue_end(fixture.store, STR("one"), claimed.legs[i].id, NULL, NULL),
                0);
    assert_int_equal(claim_with(claim).count, 2);
    claim.owner = STR("two"); /* counts for itself */
    assert_int_equal(claim_with(claim).count, 1);
}

STORE_TEST(a_destination_can_be_left_out)
{
    add_many('a', "ben@a.test", 2);
    add_many('b', "ben@b.test", 2);
    renew_lease("one");
    struct str not_to[] = {STR("a.test"), STR("z.test")};
    struct claimed claimed = claim_with(
        (struct store_claim){.owner = STR("one"), .not_to = not_to, .not_to_count = 2});
    assert_int_equal(claimed.count, 2);
    assert_str(claimed.legs[0].destination, "b.test");
    assert_int_equal(claim_all("one").count, 2);
}

static uint64_t next_due(uint64_t now_ms)
{
    uint64_t next_ms = 0;
    assert_int_equal(store_queue_next(fixture.store, now_ms, &next_ms), 0);
    return next_ms;
}

STORE_TEST(the_next_due_leg_that_nobody_holds_is_known)
{
    assert_true(next_due(NOW_MS) == UINT64_MAX);
    add("a", "ben@a.test");
    add("b", "ben@b.test");
    assert_true(next_due(NOW_MS) == NOW_MS);
    struct claimed claimed = claim_all("one");
    assert_int_equal(claimed.count, 2);
    assert_true(next_due(NOW_MS) == UINT64_MAX);
    claimed.legs[0].next_ms = NOW_MS + 900;
    claimed.legs[1].next_ms = NOW_MS + 700;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            store_queue_retry(fixture.store, STR("one"), &claimed.legs[i], NULL, NULL), 0);
    assert_true(next_due(NOW_MS) == NOW_MS + 700);
}

STORE_TEST(what_a_dead_owner_holds_is_due)
{
    add("a", "ben@a.test");
    claim_all("one");
    assert_true(next_due(NOW_MS + 19999) == UINT64_MAX);
    assert_true(next_due(NOW_MS + 20000) == NOW_MS);
}

/* Nobody else has it: what the late owner says of it is true all the same. */
STORE_TEST(a_late_owner_may_end_what_nobody_has_taken)
{
    add("a", "ben@a.test");
    struct store_leg leg = claim_all("one").legs[0];
    assert_int_equal(store_lease_release(fixture.store, STR("one")), 0);
    assert_int_equal(store_queue_end(fixture.store, STR("one"), leg.id, NULL, NULL), 0);
}

STORE_TEST(two_stores_share_one_queue)
{
    struct store *first = fixture.store, *second = open_another();
    assert_non_null(second);
    add("a", "ben@a.test");
    fixture.store = second;
    assert_int_equal(claim_all("two").count, 1);
    store_close(second);
    fixture.store = first;
    assert_int_equal(claim_all("one").count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(nobody_claims_what_another_holds),
        store_test(a_claim_needs_a_lease),
        store_test(a_renewed_lease_keeps_what_it_holds),
        store_test(a_released_lease_gives_back_what_it_holds),
        store_test(what_is_not_due_is_not_claimed),
        store_test(destinations_take_turns),
        store_test(turns_go_on_from_claim_to_claim),
        store_test(within_a_destination_the_youngest_is_first),
        store_test(a_destination_has_so_many_at_a_time),
        store_test(a_destination_can_be_left_out),
        store_test(the_next_due_leg_that_nobody_holds_is_known),
        store_test(what_a_dead_owner_holds_is_due),
        store_test(a_late_owner_may_end_what_nobody_has_taken),
        store_test(two_stores_share_one_queue),
    };
    return RUN_CONTRACT("claim", tests);
}

/* The cache of DNS answers: what is kept, for how long, and what makes room. */
#include <stdio.h>
#include <string.h>

#include "test.h"

#include "net/dns_cache.h"

struct fixture {
    struct dns_cache *cache;
    struct arena *arena;
};

static int open_cache(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){dns_cache_new(), arena_new()};
    *state = &fixture;
    return 0;
}

static int close_cache(void **state)
{
    struct fixture *fixture = *state;
    dns_cache_free(fixture->cache);
    arena_free(fixture->arena);
    return 0;
}

static struct dns_answer text_answer(const char *text, uint32_t ttl_s)
{
    static struct dns_record record;
    record = (struct dns_record){.text = str_of(text)};
    return (struct dns_answer){
        .status = DNS_OK, .ttl_s = ttl_s, .count = 1, .records = &record};
}

static void an_answer_is_kept_for_its_ttl(void **state)
{
    struct fixture *fixture = *state;
    struct dns_answer answer = text_answer("v=spf1 -all", 60);
    dns_cache_put(fixture->cache, STR("A.test"), DNS_TXT, 1000, &answer);
    memset(&answer, 0, sizeof answer);
    assert_true(dns_cache_get(fixture->cache, STR("a.TEST"), DNS_TXT, 31000, fixture->arena,
                              &answer));
    assert_true(str_equal(answer.records[0].text, STR("v=spf1 -all")));
    assert_int_equal(answer.ttl_s, 30);
    assert_false(dns_cache_get(fixture->cache, STR("a.test"), DNS_TXT, 61000,
                               fixture->arena, &answer));
}

static void types_and_names_are_apart(void **state)
{
    struct fixture *fixture = *state;
    struct dns_answer answer = text_answer("x", 60);
    dns_cache_put(fixture->cache, STR("a.test"), DNS_TXT, 0, &answer);
    assert_false(
        dns_cache_get(fixture->cache, STR("a.test"), DNS_A, 0, fixture->arena, &answer));
    assert_false(
        dns_cache_get(fixture->cache, STR("b.test"), DNS_TXT, 0, fixture->arena, &answer));
}

static void a_long_ttl_is_cut_to_five_minutes(void **state)
{
    struct fixture *fixture = *state;
    struct dns_answer answer = text_answer("x", 86400);
    dns_cache_put(fixture->cache, STR("a.test"), DNS_TXT, 0, &answer);
    assert_true(dns_cache_get(fixture->cache, STR("a.test"), DNS_TXT, DNS_CACHE_MS_MAX - 1,
                              fixture->arena, &answer));
    assert_false(dns_cache_get(fixture->cache, STR("a.test"), DNS_TXT, DNS_CACHE_MS_MAX,
                               fixture->arena, &answer));
}

static void that_there_is_nothing_is_kept_and_a_failure_is_not(void **state)
{
    struct fixture *fixture = *state;
    struct dns_answer answer = {.status = DNS_NO_NAME, .ttl_s = 60};
    dns_cache_put(fixture->cache, STR("a.test"), DNS_TXT, 0, &answer);
    answer.status = DNS_FAILED;
    dns_cache_put(fixture->cache, STR("b.test"), DNS_TXT, 0, &answer);
    answer = text_answer("x", 0);
    dns_cache_put(fixture->cache, STR("c.test"), DNS_TXT, 0, &answer);
    assert_true(
        dns_cache_get(fixture->cache, STR("a.test"), DNS_TXT, 1, fixture->arena, &answer));
    assert_int_equal(answer.status, DNS_NO_NAME);
    assert_false(
        dns_cache_get(fixture->cache, STR("b.test"), DNS_TXT, 1, fixture->arena, &answer));
    assert_false(
        dns_cache_get(fixture->cache, STR("c.test"), DNS_TXT, 1, fixture->arena, &answer));
}

static void the_least_recently_used_makes_room(void **state)
{
    struct fixture *fixture = *state;
    struct dns_answer answer = text_answer("x", 60);
    char name[32];
    for (int i = 0; i < 8192; i++) {
        snprintf(name, sizeof name, "n%d.test", i);
        dns_cache_put(fixture->cache, str_of(name), DNS_TXT, 0, &answer);
    }
    struct dns_answer found;
    assert_true(
        dns_cache_get(fixture->cache, STR("n0.test"), DNS_TXT, 1, fixture->arena, &found));
    dns_cache_put(fixture->cache, STR("one-more.test"), DNS_TXT, 0, &answer);
    assert_true(
        dns_cache_get(fixture->cache, STR("n0.test"), DNS_TXT, 1, fixture->arena, &found));
    assert_false(
        dns_cache_get(fixture->cache, STR("n1.test"), DNS_TXT, 1, fixture->arena, &found));
}

static void a_huge_answer_is_not_kept(void **state)
{
    struct fixture *fixture = *state;
    static char text[20000];
    memset(text, 'x', sizeof text - 1);
    struct dns_answer answer = text_answer(text, 60);
    dns_cache_put(fixture->cache, STR("a.test"), DNS_TXT, 0, &answer);
    assert_false(
        dns_cache_get(fixture->cache, STR("a.test"), DNS_TXT, 1, fixture->arena, &answer));
}

#define cache_test(name) cmocka_unit_test_setup_teardown(name, open_cache, close_cache)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cache_test(an_answer_is_kept_for_its_ttl),
        cache_test(types_and_names_are_apart),
        cache_test(a_long_ttl_is_cut_to_five_minutes),
        cache_test(that_there_is_nothing_is_kept_and_a_failure_is_not),
        cache_test(the_least_recently_used_makes_room),
        cache_test(a_huge_answer_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

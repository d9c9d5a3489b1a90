/* What kv.h promises, of the store and of what is kept in memory. */
#include <sys/wait.h>

#include "store/fixture.h"
#include "store/kv.h"

#define NOW_S ((uint64_t)1700000000)
#define SPACE STR("tickets")

static struct {
    bool is_in_memory;
    struct store_kv *memory;
} kept;

static struct store_kv *kv(void)
{
    return kept.is_in_memory ? kept.memory : store_kv_of(fixture.store);
}

static int put_until(const char *key, const char *value, uint64_t expires_s)
{
    struct store_kv_pair pair = {.key = str_of(key),
                                 .value = str_of(value),
                                 .metadata = STR("{}"),
                                 .expires_s = expires_s};
    return store_kv_put(kv(), SPACE, &pair);
}

static void put(const char *key, const char *value)
{
    assert_int_equal(put_until(key, value, 0), 0);
}

/* "-" when there is none. */
static const char *value_at(struct str space, const char *key, uint64_t now_s)
{
    struct store_kv_pair pair;
    int result = store_kv_get(kv(), space, str_of(key), now_s, fixture.arena, &pair);
    if (result == -ENOENT)
        return "-";
    assert_int_equal(result, 0);
    return arena_text(fixture.arena, pair.value);
}

#define assert_value(key, expected)                                                        \
    assert_string_equal(value_at(SPACE, (key), NOW_S), expected)

/* The keys, one after the other with a blank behind each, and "..." when there are more. */
static const char *keys_of(const char *prefix, const char *after, size_t limit)
{
    struct store_kv_listing listing = {
        .prefix = str_of(prefix), .after = str_of(after), .limit = limit, .now_s = NOW_S};
    assert_int_equal(store_kv_list(kv(), SPACE, &listing, fixture.arena), 0);
    const char *text = "";
    for (size_t i = 0; i < listing.count; i++)
        text = arena_printf(fixture.arena, "%s%.*s ", text, STR_ARG(listing.pairs[i].key));
    return listing.is_complete ? text : arena_printf(fixture.arena, "%s...", text);
}

static int add_to(const char *key, int64_t by, int64_t *value)
{
    struct store_kv_increment increment = {.key = str_of(key), .by = by, .now_s = NOW_S};
    int result = store_kv_add(kv(), SPACE, &increment);
    *value = increment.value;
    return result;
}

STORE_TEST(what_was_put_is_found_until_it_is_deleted)
{
    assert_value("key", "-");
    put("key", "one");
    put("key", "two");
    assert_value("key", "two");
    assert_string_equal(value_at(STR("other"), "key", NOW_S), "-");
    assert_int_equal(store_kv_delete(kv(), SPACE, STR("key")), 0);
    assert_int_equal(store_kv_delete(kv(), SPACE, STR("key")), 0);
    assert_value("key", "-");
}

STORE_TEST(any_bytes_are_kept)
{
    char bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    struct str all = {bytes, sizeof bytes};
    struct store_kv_pair pair = {.key = all, .value = all, .metadata = all}, found;
    assert_int_equal(store_kv_put(kv(), SPACE, &pair), 0);
    assert_int_equal(store_kv_get(kv(), SPACE, all, NOW_S, fixture.arena, &found), 0);
    assert_true(str_equal(found.value, all) && str_equal(found.metadata, all));
    pair.value = pair.metadata = STR("");
    assert_int_equal(store_kv_put(kv(), SPACE, &pair), 0);
    assert_int_equal(store_kv_get(kv(), SPACE, all, NOW_S, fixture.arena, &found), 0);
    assert_int_equal(found.value.length + found.metadata.length, 0);
}

STORE_TEST(a_pair_is_seen_until_its_time_comes)
{
    put_until("key", "value", NOW_S + 60);
    assert_string_equal(value_at(SPACE, "key", NOW_S + 59), "value");
    assert_string_equal(value_at(SPACE, "key", NOW_S + 60), "-");
    put("key", "for good");
    assert_string_equal(value_at(SPACE, "key", NOW_S + 60), "for good");
}

STORE_TEST(what_has_expired_is_purged_piece_by_piece)
{
    for (int i = 0; i < 450; i++)
        put_until(arena_printf(fixture.arena, "old%d", i), "", NOW_S);
    put_until("young", "", NOW_S + 1);
    put("for good", "");
    assert_string_equal(keys_of("", "", 1000), "for good young ");
    size_t count = 0, all = 0, pieces = 0;
    do {
        assert_int_equal(store_kv_purge(kv(), NOW_S, &count), 0);
        all += count;
        pieces++;
    } while (count);
    assert_int_equal(all, 450);
    assert_true(pieces > 2);
    assert_string_equal(keys_of("", "", 1000), "for good young ");
}

STORE_TEST(keys_are_listed_in_order_by_prefix)
{
    static const char *const keys[] = {"b", "a:2", "a", "a:1", "a:10", "a;", "\xff\xff"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        put(keys[i], "value");
    assert_string_equal(keys_of("", "", 10), "a a:1 a:10 a:2 a; b \xff\xff ");
    assert_string_equal(keys_of("a:", "", 10), "a:1 a:10 a:2 ");
    assert_string_equal(keys_of("\xff", "", 10), "\xff\xff ");
    assert_string_equal(keys_of("c", "", 10), "");
}

STORE_TEST(a_list_goes_on_after_its_last_key)
{
    static const char *const keys[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++)
        put(keys[i], "value");
    put_until("bb", "value", NOW_S);
    assert_string_equal(keys_of("", "", 2), "a b ...");
    assert_string_equal(keys_of("", "b", 2), "c d ");
    assert_string_equal(keys_of("", "d", 2), "");
    assert_string_equal(keys_of("", "aa", 1), "b ...");
}

STORE_TEST(a_counter_counts_from_none)
{
    int64_t value;
    assert_int_equal(add_to("n", 1, &value), 0);
    assert_int_equal(add_to("n", 41, &value), 0);
    assert_int_equal(value, 42);
    assert_int_equal(add_to("n", -50, &value), 0);
    assert_int_equal(value, -8);
    assert_value("n", "-8");
}

STORE_TEST(a_counter_keeps_its_time)
{
    struct store_kv_increment increment = {
        .key = STR("n"), .by = 1, .now_s = NOW_S, .expires_s = NOW_S + 60};
    assert_int_equal(store_kv_add(kv(), SPACE, &increment), 0);
    increment.now_s = NOW_S + 30;
    increment.expires_s = NOW_S + 90;
    assert_int_equal(store_kv_add(kv(), SPACE, &increment), 0);
    assert_int_equal(increment.value, 2);
    increment.now_s = NOW_S + 60;
    assert_int_equal(store_kv_add(kv(), SPACE, &increment), 0);
    assert_int_equal(increment.value, 1);
}

STORE_TEST(what_is_no_number_is_not_counted)
{
    static const char *const texts[] = {
        "", "-", "1.5", " 1", "0x10", "one", "9007199254740993", "99999999999999999999"};
    int64_t value;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put("n", texts[i]);
        assert_int_equal(add_to("n", 1, &value), -EINVAL);
        assert_value("n", texts[i]);
    }
    put("n", "9007199254740992");
    assert_int_equal(add_to("n", 1, &value), -ERANGE);
    assert_int_equal(add_to("n", INT64_MIN, &value), -ERANGE);
    assert_int_equal(add_to("n", -1, &value), 0);
}

STORE_TEST(pairs_outlive_the_host)
{
    put("key", "value");
    reopen();
    assert_value("key", "value");
}

/* --- hosts at the same time --- */

#define TASKS     8
#define ADDITIONS 25

static int add_many(void *arg)
{
    (void)arg;
    int64_t value;
    int failed = 0;
    for (int i = 0; i < ADDITIONS; i++)
        failed |= add_to("n", 1, &value);
    return failed;
}

static int add_from_tasks(void *arg)
{
    struct task_job jobs[TASKS];
    fixture.store = open_another();
    for (size_t i = 0; i < TASKS; i++)
        jobs[i] = (struct task_job){.fn = add_many, .arg = arg};
    int failed = fixture.store ? task_gather("add", jobs, TASKS) : 1;
    for (size_t i = 0; i < TASKS; i++)
        failed |= jobs[i].result;
    if (fixture.store)
        store_close(fixture.store);
    return failed;
}

static int read_sum(void *arg)
{
    int64_t *sum = arg;
    fixture.store = open_another();
    int result = fixture.store ? add_to("n", 0, sum) : -1;
    store_close(fixture.store);
    return result;
}

static void hosts_count_together(void **state)
{
    (void)state;
    strcpy(fixture.directory, "/tmp/postern-store-XXXXXX");
    assert_non_null(mkdtemp(fixture.directory));
    fixture.options = (struct store_options){.directory = fixture.directory};
    pid_t hosts[2];
    for (size_t i = 0; i < 2; i++) {
        hosts[i] = fork();
        if (hosts[i] == 0) {
            test_loop_open(NULL);
            _exit(test_run(add_from_tasks, NULL) != 0);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        int status;
        waitpid(hosts[i], &status, 0);
        assert_int_equal(status, 0);
    }
    int64_t sum = 0;
    test_loop_open(NULL);
    assert_int_equal(test_run(read_sum, &sum), 0);
    test_loop_close(NULL);
    assert_int_equal(sum, 2 * TASKS * ADDITIONS);
    remove_tree(fixture.directory);
}

/* --- in memory --- */

static int open_memory(void **state)
{
    struct err err = {0};
    kept.is_in_memory = true;
    kept.memory = store_kv_open_memory(&err);
    return kept.memory ? fixture_open(state) : -1;
}

static int close_kv(void *arg)
{
    (void)arg;
    store_kv_close(kept.memory);
    kept.is_in_memory = false;
    return 0;
}

static int close_memory(void **state)
{
    test_run(close_kv, NULL);
    return fixture_close(state);
}

/* --- over another --- */

static int open_over(void *arg)
{
    struct err err = {0};
    (void)arg;
    kept.memory = store_kv_open_over(store_kv_of(fixture.store), &err);
    assert_non_null(kept.memory);
    kept.is_in_memory = true;
    return 0;
}

static int open_overlay(void **state)
{
    int result = fixture_open(state);
    if (result == 0)
        test_run(open_over, NULL);
    return result;
}

/* What is put until here is below. */
static void cover(void)
{
    open_over(NULL);
}

static void uncover(void)
{
    close_kv(NULL);
}

STORE_TEST(what_is_below_is_seen)
{
    int64_t value;
    put("key", "below");
    cover();
    assert_value("key", "below");
    assert_int_equal(add_to("number", 1, &value), 0);
    assert_int_equal(value, 1);
    uncover();
}

STORE_TEST(what_is_below_stays_as_it_was)
{
    int64_t value;
    put("kept", "below");
    put("gone", "below");
    put("number", "7");
    cover();
    put("kept", "above");
    put("new", "above");
    assert_int_equal(store_kv_delete(kv(), SPACE, STR("gone")), 0);
    assert_int_equal(add_to("number", 1, &value), 0);
    assert_int_equal(value, 8);
    assert_value("kept", "above");
    assert_value("new", "above");
    assert_value("gone", "-");
    uncover();
    assert_value("kept", "below");
    assert_value("gone", "below");
    assert_value("number", "7");
    assert_value("new", "-");
}

STORE_TEST(a_list_shows_both)
{
    put("a1", "below");
    put("a3", "below");
    put("a4", "below");
    put("b", "below");
    cover();
    put("a2", "above");
    assert_int_equal(store_kv_delete(kv(), SPACE, STR("a3")), 0);
    assert_string_equal(keys_of("a", "", 10), "a1 a2 a4 ");
    assert_string_equal(keys_of("a", "", 2), "a1 a2 ...");
    assert_string_equal(keys_of("a", "a2", 2), "a4 ");
    uncover();
    assert_string_equal(keys_of("a", "", 10), "a1 a3 a4 ");
}

/* However many of those below are no longer seen. */
STORE_TEST(a_list_goes_on_until_it_is_full)
{
    char key[8];
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "k%02d", i);
        put(key, "below");
    }
    cover();
    for (int i = 0; i < 15; i++) {
        snprintf(key, sizeof key, "k%02d", i);
        assert_int_equal(store_kv_delete(kv(), SPACE, str_of(key)), 0);
    }
    assert_string_equal(keys_of("", "", 3), "k15 k16 k17 ...");
    uncover();
}

#define overlay_test(name) cmocka_unit_test_setup_teardown(name, open_overlay, close_memory)
#define memory_test(name)  cmocka_unit_test_setup_teardown(name, open_memory, close_memory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(what_was_put_is_found_until_it_is_deleted),
        store_test(any_bytes_are_kept),
        store_test(a_pair_is_seen_until_its_time_comes),
        store_test(what_has_expired_is_purged_piece_by_piece),
        store_test(keys_are_listed_in_order_by_prefix),
        store_test(a_list_goes_on_after_its_last_key),
        store_test(a_counter_counts_from_none),
        store_test(a_counter_keeps_its_time),
        store_test(what_is_no_number_is_not_counted),
        store_test(pairs_outlive_the_host),
        memory_test(what_was_put_is_found_until_it_is_deleted),
        memory_test(any_bytes_are_kept),
        memory_test(a_pair_is_seen_until_its_time_comes),
        memory_test(what_has_expired_is_purged_piece_by_piece),
        memory_test(keys_are_listed_in_order_by_prefix),
        memory_test(a_list_goes_on_after_its_last_key),
        memory_test(a_counter_counts_from_none),
        memory_test(a_counter_keeps_its_time),
        memory_test(what_is_no_number_is_not_counted),
        overlay_test(what_was_put_is_found_until_it_is_deleted),
        overlay_test(any_bytes_are_kept),
        overlay_test(a_pair_is_seen_until_its_time_comes),
        overlay_test(keys_are_listed_in_order_by_prefix),
        overlay_test(a_list_goes_on_after_its_last_key),
        overlay_test(a_counter_counts_from_none),
        overlay_test(a_counter_keeps_its_time),
        overlay_test(what_is_no_number_is_not_counted),
        store_test(what_is_below_is_seen),
        store_test(what_is_below_stays_as_it_was),
        store_test(a_list_shows_both),
        store_test(a_list_goes_on_until_it_is_full),
        cmocka_unit_test(hosts_count_together),
    };
    return RUN_CONTRACT("kv", tests);
}

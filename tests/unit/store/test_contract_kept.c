/* What kept.h promises. */
#include "store/fixture.h"
#include "store/kept.h"

#define MIB ((uint64_t)1024 * 1024)

static const char *id_of(unsigned number)
{
    return arena_printf(fixture.arena, "m%u", number);
}

static void keep(const char *id, uint64_t time_ms, struct str content, uint64_t bytes_max)
{
    struct store_kept kept = {.id = str_of(id),
                              .time_ms = time_ms,
                              .envelope = STR("{\"from\":\"anna@there.test\"}"),
                              .content = content};
    store_kept_add(fixture.store, &kept, bytes_max);
}

static void keep_short(const char *id, uint64_t time_ms)
{
    keep(id, time_ms, STR("Subject: hello\r\n\r\nHello.\r\n"), 100 * MIB);
}

static int read_kept(const char *id, struct store_kept *kept)
{
    return store_kept_read(fixture.store, str_of(id), fixture.arena, kept);
}

/* Their ids, the youngest first. */
static const char *list_kept(struct store_kept_filter filter)
{
    struct store_kept *kept;
    size_t count;
    if (filter.limit == 0)
        filter.limit = 1000;
    assert_int_equal(store_kept_list(fixture.store, &filter, fixture.arena, &kept, &count),
                     0);
    const char *text = "";
    for (size_t i = 0; i < count; i++)
        text = arena_printf(fixture.arena, "%s%.*s ", text, STR_ARG(kept[i].id));
    return text;
}

static const struct store_kept_filter all;

STORE_TEST(a_message_is_read_as_it_came)
{
    char bytes[256];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    keep("m1", NOW_MS, (struct str){bytes, sizeof bytes}, MIB);
    reopen(); /* writes what waits */
    struct store_kept kept = {0};
    assert_int_equal(read_kept("m1", &kept), 0);
    assert_str(kept.id, "m1");
    assert_true(kept.time_ms == NOW_MS);
    assert_str(kept.envelope, "{\"from\":\"anna@there.test\"}");
    assert_int_equal(kept.content.length, sizeof bytes);
    assert_memory_equal(kept.content.at, bytes, sizeof bytes);
    assert_int_equal(fixture.report_count, 0);
}

STORE_TEST(a_large_message_is_kept_and_so_is_an_empty_one)
{
    size_t length = 10 * MIB;
    char *bytes = mem_alloc(length);
    memset(bytes, 'x', length);
    keep("large", NOW_MS, (struct str){bytes, length}, 100 * MIB);
    keep("empty", NOW_MS, STR(""), 100 * MIB);
    reopen();
    struct store_kept kept = {0};
    assert_int_equal(read_kept("large", &kept), 0);
    assert_int_equal(kept.content.length, length);
    assert_memory_equal(kept.content.at, bytes, length);
    assert_int_equal(read_kept("empty", &kept), 0);
    assert_int_equal(kept.content.length, 0);
    free(bytes);
}

STORE_TEST(what_is_not_there_is_told)
{
    struct store_kept kept = {0};
    assert_int_equal(read_kept("m1", &kept), -ENOENT);
    assert_string_equal(list_kept(all), "");
}

STORE_TEST(the_first_of_an_id_stays)
{
    keep("m1", NOW_MS, STR("one"), MIB);
    keep("m1", NOW_MS, STR("two"), MIB);
    reopen();
    struct store_kept kept = {0};
    assert_int_equal(read_kept("m1", &kept), 0);
    assert_str(kept.content, "one");
    assert_string_equal(list_kept(all), "m1 ");
}

STORE_TEST(the_youngest_are_listed_first)
{
    for (unsigned i = 0; i < 5; i++)
        keep_short(id_of(i), NOW_MS + i);
    reopen();
    assert_string_equal(list_kept(all), "m4 m3 m2 m1 m0 ");
    assert_string_equal(list_kept((struct store_kept_filter){.limit = 2}), "m4 m3 ");
    assert_string_equal(list_kept((struct store_kept_filter){.since_ms = NOW_MS + 3}),
                        "m4 m3 ");
    assert_string_equal(list_kept((struct store_kept_filter){.until_ms = NOW_MS + 1}),
                        "m0 ");
}

STORE_TEST(old_ones_are_purged)
{
    for (unsigned i = 0; i < 50; i++)
        keep_short(id_of(i), NOW_MS + i);
    reopen();
    assert_int_equal(store_kept_purge(fixture.store, NOW_MS + 48), 0);
    assert_string_equal(list_kept(all), "m49 m48 ");
    assert_int_equal(store_kept_purge(fixture.store, NOW_MS + 100), 0);
    assert_string_equal(list_kept(all), "");
}

STORE_TEST(the_oldest_make_room)
{
    static char bytes[100 * 1024];
    memset(bytes, 'x', sizeof bytes);
    for (unsigned i = 0; i < 60; i++) {
        keep(id_of(i), NOW_MS + i, (struct str){bytes, sizeof bytes}, 2 * MIB);
        if (i % 20 == 19)
            reopen();
    }
    struct store_kept *kept;
    size_t count;
    struct store_kept_filter filter = {.limit = 1000};
    assert_int_equal(store_kept_list(fixture.store, &filter, fixture.arena, &kept, &count),
                     0);
    assert_true(count > 0 && count * sizeof bytes <= 2 * MIB);
    assert_str(kept[0].id, "m59");
}

STORE_TEST(what_is_larger_than_all_room_is_not_kept)
{
    static char bytes[100 * 1024];
    keep("m1", NOW_MS, (struct str){bytes, sizeof bytes}, 1024);
    reopen();
    assert_string_equal(list_kept(all), "");
}

/* 32 MiB wait at most, and nothing of them can be written before this task waits. */
STORE_TEST(what_is_too_much_is_dropped_and_told)
{
    size_t length = 10 * MIB;
    char *bytes = mem_alloc(length);
    memset(bytes, 'x', length);
    for (unsigned i = 0; i < 5; i++)
        keep(id_of(i), NOW_MS + i, (struct str){bytes, length}, 100 * MIB);
    free(bytes);
    reopen();
    assert_string_equal(list_kept(all), "m4 m3 m2 ");
    assert_int_equal(fixture.report_count, 1);
    assert_non_null(strstr(fixture.report, "messages were not kept; 2,"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(a_message_is_read_as_it_came),
        store_test(a_large_message_is_kept_and_so_is_an_empty_one),
        store_test(what_is_not_there_is_told),
        store_test(the_first_of_an_id_stays),
        store_test(the_youngest_are_listed_first),
        store_test(old_ones_are_purged),
        store_test(the_oldest_make_room),
        store_test(what_is_larger_than_all_room_is_not_kept),
        store_test(what_is_too_much_is_dropped_and_told),
    };
    return RUN_CONTRACT("kept", tests);
}

/* What happens when the disk gives back something else than was written. */
#include <fcntl.h>
#include <sys/stat.h>
#include <utime.h>

#include <sqlite3.h>

#include "store/fixture.h"
#include "store/kept.h"
#include "store/schema.h"

static const char *path_of(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", fixture.directory, name);
    return path;
}

/* With a connection of its own, as any tool might. */
static void execute_in(const char *name, const char *sql)
{
    sqlite3 *handle;
    assert_int_equal(sqlite3_open(path_of(name), &handle), SQLITE_OK);
    sqlite3_busy_timeout(handle, 5000);
    char *error = NULL;
    if (sqlite3_exec(handle, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s", error);
    sqlite3_close(handle);
}

static void execute(const char *sql)
{
    execute_in("queue.db", sql);
}

static void add_long(const char *id)
{
    static char bytes[20000];
    memset(bytes, 'x', sizeof bytes);
    struct str content = {bytes, sizeof bytes};
    struct store_message message = {.id = str_of(id), .parts = &content, .part_count = 1};
    struct store_leg leg = leg_to("ben@dest.test");
    assert_int_equal(store_queue_add(fixture.store, &message, &leg, 1), 0);
}

static int read_message(const char *id)
{
    struct store_message message;
    return store_queue_read(fixture.store, str_of(id), fixture.arena, &message);
}

static void assert_is_set_aside(const char *id)
{
    assert_int_equal(read_message(id), -EBADMSG);
    assert_int_equal(fixture.report_count, 1);
    assert_non_null(strstr(fixture.report, id));
    assert_int_equal(claim_all("one").count, 0);
    struct store_queue_sum sum;
    assert_int_equal(store_queue_summary(fixture.store, NOW_MS, &sum), 0);
    assert_int_equal(sum.set_aside, 1);
}

STORE_TEST(a_changed_content_is_set_aside)
{
    add("entry1", "ben@dest.test");
    execute("UPDATE content SET bytes = replace(bytes, 'Hello', 'Hallo')");
    assert_is_set_aside("entry1");
}

static void assert_is_not_claimed(const char *id)
{
    assert_int_equal(claim_all("one").count, 0);
    assert_int_equal(fixture.report_count, 1);
    assert_non_null(strstr(fixture.report, id));
    struct store_queue_sum sum;
    assert_int_equal(store_queue_summary(fixture.store, NOW_MS, &sum), 0);
    assert_int_equal(sum.set_aside, 1);
    assert_int_equal(sum.in_delivery, 0);
}

STORE_TEST(a_leg_with_another_recipient_is_set_aside)
{
    add("entry1", "ben@dest.test");
    execute("UPDATE leg SET recipient = 'bem@dest.test'");
    assert_is_not_claimed("entry1");
}

STORE_TEST(a_leg_with_another_sender_is_set_aside)
{
    add("entry1", "ben@dest.test");
    execute("UPDATE message SET reverse_path = 'eve@sender.test'");
    assert_is_not_claimed("entry1");
}

STORE_TEST(a_shortened_content_is_set_aside)
{
    add("entry1", "ben@dest.test");
    execute("UPDATE content SET bytes = substr(bytes, 2)");
    assert_is_set_aside("entry1");
}

STORE_TEST(a_lost_content_is_set_aside)
{
    add("entry1", "ben@dest.test");
    execute("DELETE FROM content");
    assert_is_set_aside("entry1");
}

STORE_TEST(a_lost_file_is_set_aside)
{
    add_long("entry1");
    assert_int_equal(unlink(path_of("bodies/entry1")), 0);
    assert_is_set_aside("entry1");
}

STORE_TEST(a_shortened_file_is_set_aside)
{
    add_long("entry1");
    assert_int_equal(truncate(path_of("bodies/entry1"), 100), 0);
    assert_is_set_aside("entry1");
}

static void overwrite(const char *name, long offset, const char *bytes, size_t length)
{
    FILE *file = fopen(path_of(name), "r+b");
    assert_non_null(file);
    fseek(file, offset, SEEK_SET);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

STORE_TEST(a_changed_file_is_set_aside)
{
    add_long("entry1");
    overwrite("bodies/entry1", 5000, "y", 1);
    assert_is_set_aside("entry1");
}

STORE_TEST(what_was_set_aside_can_only_be_dropped)
{
    add("entry1", "ben@dest.test");
    struct store_leg leg = claim_all("one").legs[0];
    execute("DELETE FROM content");
    assert_int_equal(read_message("entry1"), -EBADMSG);
    assert_int_equal(store_queue_end(fixture.store, STR("one"), leg.id, NULL, NULL),
                     -ESTALE);
    struct store_filter all = {.state = -1};
    uint64_t count;
    assert_int_equal(store_queue_make_due(fixture.store, &all, NOW_MS, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(store_queue_release(fixture.store, &all, NOW_MS, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(store_queue_drop(fixture.store, &all, &count), 0);
    assert_int_equal(count, 1);
}

STORE_TEST(files_are_removed_with_their_message)
{
    add_long("a");
    add_long("b");
    struct claimed claimed = claim_all("one");
    assert_int_equal(
        store_queue_end(fixture.store, STR("one"), claimed.legs[0].id, NULL, NULL), 0);
    store_lease_release(fixture.store, STR("one"));
    struct store_filter all = {.state = -1};
    uint64_t count;
    assert_int_equal(store_queue_drop(fixture.store, &all, &count), 0);
    assert_int_not_equal(access(path_of("bodies/a"), F_OK), 0);
    assert_int_not_equal(access(path_of("bodies/b"), F_OK), 0);
}

static void make_file(const char *name, bool is_old)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
    struct utimbuf times = {time(NULL) - 4000, time(NULL) - 4000};
    if (is_old)
        utime(path_of(name), &times);
}

STORE_TEST(old_files_without_a_message_are_removed)
{
    add_long("kept");
    struct utimbuf times = {time(NULL) - 4000, time(NULL) - 4000};
    utime(path_of("bodies/kept"), &times);
    make_file("bodies/old", true);
    make_file("bodies/new", false);
    make_file("bodies/not-ours.txt", true);
    claim_all("one"); /* what a host does all the time */
    for (int i = 0; i < 200 && access(path_of("bodies/old"), F_OK) == 0; i++)
        task_sleep(10);
    assert_int_not_equal(access(path_of("bodies/old"), F_OK), 0);
    assert_int_equal(access(path_of("bodies/new"), F_OK), 0);
    assert_int_equal(access(path_of("bodies/kept"), F_OK), 0);
    assert_int_equal(access(path_of("bodies/not-ours.txt"), F_OK), 0);
}

/* --- whole databases --- */

static void add_fifty(void)
{
    for (unsigned i = 0; i < 50; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%u", i);
        add(id, i % 2 ? "ben@a.test" : "ben@b.test");
    }
}

static bool is_set_aside(const char *name)
{
    DIR *directory = opendir(fixture.directory);
    bool is_found = false;
    for (struct dirent *entry; (entry = readdir(directory));)
        is_found = is_found || strncmp(entry->d_name, name, strlen(name)) == 0;
    closedir(directory);
    return is_found;
}

STORE_TEST(what_is_no_database_is_set_aside)
{
    store_close(fixture.store);
    overwrite("queue.db", 0, "This is no database at all.", 27);
    fixture.store = open_another();
    assert_non_null(fixture.store);
    assert_int_equal(fixture.report_count, 1);
    assert_true(is_set_aside("queue.db.corrupt-"));
    add("a", "ben@dest.test");
    reopen();
    assert_int_equal(claim_all("one").count, 1);
    assert_int_equal(fixture.report_count, 1);
}

STORE_TEST(what_can_be_read_of_a_broken_database_is_taken_over)
{
    add_fifty();
    claim_all("dead");
    store_close(fixture.store);
    struct stat file;
    assert_int_equal(stat(path_of("queue.db"), &file), 0);
    char noise[4096];
    memset(noise, 0xa5, sizeof noise);
    overwrite("queue.db", file.st_size - 4096, noise, sizeof noise);
    fixture.store = open_another();
    assert_non_null(fixture.store);
    assert_int_equal(fixture.report_count, 1);
    assert_non_null(strstr(fixture.report, "taken over"));
    struct claimed claimed = claim_all("one");
    assert_true(claimed.count > 0);
    size_t sound = 0;
    for (size_t i = 0; i < claimed.count; i++) {
        struct store_message message;
        sound += store_queue_read(fixture.store, claimed.legs[i].message_id, fixture.arena,
                                  &message) == 0;
    }
    assert_true(sound > 0);
}

STORE_TEST(a_broken_index_costs_no_mail)
{
    add_fifty();
    execute("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, "
            "'owner, next_ms', 'next_ms, owner') WHERE name = 'leg_owner'");
    reopen();
    assert_int_equal(fixture.report_count, 1);
    struct claimed claimed = claim_all("one");
    assert_int_equal(claimed.count, 50);
    for (size_t i = 0; i < claimed.count; i++) {
        struct store_message message;
        assert_int_equal(store_queue_read(fixture.store, claimed.legs[i].message_id,
                                          fixture.arena, &message),
                         0);
    }
}

STORE_TEST(a_column_of_another_name_costs_no_mail)
{
    add("entry1", "ben@dest.test");
    execute("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, "
            "'ret INTEGER', 'rut INTEGER') WHERE name = 'message'");
    reopen();
    assert_int_equal(fixture.report_count, 1);
    assert_int_equal(claim_all("one").count, 1);
    assert_int_equal(read_message("entry1"), 0);
}

STORE_TEST(a_broken_activity_log_is_set_aside_too)
{
    add("a", "ben@dest.test");
    store_close(fixture.store);
    overwrite("activity.db", 0, "This is no database at all.", 27);
    fixture.store = open_another();
    assert_non_null(fixture.store);
    assert_true(is_set_aside("activity.db.corrupt-"));
    assert_int_equal(claim_all("one").count, 1);
}

static int read_kept(struct store_kept *kept)
{
    return store_kept_read(fixture.store, STR("m1"), fixture.arena, kept);
}

static void keep_one(void)
{
    struct store_kept kept = {.id = STR("m1"), .time_ms = 1, .content = STR("Hello")};
    store_kept_add(fixture.store, &kept, 1024 * 1024);
    reopen();
    assert_int_equal(read_kept(&kept), 0);
}

STORE_TEST(a_kept_message_that_was_changed_is_told)
{
    struct store_kept kept = {0};
    keep_one();
    execute_in("messages.db", "UPDATE kept SET content = 'Hallo'");
    assert_int_equal(read_kept(&kept), -EBADMSG);
}

STORE_TEST(broken_kept_messages_cost_no_mail)
{
    struct store_kept kept = {0};
    add("a", "ben@dest.test");
    keep_one();
    store_close(fixture.store);
    overwrite("messages.db", 0, "This is no database at all.", 27);
    fixture.store = open_another();
    assert_non_null(fixture.store);
    assert_true(is_set_aside("messages.db.corrupt-"));
    assert_int_equal(claim_all("one").count, 1);
    assert_int_equal(read_kept(&kept), -ENOENT);
    keep_one();
}

/* Another host would go on writing to the file that was set aside. */
STORE_TEST(nothing_is_set_aside_under_another_host)
{
    add("a", "ben@dest.test");
    execute("PRAGMA wal_checkpoint(TRUNCATE)");
    overwrite("queue.db", 0, "This is no database at all.", 27);
    struct err err;
    assert_null(store_open(&fixture.options, &err));
    assert_non_null(strstr(err.text, "corrupt"));
    assert_false(is_set_aside("queue.db.corrupt-"));
}

/* --- versions --- */

STORE_TEST(a_newer_database_is_refused)
{
    execute("PRAGMA user_version = 99");
    store_close(fixture.store);
    struct err err;
    assert_null(store_open(&fixture.options, &err));
    assert_non_null(strstr(err.text, "newer Postern"));
    execute("PRAGMA user_version = 1");
    fixture.store = open_another();
    assert_non_null(fixture.store);
}

static void migrate(const char *path, size_t steps, int expected)
{
    static const char *const all[] = {"CREATE TABLE t(a); INSERT INTO t VALUES(1)",
                                      "ALTER TABLE t ADD COLUMN b DEFAULT 2",
                                      "UPDATE t SET b = 3"};
    struct store_schema schema = {"test.db", all, steps};
    struct store_database database;
    struct err err;
    assert_int_equal(store_database_open(&database, path, STORE_SYNC_COMMITS, &err), 0);
    assert_int_equal(store_schema_migrate(&database, &schema, &err), expected);
    store_database_close(&database);
}

static void an_older_database_takes_the_steps_it_lacks(void **state)
{
    (void)state;
    char path[] = "/tmp/postern-store-XXXXXX";
    close(mkstemp(path));
    migrate(path, 1, 0);
    migrate(path, 3, 0);
    migrate(path, 3, 0);
    migrate(path, 2, -ENOTSUP);
    sqlite3 *handle;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle, "SELECT a, b FROM t", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(statement, 0), 1);
    assert_int_equal(sqlite3_column_int(statement, 1), 3);
    sqlite3_finalize(statement);
    sqlite3_close(handle);
    unlink(path);
}

static void a_store_without_rights_is_refused(void **state)
{
    (void)state;
    struct store_options options = {.directory = "/proc/no/such/place"};
    struct err err;
    assert_null(store_open(&options, &err));
    assert_non_null(strstr(err.text, "/proc/no/such/place"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(a_changed_content_is_set_aside),
        store_test(a_leg_with_another_recipient_is_set_aside),
        store_test(a_leg_with_another_sender_is_set_aside),
        store_test(a_shortened_content_is_set_aside),
        store_test(a_lost_content_is_set_aside),
        store_test(a_lost_file_is_set_aside),
        store_test(a_shortened_file_is_set_aside),
        store_test(a_changed_file_is_set_aside),
        store_test(what_was_set_aside_can_only_be_dropped),
        store_test(files_are_removed_with_their_message),
        store_test(old_files_without_a_message_are_removed),
        store_test(what_is_no_database_is_set_aside),
        store_test(what_can_be_read_of_a_broken_database_is_taken_over),
        store_test(a_broken_index_costs_no_mail),
        store_test(a_column_of_another_name_costs_no_mail),
        store_test(a_broken_activity_log_is_set_aside_too),
        store_test(a_kept_message_that_was_changed_is_told),
        store_test(broken_kept_messages_cost_no_mail),
        store_test(nothing_is_set_aside_under_another_host),
        store_test(a_newer_database_is_refused),
        cmocka_unit_test(an_older_database_takes_the_steps_it_lacks),
        loop_test(a_store_without_rights_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

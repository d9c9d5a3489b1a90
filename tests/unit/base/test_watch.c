/* Watching directories: what counts as a change, bursts, and directories that come and go. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

#include "base/watch.h"

static char directory[64];

static int make_directory(void **state)
{
    strcpy(directory, "/tmp/postern-test-watch-XXXXXX");
    return mkdtemp(directory) ? test_loop_open(state) : -1;
}

static int remove_directory(void **state)
{
    rmdir(directory);
    return test_loop_close(state);
}

#define watch_test(name)                                                                   \
    cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

static const char *path_of(const char *name)
{
    static char paths[2][128];
    static int turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static void write_file(const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, "x", 1), 1);
    close(file);
}

static struct watch *watch_directory(void)
{
    struct watch *watch = watch_open(NULL);
    assert_non_null(watch);
    assert_int_equal(watch_add(watch, directory), 0);
    assert_int_equal(watch_add(watch, directory), 0);
    assert_int_equal(watch_wait(watch, task_in_ms(5)), -ETIMEDOUT);
    return watch;
}

static void expect_one_change(struct watch *watch)
{
    assert_int_equal(watch_wait(watch, task_in_ms(10000)), 0);
    assert_int_equal(watch_wait(watch, task_in_ms(5)), -ETIMEDOUT);
}

static int see_changes(void *arg)
{
    (void)arg;
    struct watch *watch = watch_directory();
    write_file(path_of("a.yaml"));
    expect_one_change(watch);
    write_file(path_of("a.yaml"));
    expect_one_change(watch);
    assert_int_equal(rename(path_of("a.yaml"), path_of("b.yaml")), 0);
    expect_one_change(watch);
    assert_int_equal(symlink("b.yaml", path_of("c.yaml")), 0);
    expect_one_change(watch);
    unlink(path_of("c.yaml"));
    expect_one_change(watch);
    unlink(path_of("b.yaml"));
    expect_one_change(watch);
    watch_close(watch);
    watch_close(NULL);
    return 0;
}

static void writing_renaming_and_removing_are_changes(void **state)
{
    (void)state;
    test_run(see_changes, NULL);
}

static int write_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++) {
        write_file(path_of("a.yaml"));
        task_sleep(10);
    }
    return 0;
}

static int see_burst(void *arg)
{
    (void)arg;
    struct watch *watch = watch_directory();
    struct task *writer = task_start("writer", write_often, NULL);
    expect_one_change(watch);
    task_join(writer);
    unlink(path_of("a.yaml"));
    watch_close(watch);
    return 0;
}

static void a_burst_of_changes_is_one(void **state)
{
    (void)state;
    test_run(see_burst, NULL);
}

static int wait_for_it(void *arg)
{
    return watch_wait(arg, TASK_FOREVER);
}

static int give_up(void *arg)
{
    (void)arg;
    struct watch *watch = watch_directory();
    struct task *waiter = task_start("waiter", wait_for_it, watch);
    task_sleep(1);
    write_file(path_of("a.yaml"));
    task_sleep(5);
    task_cancel(waiter); /* while it waits for quiet */
    assert_int_equal(task_join(waiter), -ECANCELED);
    expect_one_change(watch);
    waiter = task_start("waiter", wait_for_it, watch);
    task_sleep(1);
    watch_close(watch);
    assert_int_equal(task_join(waiter), -ECANCELED);
    unlink(path_of("a.yaml"));
    return 0;
}

static void a_change_is_not_lost_when_its_waiter_gives_up(void **state)
{
    (void)state;
    test_run(give_up, NULL);
}

static int replace_the_directory(void *arg)
{
    (void)arg;
    struct watch *watch = watch_directory();
    char old[80];
    snprintf(old, sizeof old, "%s.old", directory);
    assert_int_equal(rename(directory, old), 0);
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(watch_wait(watch, task_in_ms(10000)), 0);
    write_file(path_of("a.yaml"));
    expect_one_change(watch);
    assert_int_equal(rmdir(old), 0);
    assert_int_equal(watch_wait(watch, task_in_ms(5)), -ETIMEDOUT);
    unlink(path_of("a.yaml"));
    watch_close(watch);
    return 0;
}

static void a_replaced_directory_is_taken_up_again(void **state)
{
    (void)state;
    test_run(replace_the_directory, NULL);
}

static int wait_for_a_directory(void *arg)
{
    (void)arg;
    struct watch *watch = watch_directory();
    char later[80];
    snprintf(later, sizeof later, "%s.later", directory);
    assert_int_equal(watch_add(watch, later), -ENOENT);
    assert_int_equal(watch_wait(watch, task_in_ms(5)), -ETIMEDOUT);
    assert_int_equal(mkdir(later, 0700), 0);
    expect_one_change(watch);
    rmdir(later);
    expect_one_change(watch);
    watch_close(watch);
    return 0;
}

static void a_directory_may_come_later(void **state)
{
    (void)state;
    test_run(wait_for_a_directory, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        watch_test(writing_renaming_and_removing_are_changes),
        watch_test(a_burst_of_changes_is_one),
        watch_test(a_change_is_not_lost_when_its_waiter_gives_up),
        watch_test(a_replaced_directory_is_taken_up_again),
        watch_test(a_directory_may_come_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

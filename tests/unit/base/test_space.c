/* Room on a file system, which a fake statvfs(3) tells. */
#include <errno.h>
#include <stdatomic.h>
#include <sys/statvfs.h>

#include "test.h"

#include "base/space.h"

#define GIB (UINT64_C(1) << 30)

static struct statvfs answer;
static int answer_errno;
static atomic_int asked;

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int statvfs(const char *restrict path, struct statvfs *restrict found)
{
    assert_string_equal(path, "/queue");
    asked++;
    *found = answer;
    errno = answer_errno;
    return answer_errno ? -1 : 0;
}

static void disk_has(uint64_t blocks, uint64_t inodes, uint64_t inodes_in_all)
{
    answer = (struct statvfs){.f_bsize = 1 << 20,
                              .f_frsize = 4096,
                              .f_bfree = 1 << 30,
                              .f_bavail = blocks,
                              .f_files = inodes_in_all,
                              .f_ffree = 1 << 30,
                              .f_favail = inodes};
    answer_errno = 0;
    asked = 0;
}

static bool is_low_at_once(uint64_t bytes_min, uint64_t inodes_min)
{
    struct space *space = space_open("/queue", bytes_min, inodes_min);
    bool is_low = space_is_low(space);
    uv_run(&test_loop, UV_RUN_DEFAULT);
    space_free(space);
    return is_low;
}

static void bytes_and_inodes_that_we_may_have_are_counted(void **state)
{
    (void)state;
    disk_has(GIB / 4096, 1000, 5000);
    assert_false(is_low_at_once(GIB, 1000));
    assert_true(is_low_at_once(GIB + 1, 1000));
    assert_true(is_low_at_once(GIB, 1001));
    assert_false(is_low_at_once(0, 0));
}

static void a_file_system_without_inodes_is_not_low_on_them(void **state)
{
    (void)state;
    disk_has(GIB / 4096, 0, 0);
    assert_false(is_low_at_once(GIB, 1000));
}

static void one_that_cannot_be_asked_is_low(void **state)
{
    (void)state;
    disk_has(GIB, GIB, GIB);
    answer_errno = EIO;
    assert_true(is_low_at_once(0, 0));
}

static int watch_a_disk_fill_up(void *arg)
{
    struct space *space = arg;
    for (int i = 0; i < 100; i++)
        assert_false(space_is_low(space));
    disk_has(0, 1000, 5000);
    while (!space_is_low(space))
        assert_int_equal(task_sleep(50), 0);
    assert_int_equal(asked, 1);
    disk_has(GIB, 1000, 5000);
    while (space_is_low(space))
        assert_int_equal(task_sleep(50), 0);
    assert_int_equal(asked, 1);
    return 0;
}

static void a_change_is_seen_with_one_question_for_many(void **state)
{
    (void)state;
    disk_has(GIB, 1000, 5000);
    struct space *space = space_open("/queue", GIB, 1000);
    assert_int_equal(asked, 1);
    assert_int_equal(test_run(watch_a_disk_fill_up, space), 0);
    space_free(space);
}

static void it_may_be_freed_while_it_is_asking(void **state)
{
    (void)state;
    disk_has(GIB, 1000, 5000);
    struct space *space = space_open("/queue", GIB, 1000);
    assert_false(space_is_low(space));
    space_free(space);
    uv_run(&test_loop, UV_RUN_DEFAULT);
    assert_int_equal(asked, 2);
    space_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        loop_test(bytes_and_inodes_that_we_may_have_are_counted),
        loop_test(a_file_system_without_inodes_is_not_low_on_them),
        loop_test(one_that_cannot_be_asked_is_low),
        loop_test(a_change_is_seen_with_one_question_for_many),
        loop_test(it_may_be_freed_while_it_is_asking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

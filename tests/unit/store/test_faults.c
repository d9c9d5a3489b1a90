/* The disk fails at each write, fsync, truncation and opening in turn, once or for good: what store_queue_add says is
 * what is there when the store is opened again, and the store stays usable. A layer between SQLite and its files counts
 * and fails; what a host that is killed leaves is a copy of the folder as it is. */
#include <stdatomic.h>

#include <sqlite3.h>

#include "store/fixture.h"

/* --- the layer --- */

enum fault { FAULT_NONE, FAULT_NO_SPACE, FAULT_ERROR };

static struct {
    atomic_int left; /* calls until the failing one */
    atomic_bool is_lasting;
    atomic_int fault;
    sqlite3_vfs vfs, *below;
} layer;

struct layered_file {
    sqlite3_file base;
    struct sqlite3_io_methods methods;
    sqlite3_file *below; /* what follows in memory */
};

static bool is_failing(void)
{
    if (layer.fault == FAULT_NONE)
        return false;
    int left = atomic_fetch_sub(&layer.left, 1);
    return left == 0 || (left < 0 && layer.is_lasting);
}

static sqlite3_file *below(sqlite3_file *file)
{
    return ((struct layered_file *)file)->below;
}

static int layer_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 at)
{
    if (is_failing()) {
        if (layer.fault == FAULT_NO_SPACE)
            return SQLITE_FULL;
        below(file)->pMethods->xWrite(below(file), bytes, count / 2, at); /* a torn write */
        return SQLITE_IOERR_WRITE;
    }
    return below(file)->pMethods->xWrite(below(file), bytes, count, at);
}

static int layer_sync(sqlite3_file *file, int flags)
{
    return is_failing() ? SQLITE_IOERR_FSYNC
                        : below(file)->pMethods->xSync(below(file), flags);
}

static int layer_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return is_failing() ? SQLITE_IOERR_TRUNCATE
                        : below(file)->pMethods->xTruncate(below(file), size);
}

/* The rest goes straight down. */
static int layer_close(sqlite3_file *file)
{
    return below(file)->pMethods->xClose(below(file));
}
static int layer_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 at)
{
    return below(file)->pMethods->xRead(below(file), bytes, count, at);
}
static int layer_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return below(file)->pMethods->xFileSize(below(file), size);
}
static int layer_lock(sqlite3_file *file, int level)
{
    return below(file)->pMethods->xLock(below(file), level);
}
static int layer_unlock(sqlite3_file *file, int level)
{
    return below(file)->pMethods->xUnlock(below(file), level);
}
static int layer_reserved(sqlite3_file *file, int *is_reserved)
{
    return below(file)->pMethods->xCheckReservedLock(below(file), is_reserved);
}
static int layer_control(sqlite3_file *file, int operation, void *arg)
{
    return below(file)->pMethods->xFileControl(below(file), operation, arg);
}
static int layer_sector(sqlite3_file *file)
{
    return below(file)->pMethods->xSectorSize(below(file));
}
static int layer_device(sqlite3_file *file)
{
    return below(file)->pMethods->xDeviceCharacteristics(below(file));
}
static int layer_shm_map(sqlite3_file *file, int page, int size, int extend,
                         void volatile **memory)
{
    return below(file)->pMethods->xShmMap(below(file), page, size, extend, memory);
}
static int layer_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return below(file)->pMethods->xShmLock(below(file), offset, count, flags);
}
static void layer_shm_barrier(sqlite3_file *file)
{
    below(file)->pMethods->xShmBarrier(below(file));
}
static int layer_shm_unmap(sqlite3_file *file, int is_delete)
{
    return below(file)->pMethods->xShmUnmap(below(file), is_delete);
}

static int layer_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file,
                      int flags, int *out_flags)
{
    (void)vfs;
    struct layered_file *layered = (struct layered_file *)file;
    layered->base.pMethods = NULL;
    if (is_failing())
        return SQLITE_CANTOPEN;
    layered->below = (sqlite3_file *)(layered + 1);
    int result = layer.below->xOpen(layer.below, name, layered->below, flags, out_flags);
    if (result != SQLITE_OK)
        return result;
    layered->methods = (struct sqlite3_io_methods){2,
                                                   layer_close,
                                                   layer_read,
                                                   layer_write,
                                                   layer_truncate,
                                                   layer_sync,
                                                   layer_size,
                                                   layer_lock,
                                                   layer_unlock,
                                                   layer_reserved,
                                                   layer_control,
                                                   layer_sector,
                                                   layer_device,
                                                   layer_shm_map,
                                                   layer_shm_lock,
                                                   layer_shm_barrier,
                                                   layer_shm_unmap,
                                                   NULL,
                                                   NULL};
    layered->base.pMethods = &layered->methods;
    return SQLITE_OK;
}

static void install_layer(void)
{
    layer.below = sqlite3_vfs_find(NULL);
    layer.vfs = *layer.below;
    layer.vfs.zName = "faulty";
    layer.vfs.szOsFile = (int)sizeof(struct layered_file) + layer.below->szOsFile;
    layer.vfs.xOpen = layer_open;
    sqlite3_vfs_register(&layer.vfs, 1);
}

static void fail_after(int calls, enum fault fault, bool is_lasting)
{
    layer.left = calls;
    layer.is_lasting = is_lasting;
    layer.fault = fault;
}

static void fail_no_more(void)
{
    layer.fault = FAULT_NONE;
}

/* --- what is there --- */

static void copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in && out);
    char bytes[65536];
    size_t length;
    while ((length = fread(bytes, 1, sizeof bytes, in)) > 0)
        assert_int_equal(fwrite(bytes, 1, length, out), length);
    fclose(in);
    fclose(out);
}

/* As a host that is killed now leaves it: its log, but not the index of the log, which lives in memory. */
static bool is_there_after_kill(const char *id)
{
    char copy[100], from[200], to[200];
    snprintf(copy, sizeof copy, "%s-copy", fixture.directory);
    mkdir(copy, 0700);
    static const char *const names[] = {"queue.db", "queue.db-wal"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(from, sizeof from, "%s/%s", fixture.directory, names[i]);
        snprintf(to, sizeof to, "%s/%s", copy, names[i]);
        if (access(from, F_OK) == 0)
            copy_file(from, to);
    }
    struct store_options options = fixture.options;
    options.directory = copy;
    struct err err;
    struct store *store = store_open(&options, &err);
    assert_non_null(store);
    struct store_message message;
    int result = store_queue_read(store, str_of(id), fixture.arena, &message);
    store_close(store);
    remove_tree(copy);
    assert_true(result == 0 || result == -ENOENT);
    return result == 0;
}

static int add_number(int number)
{
    char id[16];
    snprintf(id, sizeof id, "m%d", number);
    return add_created(id, "ben@dest.test", NOW_MS);
}

/* Returns whether there was a call to fail. As long as a disk takes no write at all, what it took before cannot be taken
 * back either: the next that it takes does. */
static bool try_fault(int number, int calls, enum fault fault, bool is_lasting)
{
    char id[16];
    snprintf(id, sizeof id, "m%d", number);
    fail_after(calls, fault, is_lasting);
    int result = add_number(number);
    bool has_failed = layer.left < 0;
    fail_no_more();
    if (is_lasting)
        assert_int_equal(add_number(number + 5000), 0);
    bool is_there = is_there_after_kill(id);
    if (is_there != (result == 0))
        fail_msg("call %d, fault %d: store_queue_add said %d, and it is %s", calls, fault,
                 result, is_there ? "there" : "not there");
    return has_failed;
}

static void try_all_faults(bool is_lasting)
{
    for (int fault = FAULT_NO_SPACE; fault <= FAULT_ERROR; fault++) {
        bool has_failed = true;
        for (int calls = 0; has_failed && calls < 200; calls++)
            has_failed =
                try_fault(1000 * fault + calls, calls, (enum fault)fault, is_lasting);
        assert_false(has_failed);
    }
}

STORE_TEST(what_an_add_says_is_true_whichever_call_fails)
{
    try_all_faults(false);
}

STORE_TEST(after_a_disk_was_full_the_store_works_on)
{
    try_all_faults(true);
    assert_true(fixture.report_count > 0);
}

STORE_TEST(a_failure_is_told_once_a_minute)
{
    for (int i = 0; i < 5; i++) {
        fail_after(0, FAULT_NO_SPACE, true);
        assert_int_equal(add_number(i), -ENOSPC);
    }
    fail_no_more();
    assert_int_equal(fixture.report_count, 1);
    assert_non_null(strstr(fixture.report, "No space"));
}

static int add_one(void *arg)
{
    return add_number(*(const int *)arg);
}

STORE_TEST(all_that_are_committed_together_fail_together)
{
    int numbers[8];
    struct task_job jobs[8];
    for (int i = 0; i < 8; i++) {
        numbers[i] = i;
        jobs[i] = (struct task_job){.fn = add_one, .arg = &numbers[i]};
    }
    fail_after(0, FAULT_ERROR, true);
    task_gather("add", jobs, 8);
    fail_no_more();
    for (int i = 0; i < 8; i++)
        assert_int_equal(jobs[i].result, -EIO);
    task_gather("add", jobs, 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(jobs[i].result, 0);
}

/* Moving the log into the database is what most calls are made for. */
STORE_TEST(a_checkpoint_that_fails_loses_nothing)
{
    static char bytes[4000];
    struct str content = {bytes, sizeof bytes};
    int failed = 0;
    for (int i = 0; i < 4000; i++) {
        char id[16];
        snprintf(id, sizeof id, "c%d", i);
        struct store_message message = {
            .id = str_of(id), .parts = &content, .part_count = 1};
        struct store_leg leg = leg_to("ben@dest.test");
        fail_after(i % 50, FAULT_ERROR, false);
        int result = store_queue_add(fixture.store, &message, &leg, 1);
        fail_no_more();
        failed += result < 0;
        struct store_message read;
        int found = store_queue_read(fixture.store, message.id, fixture.arena, &read);
        assert_int_equal(found, result == 0 ? 0 : -ENOENT);
        arena_reset(fixture.arena);
    }
    assert_true(failed > 0);
    reopen();
    struct store_queue_sum sum;
    assert_int_equal(store_queue_summary(fixture.store, NOW_MS, &sum), 0);
    assert_int_equal(sum.messages, 4000 - failed);
}

int main(void)
{
    install_layer();
    const struct CMUnitTest tests[] = {
        store_test(what_an_add_says_is_true_whichever_call_fails),
        store_test(after_a_disk_was_full_the_store_works_on),
        store_test(a_failure_is_told_once_a_minute),
        store_test(all_that_are_committed_together_fail_together),
        store_test(a_checkpoint_that_fails_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

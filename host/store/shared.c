#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "database.h"

#include "base/mem.h"

#define MAPPED_BYTES 4096
#define NAP_US       200
/* The longest that a host may take for opening: it may have a database to repair. */
#define OPEN_MS_MAX  (10 * 60 * 1000)

/* Which byte a lock is on. */
enum { LOCK_OPENING, LOCK_USING, LOCK_TURN };

struct store_shared {
    int fd;
    bool is_alone;
    _Atomic unsigned char *flags;
};

/* 0 or a negative errno value: -EAGAIN when somebody else holds it. */
static int lock(const struct store_shared *shared, short type, off_t byte)
{
    struct flock range = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    if (fcntl(shared->fd, F_OFD_SETLK, &range) == 0)
        return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

/* Asks again and again, since a lock that is waited for cannot be given up in time. */
static int lock_within(const struct store_shared *shared, off_t byte, int ms_max)
{
    for (int naps = 0;; naps++) {
        int result = lock(shared, F_WRLCK, byte);
        if (result != -EAGAIN)
            return result;
        if (naps / (1000 / NAP_US) > ms_max)
            return -EBUSY;
        nanosleep(&(struct timespec){.tv_nsec = NAP_US * 1000L}, NULL);
    }
}

static int map_flags(struct store_shared *shared)
{
    if (ftruncate(shared->fd, MAPPED_BYTES) < 0)
        return -errno;
    void *mapped =
        mmap(NULL, MAPPED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, shared->fd, 0);
    if (mapped == MAP_FAILED)
        return -errno;
    shared->flags = mapped;
    return 0;
}

struct store_shared *store_shared_open(const char *directory, struct err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/flags", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        err_set(err, -errno, "%s: %s", path, strerror(errno));
        return NULL;
    }
    struct store_shared *shared = mem_zero(1, sizeof *shared);
    shared->fd = fd;
    int result = map_flags(shared);
    if (result == 0)
        return shared;
    err_set(err, result, "%s: %s", path, strerror(-result));
    store_shared_close(shared);
    return NULL;
}

void store_shared_close(struct store_shared *shared)
{
    if (!shared)
        return;
    if (shared->flags)
        munmap((void *)shared->flags, MAPPED_BYTES);
    close(shared->fd);
    free(shared);
}

int store_shared_begin_open(struct store_shared *shared, struct err *err)
{
    int result = lock_within(shared, LOCK_OPENING, OPEN_MS_MAX);
    if (result < 0)
        return err_set(err, result, "the store is being opened by another host: %s",
                       strerror(-result));
    shared->is_alone = lock(shared, F_WRLCK, LOCK_USING) == 0;
    return 0;
}

bool store_shared_is_alone(const struct store_shared *shared)
{
    return shared->is_alone;
}

void store_shared_end_open(struct store_shared *shared)
{
    lock(shared, F_RDLCK, LOCK_USING);
    lock(shared, F_UNLCK, LOCK_OPENING);
}

int store_shared_take_turn(struct store_shared *shared)
{
    return lock_within(shared, LOCK_TURN, STORE_BUSY_MS);
}

void store_shared_end_turn(struct store_shared *shared)
{
    lock(shared, F_UNLCK, LOCK_TURN);
}

bool store_shared_get(const struct store_shared *shared, enum store_flag flag)
{
    return atomic_load(&shared->flags[flag]) != 0;
}

void store_shared_set(struct store_shared *shared, enum store_flag flag, bool is_set)
{
    atomic_store(&shared->flags[flag], is_set);
}

/* Loaded into postern with LD_PRELOAD: counts what a process asks of the disk below one directory, and at the n-th time
 * kills the process or makes the disk fail. Sockets, the log and everything elsewhere are not counted.
 *
 *     FAULTS_DIRECTORY   counted are calls on files below it
 *     FAULTS_DURABLE     if given: keeps there what a power failure would leave (durable.h)
 *     FAULTS_CONTROL     a file of struct control, which all processes of a service share: the count goes on when a host
 *                        that was killed is started again, and whoever tortures sets the fault while it runs
 *
 * Without directory and control nothing is counted. What a process that is killed had given to the kernel is in its
 * files, as the next process will find them; when the power fails, only what was fsynced. */
#undef _FORTIFY_SOURCE /* its inline open() would stand where ours is defined */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "durable.h"

enum kind { KIND_CREATE, KIND_WRITE, KIND_SYNC, KIND_RESIZE, KIND_RENAME, KIND_UNLINK };

enum action {
    ACTION_NONE,
    ACTION_KILL_BEFORE,
    ACTION_KILL_WITHIN, /* half of it is written */
    ACTION_KILL_AFTER,
    ACTION_EIO,
    ACTION_ENOSPC,
    ACTION_SHORT,    /* half of it is written, and that is told */
    ACTION_POWER_CUT /* from then on nobody writes any more */
};

/* tests/torture/service.py knows this layout. */
struct control {
    _Atomic uint64_t
        count; /* of the calls whose kinds are in `kinds`, since the file was made */
    _Atomic uint64_t first, last; /* a fault at each of these counts */
    _Atomic uint64_t action;
    _Atomic uint64_t kinds;  /* bit by enum kind */
    _Atomic uint64_t faults; /* made so far */
    _Atomic uint64_t is_power_cut;
};

static struct control *control;
static char directory[PATH_MAX];
static size_t directory_length;

static struct {
    int (*open)(const char *, int, ...);
    int (*mkdir)(const char *, mode_t);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*pwrite)(int, const void *, size_t, off_t);
    ssize_t (*writev)(int, const struct iovec *, int);
    int (*fsync)(int);
    int (*fdatasync)(int);
    int (*ftruncate)(int, off_t);
    int (*rename)(const char *, const char *);
    int (*unlink)(const char *);
} real;

/* --- the beginning --- */

static void find(void *function, const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(function, &found, sizeof found);
}

static struct control *map_control(const char *path)
{
    int fd = real.open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    void *mapped =
        mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return mapped == MAP_FAILED ? NULL : mapped;
}

__attribute__((constructor)) static void begin(void)
{
    find(&real.open, "open");
    find(&real.mkdir, "mkdir");
    find(&real.write, "write");
    find(&real.pwrite, "pwrite");
    find(&real.writev, "writev");
    find(&real.fsync, "fsync");
    find(&real.fdatasync, "fdatasync");
    find(&real.ftruncate, "ftruncate");
    find(&real.rename, "rename");
    find(&real.unlink, "unlink");
    const char *path = getenv("FAULTS_CONTROL"), *below = getenv("FAULTS_DIRECTORY");
    if (!path || !below || strlen(below) >= sizeof directory)
        return;
    if (getenv("FAULTS_DURABLE"))
        durable_begin(getenv("FAULTS_DURABLE"));
    directory_length = strlen(below);
    memcpy(directory, below, directory_length);
    control = map_control(path);
    if (!control) { /* a torture that does nothing must not look like one that was passed */
        fprintf(stderr, "faults: %s: %s\n", path, strerror(errno));
        _exit(EXIT_FAILURE);
    }
}

/* --- whether this call is the one --- */

static bool is_below(const char *path)
{
    return strncmp(path, directory, directory_length) == 0 && path[directory_length] == '/';
}

static bool is_file_below(int fd)
{
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return false;
    path[length] = '\0';
    return is_below(path) || strcmp(path, directory) == 0;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static enum action count_call(enum kind kind)
{
    if (atomic_load(&control->is_power_cut))
        die();
    if (!(atomic_load(&control->kinds) & UINT64_C(1) << kind))
        return ACTION_NONE;
    uint64_t number = atomic_fetch_add(&control->count, 1) + 1;
    if (number < atomic_load(&control->first) || number > atomic_load(&control->last))
        return ACTION_NONE;
    enum action action = (enum action)atomic_load(&control->action);
    if (action == ACTION_POWER_CUT)
        atomic_store(&control->is_power_cut, 1);
    atomic_fetch_add(&control->faults, action != ACTION_NONE);
    return action;
}

static enum action on_file(enum kind kind, int fd)
{
    int saved = errno;
    enum action action = control && is_file_below(fd) ? count_call(kind) : ACTION_NONE;
    errno = saved;
    return action;
}

static enum action on_path(enum kind kind, const char *path)
{
    return control && is_below(path) ? count_call(kind) : ACTION_NONE;
}

/* --- the fault --- */

/* Whether the call fails instead of being made. */
static bool comes_before(enum action action)
{
    if (action == ACTION_KILL_BEFORE || action == ACTION_POWER_CUT)
        die();
    if (action == ACTION_EIO)
        errno = EIO;
    else if (action == ACTION_ENOSPC)
        errno = ENOSPC;
    return action == ACTION_EIO || action == ACTION_ENOSPC;
}

static void come_after(enum action action)
{
    if (action == ACTION_KILL_WITHIN || action == ACTION_KILL_AFTER)
        die();
}

static size_t length_of(enum action action, size_t length)
{
    bool is_halved = action == ACTION_KILL_WITHIN || action == ACTION_SHORT;
    return is_halved && length > 1 ? length / 2 : length;
}

/* Who is told that a file is on stable storage must find it there after a power failure. */
static void keep(int fd)
{
    if (!control || !is_file_below(fd))
        return;
    if (!atomic_load(&control->is_power_cut))
        durable_keep(fd);
    if (atomic_load(&control->is_power_cut))
        die();
}

/* --- the calls --- */

static int open_file(const char *path, int flags, mode_t mode)
{
    bool is_counted = (flags & O_CREAT) != 0;
    enum action action = is_counted ? on_path(KIND_CREATE, path) : ACTION_NONE;
    if (comes_before(action))
        return -1;
    int fd = real.open(path, flags, mode);
    come_after(action);
    return fd;
}

#define OPEN_BODY                                                                          \
    mode_t mode = 0;                                                                       \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                   \
        va_list args;                                                                      \
        va_start(args, flags);                                                             \
        mode = (mode_t)va_arg(args, unsigned);                                             \
        va_end(args);                                                                      \
    }                                                                                      \
    return open_file(path, flags, mode)

int open(const char *path, int flags, ...)
{
    OPEN_BODY;
}

int open64(const char *path, int flags, ...)
{
    OPEN_BODY;
}

int mkdir(const char *path, mode_t mode)
{
    enum action action = on_path(KIND_CREATE, path);
    if (comes_before(action))
        return -1;
    int result = real.mkdir(path, mode);
    come_after(action);
    return result;
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    enum action action = on_file(KIND_WRITE, fd);
    if (comes_before(action))
        return -1;
    ssize_t written = real.write(fd, bytes, length_of(action, length));
    come_after(action);
    return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    enum action action = on_file(KIND_WRITE, fd);
    if (comes_before(action))
        return -1;
    ssize_t written = real.pwrite(fd, bytes, length_of(action, length), offset);
    come_after(action);
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
    return pwrite(fd, bytes, length, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    enum action action = on_file(KIND_WRITE, fd);
    if (comes_before(action))
        return -1;
    ssize_t written = real.writev(fd, parts, (int)length_of(action, (size_t)count));
    come_after(action);
    return written;
}

int fsync(int fd)
{
    enum action action = on_file(KIND_SYNC, fd);
    if (comes_before(action))
        return -1;
    int result = real.fsync(fd);
    if (result == 0)
        keep(fd);
    come_after(action);
    return result;
}

int fdatasync(int fd)
{
    enum action action = on_file(KIND_SYNC, fd);
    if (comes_before(action))
        return -1;
    int result = real.fdatasync(fd);
    if (result == 0)
        keep(fd);
    come_after(action);
    return result;
}

int ftruncate(int fd, off_t length)
{
    enum action action = on_file(KIND_RESIZE, fd);
    if (comes_before(action))
        return -1;
    int result = real.ftruncate(fd, length);
    come_after(action);
    return result;
}

int ftruncate64(int fd, off64_t length)
{
    return ftruncate(fd, length);
}

int rename(const char *from, const char *to)
{
    enum action action = on_path(KIND_RENAME, to);
    if (comes_before(action))
        return -1;
    int result = real.rename(from, to);
    come_after(action);
    return result;
}

int unlink(const char *path)
{
    enum action action = on_path(KIND_UNLINK, path);
    if (comes_before(action))
        return -1;
    if (control && is_below(path))
        durable_forget(path);
    int result = real.unlink(path);
    come_after(action);
    return result;
}

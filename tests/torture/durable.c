/* Uses system calls that faults.c does not stand before. One file at a time is copied, by one process: a copy that was
 * begun before another must not take its place. */
#include "durable.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEPT_BYTES 512
#define PATH_BYTES (KEPT_BYTES + 64)

static char kept[KEPT_BYTES];
static int lock = -1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int open_path(const char *path, int flags)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
}

void durable_begin(const char *directory)
{
    snprintf(kept, sizeof kept, "%s", directory);
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/lock", kept);
    lock = open_path(path, O_RDWR | O_CREAT);
}

/* Under a name of its own, for a process may be killed meanwhile. */
static int begin_copy(char path[static PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/copy", kept);
    return open_path(path, O_WRONLY | O_CREAT | O_TRUNC);
}

static void end_copy(const char *copy, int out, ino_t inode, const char *suffix)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%llu%s", kept, (unsigned long long)inode, suffix);
    close(out);
    syscall(SYS_renameat2, AT_FDCWD, copy, AT_FDCWD, path, 0);
}

static void keep_content(int fd, const struct stat *file)
{
    char link[64], copy[PATH_BYTES];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int in = open_path(link, O_RDONLY), out = begin_copy(copy);
    off_t at = 0;
    if (in >= 0 && out >= 0)
        while (at < file->st_size &&
               sendfile(out, in, &at, (size_t)(file->st_size - at)) > 0)
            ;
    if (in >= 0)
        close(in);
    if (out >= 0)
        end_copy(copy, out, file->st_ino, "");
}

static void keep_names(int fd, const struct stat *file)
{
    char link[64], copy[PATH_BYTES];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    DIR *directory = opendir(link);
    int out = begin_copy(copy);
    struct dirent *entry;
    while (directory && out >= 0 && (entry = readdir(directory)))
        if (entry->d_type == DT_REG)
            dprintf(out, "%s %llu\n", entry->d_name, (unsigned long long)entry->d_ino);
    if (directory)
        closedir(directory);
    if (out >= 0)
        end_copy(copy, out, file->st_ino, ".names");
}

void durable_forget(const char *path)
{
    struct stat file;
    char copy[PATH_BYTES];
    if (!kept[0] || lstat(path, &file) < 0 || file.st_nlink > 1)
        return;
    snprintf(copy, sizeof copy, "%s/%llu", kept, (unsigned long long)file.st_ino);
    syscall(SYS_unlinkat, AT_FDCWD, copy, 0);
}

void durable_keep(int fd)
{
    struct stat file;
    if (!kept[0])
        return;
    pthread_mutex_lock(&mutex);
    flock(lock, LOCK_EX);
    if (fstat(fd, &file) == 0) {
        if (S_ISDIR(file.st_mode))
            keep_names(fd, &file);
        else
            keep_content(fd, &file);
    }
    flock(lock, LOCK_UN);
    pthread_mutex_unlock(&mutex);
}

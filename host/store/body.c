#include "body.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/mem.h"

#define ID_LENGTH_MAX 64
#define OLD_SECONDS   3600
#define LISTED_MAX    10000

bool store_body_is_id(struct str id)
{
    if (id.length == 0 || id.length > ID_LENGTH_MAX)
        return false;
    for (size_t i = 0; i < id.length; i++)
        if (!ascii_digit(id.at[i]) && !(id.at[i] >= 'a' && id.at[i] <= 'z'))
            return false;
    return true;
}

static EVP_MD *fetched;

static void fetch(void)
{
    fetched = EVP_MD_fetch(NULL, "SHA2-256", NULL);
}

/* Fetched once: each use of EVP_sha256() would look for it anew. */
static const EVP_MD *sha256(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fetch);
    return fetched;
}

void store_checksum(const struct str parts[], size_t part_count,
                    unsigned char checksum[STORE_CHECKSUM_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_done = context && EVP_DigestInit_ex2(context, sha256(), NULL) == 1;
    for (size_t i = 0; i < part_count; i++)
        is_done = is_done && EVP_DigestUpdate(context, parts[i].at, parts[i].length) == 1;
    is_done = is_done && EVP_DigestFinal_ex(context, digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    invariant(is_done, "store: no SHA-256");
    memcpy(checksum, digest, STORE_CHECKSUM_BYTES);
}

struct store_content store_body_measure(const struct store_bodies *bodies,
                                        const struct str parts[], size_t part_count)
{
    struct store_content content = {.parts = parts, .part_count = part_count};
    for (size_t i = 0; i < part_count; i++)
        content.bytes += parts[i].length;
    content.is_file = content.bytes > bodies->inline_bytes;
    return content;
}

struct str store_body_join(struct store_content *content)
{
    store_checksum(content->parts, content->part_count, content->checksum);
    if (content->part_count == 1)
        return content->parts[0];
    content->joined = mem_alloc((size_t)content->bytes);
    size_t at = 0;
    for (size_t i = 0; i < content->part_count; i++) {
        if (content->parts[i].length)
            memcpy(content->joined + at, content->parts[i].at, content->parts[i].length);
        at += content->parts[i].length;
    }
    return (struct str){content->joined, at};
}

void store_body_free(struct store_content *content)
{
    free(content->joined);
    content->joined = NULL;
}

bool store_body_is_sound(struct str content, uint64_t bytes, struct str checksum)
{
    unsigned char computed[STORE_CHECKSUM_BYTES];
    if (content.length != bytes || checksum.length != sizeof computed)
        return false;
    store_checksum(&content, 1, computed);
    return memcmp(computed, checksum.at, sizeof computed) == 0;
}

/* --- files --- */

static void path_of(const struct store_bodies *bodies, struct str id, char path[PATH_MAX])
{
    invariant(store_body_is_id(id), "store: an id that is no name of a file");
    snprintf(path, PATH_MAX, "%s/%.*s", bodies->directory, STR_ARG(id));
}

static int write_all(int fd, struct str bytes)
{
    while (bytes.length) {
        ssize_t written = write(fd, bytes.at, bytes.length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written < 0 ? -errno : -EIO;
        bytes = str_from(bytes, (size_t)written);
    }
    return 0;
}

static int fsync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return result;
}

static int write_file(int fd, const struct store_content *content)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < content->part_count; i++)
        result = write_all(fd, content->parts[i]);
    if (result == 0 && fsync(fd) < 0)
        result = -errno;
    return result;
}

int store_body_write(const struct store_bodies *bodies, struct str id,
                     struct store_content *content)
{
    char path[PATH_MAX];
    path_of(bodies, id, path);
    store_checksum(content->parts, content->part_count, content->checksum);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int result = write_file(fd, content);
    if (close(fd) < 0 && result == 0)
        result = -errno;
    if (result == 0)
        result = fsync_directory(bodies->directory);
    if (result < 0)
        unlink(path);
    return result;
}

static int read_all(int fd, char *at, size_t length)
{
    while (length) {
        ssize_t count = read(fd, at, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0 ? -errno : -EBADMSG;
        at += count;
        length -= (size_t)count;
    }
    return 0;
}

int store_body_read(const struct store_bodies *bodies, struct str id, uint64_t bytes,
                    struct arena *arena, struct str *content)
{
    char path[PATH_MAX];
    path_of(bodies, id, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    struct stat found;
    int result = fstat(fd, &found) < 0 ? -errno : 0;
    if (result == 0 && (!S_ISREG(found.st_mode) || (uint64_t)found.st_size != bytes))
        result = -EBADMSG;
    if (result == 0) {
        char *memory = arena_alloc(arena, (size_t)bytes);
        result = read_all(fd, memory, (size_t)bytes);
        *content = (struct str){memory, (size_t)bytes};
    }
    close(fd);
    return result;
}

void store_body_remove(const struct store_bodies *bodies, struct str id)
{
    char path[PATH_MAX];
    path_of(bodies, id, path);
    unlink(path);
}

/* --- the folder --- */

static bool is_old(DIR *directory, const char *name)
{
    struct stat file;
    return fstatat(dirfd(directory), name, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(file.st_mode) && file.st_mtime < time(NULL) - OLD_SECONDS;
}

void store_body_list(struct store_body_listing *listing)
{
    DIR *directory = opendir(listing->bodies->directory);
    if (!directory)
        return;
    listing->ids = arena_array(listing->arena, struct str, LISTED_MAX);
    listing->is_kept = arena_array(listing->arena, bool, LISTED_MAX);
    for (struct dirent *entry;
         listing->count < LISTED_MAX && (entry = readdir(directory));) {
        struct str name = str_of(entry->d_name);
        if (store_body_is_id(name) && is_old(directory, entry->d_name))
            listing->ids[listing->count++] = arena_str(listing->arena, name);
    }
    closedir(directory);
}

/* A file is written under a hidden name, which key_ring passes over, and then gets its own. */
#include "key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/buf.h"

#define LINES_BYTES_MAX ((size_t)8 * 1024)

static int fail(const char *path, struct err *err)
{
    return err_set(err, -errno, "%s: %s", path, strerror(errno));
}

/* "<folder>/<name>", -1 if that is too long. */
static int join(char path[PATH_MAX], const char *folder, const char *name)
{
    int length = snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return length < PATH_MAX ? 0 : -1;
}

/* --- folders and files --- */

/* What root makes belongs to whom the folder around it does. */
static int give_away(const char *folder, const char *path)
{
    struct stat owner;
    if (geteuid() != 0)
        return 0;
    return stat(folder, &owner) < 0 ? -1 : chown(path, owner.st_uid, owner.st_gid);
}

static int sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return result;
}

static int make_folder(const char *above, const char *path, struct err *err)
{
    if (mkdir(path, 0700) < 0)
        return errno == EEXIST ? 0 : fail(path, err);
    if (give_away(above, path) < 0 || sync_folder(above) < 0)
        return fail(path, err);
    return 0;
}

/* Makes the folder of a domain: its path. */
static int make_domain_folder(const char *directory, struct str domain,
                              char folder[PATH_MAX], struct err *err)
{
    char name[PATH_MAX], above[PATH_MAX];
    snprintf(name, sizeof name, "%.*s", STR_ARG(domain));
    if (join(folder, directory, name) < 0 || join(above, directory, "..") < 0)
        return err_set(err, -ENAMETOOLONG, "%s: path too long", directory);
    int result = make_folder(above, directory, err);
    return result < 0 ? result : make_folder(directory, folder, err);
}

static int write_and_sync(int fd, struct str bytes)
{
    ssize_t written = write(fd, bytes.at, bytes.length);
    if (written >= 0 && (size_t)written < bytes.length)
        errno = ENOSPC;
    int result = written == (ssize_t)bytes.length ? fsync(fd) : -1;
    return close(fd) < 0 ? -1 : result;
}

/* Puts a file in its place, where none may be if it `is_new`. */
static int place_file(const char *folder, const char *name, struct str bytes, bool is_new,
                      struct err *err)
{
    char path[PATH_MAX], hidden[PATH_MAX];
    if (join(path, folder, name) < 0 || join(hidden, folder, ".new-XXXXXX") < 0)
        return err_set(err, -ENAMETOOLONG, "%s: path too long", folder);
    int fd = mkostemp(hidden, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return fail(hidden, err);
    int result = 0;
    if (write_and_sync(fd, bytes) < 0 || give_away(folder, hidden) < 0 ||
        (is_new ? link(hidden, path) : rename(hidden, path)) < 0 || sync_folder(folder) < 0)
        result = fail(path, err);
    if (is_new || result < 0)
        unlink(hidden);
    return result;
}

/* --- keys --- */

static int place_key(const char *folder, const char *name, EVP_PKEY *key, struct err *err)
{
    char *pem = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    int result = err_set(err, -EIO, "the key cannot be written as PEM");
    if (PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        long length = BIO_get_mem_data(bio, &pem);
        result = place_file(folder, name, (struct str){pem, (size_t)length}, true, err);
        OPENSSL_cleanse(pem, (size_t)length);
    }
    BIO_free(bio);
    return result;
}

int key_file_new(const struct key_file *file, bool is_ed25519, unsigned bits,
                 struct err *err)
{
    char folder[PATH_MAX], name[PATH_MAX];
    int result = make_domain_folder(file->directory, file->domain, folder, err);
    if (result < 0)
        return result;
    snprintf(name, sizeof name, "%.*s.pem", STR_ARG(file->selector));
    EVP_PKEY *key = is_ed25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                               : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
    result = key ? place_key(folder, name, key, err)
                 : err_set(err, -EIO, "no key of %u bits can be made", bits);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return result;
}

int key_file_write_lines(const char *directory, struct str domain, const char *name,
                         const struct str lines[], size_t count, struct err *err)
{
    char folder[PATH_MAX];
    struct buf text;
    int result = make_domain_folder(directory, domain, folder, err);
    buf_init(&text, LINES_BYTES_MAX);
    for (size_t i = 0; i < count && result == 0; i++)
        if (buf_append(&text, lines[i]) < 0 || buf_append(&text, STR("\n")) < 0)
            result = err_set(err, -E2BIG, "%s/%s: too many keys", folder, name);
    if (result == 0)
        result = place_file(folder, name, buf_view(&text), false, err);
    buf_free(&text);
    return result;
}

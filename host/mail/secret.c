/* No secret is used as it is: each purpose has a key that is derived from it once, when the file is read, and kept
 * in an EVP_MAC_CTX that is only ever copied. The file is never written in place: another one takes its name, so
 * that a reader sees one or the other, and so does a machine that lost its power. */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/mem.h"
#include "mail/base32.h"

#define LINE_DIGITS    ((size_t)SECRET_BYTES * 2)
#define FILE_BYTES_MAX 4096
#define FORBIDDEN_MODE (S_IRWXO | S_IWGRP | S_IXGRP)
#define PATH_BYTES_MAX 4096

static const char *const purposes[] = {[SECRET_SRS] = "postern srs",
                                       [SECRET_HOP] = "postern hop",
                                       [SECRET_LEDGER] = "postern ledger"};
#define PURPOSE_COUNT (sizeof purposes / sizeof *purposes)

struct secret {
    size_t count;
    EVP_MAC_CTX *keyed[SECRETS_MAX][PURPOSE_COUNT];
};

/* What the file says. */
struct lines {
    unsigned char bytes[SECRETS_MAX][SECRET_BYTES];
    size_t count;
};

/* --- the text of the file --- */

static int hex_value(char digit)
{
    char lower = ascii_lower(digit);
    if (ascii_digit(digit))
        return digit - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool read_line(struct str line, unsigned char bytes[SECRET_BYTES])
{
    if (line.length != LINE_DIGITS)
        return false;
    for (size_t i = 0; i < SECRET_BYTES; i++) {
        int high = hex_value(line.at[2 * i]), low = hex_value(line.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static int read_lines(const char *path, struct str text, struct lines *lines,
                      struct err *err)
{
    for (size_t number = 1; text.length; number++) {
        struct str line = str_trim(str_cut(&text, '\n'));
        if (!line.length)
            continue;
        if (lines->count == SECRETS_MAX)
            return err_set(err, -EINVAL, "%s:%zu: more than %d secrets", path, number,
                           SECRETS_MAX);
        if (!read_line(line, lines->bytes[lines->count++]))
            return err_set(err, -EINVAL, "%s:%zu: a secret is %zu hexadecimal digits", path,
                           number, LINE_DIGITS);
    }
    return lines->count ? 0 : err_set(err, -EINVAL, "%s: there is no secret in it", path);
}

static struct str write_lines(const struct lines *lines, char text[FILE_BYTES_MAX])
{
    size_t length = 0;
    for (size_t i = 0; i < lines->count; i++) {
        for (size_t j = 0; j < SECRET_BYTES; j++, length += 2)
            snprintf(text + length, 3, "%02x", lines->bytes[i][j]);
        text[length++] = '\n';
    }
    return (struct str){text, length};
}

/* Puts a new one in front. */
static void add_secret(struct lines *lines)
{
    if (lines->count == SECRETS_MAX)
        lines->count--;
    memmove(lines->bytes[1], lines->bytes[0], lines->count * SECRET_BYTES);
    invariant(RAND_bytes(lines->bytes[0], SECRET_BYTES) == 1, "secret: no random bytes");
    lines->count++;
}

/* --- the file --- */

static int fail(const char *path, struct err *err)
{
    return err_set(err, -errno, "%s: %s", path, strerror(errno));
}

static int load(int fd, const char *path, struct lines *lines, struct err *err)
{
    struct stat file;
    if (fstat(fd, &file) < 0)
        return fail(path, err);
    if (file.st_mode & FORBIDDEN_MODE)
        return err_set(
            err, -EPERM,
            "%s: its mode is %03o: others than its owner can get at it, make it 600", path,
            file.st_mode & 0777);
    char text[FILE_BYTES_MAX];
    ssize_t got = read(fd, text, sizeof text);
    if (got < 0)
        return fail(path, err);
    if (got == sizeof text)
        return err_set(err, -EFBIG, "%s: larger than a file of secrets is", path);
    int result = read_lines(path, (struct str){text, (size_t)got}, lines, err);
    OPENSSL_cleanse(text, sizeof text);
    return result;
}

/* The name itself is on stable storage only with its folder. */
static int sync_folder(const char *path)
{
    char folder[PATH_BYTES_MAX];
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) + 1 : 0;
    snprintf(folder, sizeof folder, "%.*s", length, path);
    int fd = open(length ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return result;
}

static int write_and_sync(int fd, const struct lines *lines)
{
    char memory[FILE_BYTES_MAX];
    struct str text = write_lines(lines, memory);
    ssize_t put = write(fd, text.at, text.length);
    int result = put < 0 || fsync(fd) < 0 ? -errno : 0;
    OPENSSL_cleanse(memory, sizeof memory);
    return result == 0 && (size_t)put < text.length ? -ENOSPC : result;
}

/* Writes them under a name of its own beside `path`, as `like` (NULL: mode 0600) is owned. */
static int write_beside(const char *path, const struct lines *lines,
                        const struct stat *like, char name[PATH_BYTES_MAX])
{
    if (snprintf(name, PATH_BYTES_MAX, "%s.XXXXXX", path) >= PATH_BYTES_MAX)
        return -ENAMETOOLONG;
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = 0;
    if (like && (fchown(fd, like->st_uid, like->st_gid) < 0 ||
                 fchmod(fd, like->st_mode & 0777) < 0))
        result = -errno;
    if (result == 0)
        result = write_and_sync(fd, lines);
    close(fd);
    if (result < 0)
        unlink(name);
    return result;
}

/* The first of several processes gives the file its name; it is the secret of them all. */
static int make(const char *path)
{
    struct lines lines = {.count = 0};
    char name[PATH_BYTES_MAX];
    add_secret(&lines);
    int result = write_beside(path, &lines, NULL, name);
    OPENSSL_cleanse(&lines, sizeof lines);
    if (result < 0)
        return result;
    if (link(name, path) < 0 && errno != EEXIST)
        result = -errno;
    unlink(name);
    return result < 0 ? result : sync_folder(path);
}

static int open_or_make(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        int result = make(path);
        if (result < 0)
            return err_set(err, result, "%s: %s", path, strerror(-result));
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    return fd < 0 ? fail(path, err) : fd;
}

/* The file, locked, that still has the name once the lock is there: of two rotations, each adds its secret. */
static int open_locked(const char *path, struct stat *file)
{
    for (;;) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return -errno;
        struct stat named;
        if (flock(fd, LOCK_EX) < 0 || fstat(fd, file) < 0 || stat(path, &named) < 0) {
            int result = -errno;
            close(fd);
            return result;
        }
        if (named.st_ino == file->st_ino && named.st_dev == file->st_dev)
            return fd;
        close(fd);
    }
}

static int replace(const char *path, const struct lines *lines, const struct stat *like)
{
    char name[PATH_BYTES_MAX];
    int result = write_beside(path, lines, like, name);
    if (result == 0 && rename(name, path) < 0) {
        result = -errno;
        unlink(name);
    }
    return result < 0 ? result : sync_folder(path);
}

int secret_rotate(const char *path, struct err *err)
{
    struct stat file = {0};
    int fd = open_locked(path, &file);
    if (fd < 0)
        return err_set(err, fd, "%s: %s", path, strerror(-fd));
    struct lines lines = {.count = 0};
    int result = load(fd, path, &lines, err);
    if (result == 0) {
        add_secret(&lines);
        result = replace(path, &lines, &file);
        if (result < 0)
            err_set(err, result, "%s: %s", path, strerror(-result));
    }
    OPENSSL_cleanse(&lines, sizeof lines);
    close(fd);
    return result;
}

/* --- the keys --- */

static EVP_MAC_CTX *new_keyed(EVP_MAC *hmac, const unsigned char key[SECRET_BYTES])
{
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    EVP_MAC_CTX *keyed = EVP_MAC_CTX_new(hmac);
    invariant(keyed && EVP_MAC_init(keyed, key, SECRET_BYTES, parameters) == 1,
              "secret: no HMAC-SHA-256");
    return keyed;
}

static void finish(EVP_MAC_CTX *keyed, struct str text, unsigned char mac[SECRET_MAC_BYTES])
{
    size_t length;
    invariant(EVP_MAC_update(keyed, (const unsigned char *)text.at, text.length) == 1 &&
                  EVP_MAC_final(keyed, mac, &length, SECRET_MAC_BYTES) == 1 &&
                  length == SECRET_MAC_BYTES,
              "secret: no MAC");
    EVP_MAC_CTX_free(keyed);
}

static struct secret *derive(const struct lines *lines)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    struct secret *secret = mem_zero(1, sizeof *secret);
    secret->count = lines->count;
    for (size_t n = 0; n < lines->count; n++)
        for (size_t purpose = 0; purpose < PURPOSE_COUNT; purpose++) {
            unsigned char key[SECRET_MAC_BYTES];
            finish(new_keyed(hmac, lines->bytes[n]), str_of(purposes[purpose]), key);
            secret->keyed[n][purpose] = new_keyed(hmac, key);
            OPENSSL_cleanse(key, sizeof key);
        }
    EVP_MAC_free(hmac);
    return secret;
}

struct secret *secret_open(const char *path, struct err *err)
{
    int fd = open_or_make(path, err);
    if (fd < 0)
        return NULL;
    struct lines lines = {.count = 0};
    int result = load(fd, path, &lines, err);
    close(fd);
    struct secret *secret = result == 0 ? derive(&lines) : NULL;
    OPENSSL_cleanse(&lines, sizeof lines);
    return secret;
}

void secret_free(struct secret *secret)
{
    if (!secret)
        return;
    for (size_t n = 0; n < secret->count; n++)
        for (size_t purpose = 0; purpose < PURPOSE_COUNT; purpose++)
            EVP_MAC_CTX_free(secret->keyed[n][purpose]);
    free(secret);
}

size_t secret_count(const struct secret *secret)
{
    return secret->count;
}

void secret_mac(const struct secret *secret, size_t n, enum secret_purpose purpose,
                struct str text, unsigned char mac[SECRET_MAC_BYTES])
{
    invariant(n < secret->count, "secret: there is one of this number");
    EVP_MAC_CTX *keyed = EVP_MAC_CTX_dup(secret->keyed[n][purpose]);
    invariant(keyed, "secret: no copy of a key");
    finish(keyed, text, mac);
}

/* --- tags --- */

static void tag_by(const struct secret *secret, size_t n, enum secret_purpose purpose,
                   struct str text, char *tag, size_t length)
{
    unsigned char mac[SECRET_MAC_BYTES];
    secret_mac(secret, n, purpose, text, mac);
    for (size_t i = 0; i < length; i++) {
        size_t bit = 5 * i, byte = bit / 8;
        unsigned two_bytes = (unsigned)mac[byte] << 8;
        if (byte + 1 < SECRET_MAC_BYTES)
            two_bytes |= mac[byte + 1];
        tag[i] = base32_digit(two_bytes >> (11 - bit % 8));
    }
}

void secret_tag(const struct secret *secret, enum secret_purpose purpose, struct str text,
                char *tag, size_t length)
{
    invariant(length <= SECRET_TAG_DIGITS_MAX, "secret: a tag within the MAC");
    tag_by(secret, 0, purpose, text, tag, length);
}

bool secret_tag_verify(const struct secret *secret, enum secret_purpose purpose,
                       struct str text, struct str tag)
{
    char given[SECRET_TAG_DIGITS_MAX], expected[SECRET_TAG_DIGITS_MAX];
    if (!tag.length || tag.length > sizeof given)
        return false;
    for (size_t i = 0; i < tag.length; i++) {
        int value = base32_value(tag.at[i]);
        if (value < 0)
            return false;
        given[i] = base32_digit((unsigned)value);
    }
    bool matches = false;
    for (size_t n = 0; n < secret->count; n++) {
        tag_by(secret, n, purpose, text, expected, tag.length);
        matches |= CRYPTO_memcmp(given, expected, tag.length) == 0;
    }
    return matches;
}

/* Folders are read in order of name, so that everything that lists keys does so in the same order. One domain's
 * entry holds its active keys ready for the signer; the keys themselves are in one list. */
#include "key_ring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/mem.h"
#include "base/table.h"
#include "delivery/key_file.h"
#include "delivery/signer.h"
#include "mail/domain.h"

#define KEY_SUFFIX         ".pem"
#define KEY_FILE_BYTES_MAX ((size_t)16 * 1024)
#define ED25519_KEY_BYTES  32

struct ring_key {
    struct signing_key key;
    struct ring_key *next;
};

struct domain_keys {
    const struct signing_key *active[KEY_RING_ACTIVE_MAX];
    size_t active_count;
};

struct key_ring {
    size_t references;
    struct arena *arena;
    struct ring_key *first, **end; /* by domain and selector */
    struct table *domains;         /* of struct domain_keys */
};

/* --- files --- */

/* A secret's file: bounded, and not for everybody to read. */
static int read_file(const char *path, bool is_secret, struct arena *arena,
                     struct str *content, struct err *err)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *bytes = arena_alloc(arena, KEY_FILE_BYTES_MAX);
    ssize_t length = fd < 0 ? -1 : read(fd, bytes, KEY_FILE_BYTES_MAX);
    bool is_read = length >= 0 && fstat(fd, &status) == 0;
    int code = is_read ? 0 : -errno;
    if (fd >= 0)
        close(fd);
    *content = (struct str){bytes, is_read ? (size_t)length : 0};
    if (!is_read)
        return err_set(err, code, "%s: %s", path, strerror(-code));
    if (content->length == KEY_FILE_BYTES_MAX)
        return err_set(err, -EFBIG, "%s: too large", path);
    if (is_secret && (status.st_mode & S_IRWXO))
        return err_set(err, -EACCES,
                       "%s: may be used by everybody; take that away with chmod o=", path);
    return 0;
}

static int is_not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

typedef int visit_fn(struct key_ring *ring, const char *folder, const char *name,
                     struct err *err);

/* Calls `visit` for everything in a folder that is not hidden, until it returns an error. */
static int each_entry(struct key_ring *ring, const char *folder, visit_fn *visit,
                      struct err *err)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_not_hidden, compare_names);
    if (count < 0)
        return err_set(err, -errno, "%s: %s", folder, strerror(errno));
    int result = 0;
    for (int i = 0; i < count; i++) {
        if (result == 0)
            result = visit(ring, folder, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    return result;
}

/* --- one key --- */

/* A key with a passphrase is no key: nobody is asked for it. */
static EVP_PKEY *decode(struct str pem)
{
    char no_passphrase[] = "";
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.length);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, no_passphrase);
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

/* What is wrong with it, or NULL. */
static const char *fault_of(const EVP_PKEY *key)
{
    if (!key)
        return "is no private key (PEM, without passphrase)";
    if (EVP_PKEY_is_a(key, "ED25519"))
        return NULL;
    if (!EVP_PKEY_is_a(key, "RSA"))
        return "is neither an RSA nor an Ed25519 key";
    if (EVP_PKEY_get_bits(key) < SIGNING_KEY_BITS_MIN)
        return "is too weak: RSA keys have at least 2048 bits";
    if (EVP_PKEY_get_bits(key) > SIGNING_KEY_BITS_MAX)
        return "is too large: verifiers need not accept more than 4096 bits";
    return NULL;
}

static int add_key(struct key_ring *ring, struct str domain, struct str selector,
                   EVP_PKEY *private_key)
{
    struct ring_key *added = arena_new_of(ring->arena, struct ring_key);
    added->key = (struct signing_key){.domain = domain,
                                      .selector = selector,
                                      .is_ed25519 = EVP_PKEY_is_a(private_key, "ED25519"),
                                      .private_key = private_key,
                                      .signer = signer_new(private_key)};
    *ring->end = added;
    ring->end = &added->next;
    return added->key.signer ? 0 : -EINVAL;
}

static struct str folder_name(const char *folder)
{
    struct str path = str_of(folder);
    return str_from(path, (size_t)(str_last_index(path, '/') + 1));
}

static int load_key(struct key_ring *ring, const char *folder, const char *name,
                    struct err *err)
{
    struct str file = str_of(name);
    struct str selector, pem;
    if (!str_ends_nocase(file, STR(KEY_SUFFIX)))
        return 0;
    const char *path = arena_printf(ring->arena, "%s/%s", folder, name);
    file.length -= sizeof KEY_SUFFIX - 1;
    if (domain_normalize(file, ring->arena, &selector) < 0 || !str_equal(selector, file))
        return err_set(err, -EINVAL, "%s: \"%.*s\" is no selector (in lower case)", path,
                       STR_ARG(file));
    int result = read_file(path, true, ring->arena, &pem, err);
    if (result < 0)
        return result;
    EVP_PKEY *key = decode(pem);
    OPENSSL_cleanse((char *)pem.at, pem.length);
    const char *fault = fault_of(key);
    if (fault) {
        EVP_PKEY_free(key);
        return err_set(err, -EINVAL, "%s: %s", path, fault);
    }
    if (add_key(ring, folder_name(folder), selector, key) < 0)
        return err_set(err, -EINVAL, "%s: cannot sign", path);
    return 0;
}

/* --- one domain --- */

static struct signing_key *find_key(const struct key_ring *ring, struct str domain,
                                    struct str selector)
{
    for (struct ring_key *at = ring->first; at; at = at->next)
        if (str_equal(at->key.domain, domain) && str_equal(at->key.selector, selector))
            return &at->key;
    return NULL;
}

static int activate(struct key_ring *ring, const char *path, struct str domain,
                    struct str selector, struct err *err)
{
    struct domain_keys *keys = table_get(ring->domains, domain);
    struct signing_key *key = find_key(ring, domain, selector);
    if (!key)
        return err_set(err, -ENOENT, "%s: there is no %.*s" KEY_SUFFIX, path,
                       STR_ARG(selector));
    if (key->is_active)
        return err_set(err, -EINVAL, "%s: %.*s stands there twice", path,
                       STR_ARG(selector));
    if (!keys) {
        keys = arena_new_of(ring->arena, struct domain_keys);
        table_set(ring->domains, domain, keys);
    }
    if (keys->active_count == KEY_RING_ACTIVE_MAX)
        return err_set(err, -E2BIG, "%s: more than %d keys", path, KEY_RING_ACTIVE_MAX);
    key->is_active = true;
    size_t at = keys->active_count++;
    if (!key->is_ed25519)
        for (; at > 0 && keys->active[at - 1]->is_ed25519; at--)
            keys->active[at] = keys->active[at - 1];
    keys->active[at] = key;
    return 0;
}

/* A key that is in use again, or is no longer there, has nothing more to do with what stands there of it. */
static int retire(struct key_ring *ring, const char *path, struct str domain,
                  struct str line, struct err *err)
{
    struct str since = line;
    struct signing_key *key = find_key(ring, domain, str_cut(&since, ' '));
    (void)path, (void)err;
    if (key && !key->is_active)
        key->retired_at = str_trim(since);
    return 0;
}

typedef int line_fn(struct key_ring *ring, const char *path, struct str domain,
                    struct str line, struct err *err);

/* Of a file that need not be there. */
static int each_line(struct key_ring *ring, const char *folder, const char *name,
                     line_fn *see, struct err *err)
{
    const char *path = arena_printf(ring->arena, "%s/%s", folder, name);
    struct str lines = {0};
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return 0;
    int result = read_file(path, false, ring->arena, &lines, err);
    while (lines.length && result == 0) {
        struct str line = str_trim(str_cut(&lines, '\n'));
        if (line.length)
            result = see(ring, path, folder_name(folder), line, err);
    }
    return result;
}

static int load_domain(struct key_ring *ring, const char *directory, const char *name,
                       struct err *err)
{
    const char *folder = arena_printf(ring->arena, "%s/%s", directory, name);
    struct stat status;
    struct str domain;
    if (stat(folder, &status) < 0)
        return err_set(err, -errno, "%s: %s", folder, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return 0;
    if (domain_normalize(str_of(name), ring->arena, &domain) < 0)
        return err_set(err, -EINVAL, "%s: the folder's name is no domain", folder);
    if (!str_equal(domain, str_of(name)))
        return err_set(err, -EINVAL, "%s: the folder's name should be %.*s", folder,
                       STR_ARG(domain));
    int result = each_entry(ring, folder, load_key, err);
    if (result == 0)
        result = each_line(ring, folder, KEY_FILE_ACTIVE, activate, err);
    return result < 0 ? result : each_line(ring, folder, KEY_FILE_RETIRED, retire, err);
}

/* --- the ring --- */

struct key_ring *key_ring_load(const char *directory, struct err *err)
{
    struct key_ring *ring = mem_zero(1, sizeof *ring);
    ring->references = 1;
    ring->arena = arena_new();
    ring->domains = table_new();
    ring->end = &ring->first;
    if (access(directory, F_OK) < 0 && errno == ENOENT)
        return ring;
    if (each_entry(ring, directory, load_domain, err) == 0)
        return ring;
    key_ring_release(ring);
    return NULL;
}

struct key_ring *key_ring_keep(struct key_ring *ring)
{
    ring->references++;
    return ring;
}

void key_ring_release(struct key_ring *ring)
{
    if (!ring || --ring->references)
        return;
    for (struct ring_key *at = ring->first; at; at = at->next) {
        signer_free(at->key.signer);
        EVP_PKEY_free(at->key.private_key);
    }
    table_free(ring->domains);
    arena_free(ring->arena);
    free(ring);
}

const struct signing_key *const *key_ring_find(const struct key_ring *ring,
                                               struct str domain, size_t *count)
{
    for (; domain.length; str_cut(&domain, '.')) {
        const struct domain_keys *keys = table_get(ring->domains, domain);
        if (!keys)
            continue;
        *count = keys->active_count;
        return keys->active;
    }
    *count = 0;
    return NULL;
}

void key_ring_each(const struct key_ring *ring,
                   void (*see)(const struct signing_key *key, void *arg), void *arg)
{
    for (const struct ring_key *at = ring->first; at; at = at->next)
        see(&at->key, arg);
}

/* --- what is published --- */

struct str signing_key_record(const struct signing_key *key, struct arena *arena)
{
    unsigned char raw[ED25519_KEY_BYTES];
    unsigned char *der = raw;
    size_t length = sizeof raw;
    if (key->is_ed25519) {
        invariant(EVP_PKEY_get_raw_public_key(key->private_key, raw, &length) == 1,
                  "key ring: a private key has its public one");
    } else {
        unsigned char *encoded = NULL;
        int bytes = i2d_PUBKEY(key->private_key, &encoded);
        invariant(bytes > 0, "key ring: a private key has its public one");
        der = encoded;
        length = (size_t)bytes;
    }
    char *text = arena_alloc(arena, (length + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)text, der, (int)length);
    if (der != raw)
        OPENSSL_free(der);
    return str_of(arena_printf(arena, "v=DKIM1; k=%s; p=%s",
                               key->is_ed25519 ? "ed25519" : "rsa", text));
}

struct str signing_key_name(const struct signing_key *key, struct arena *arena)
{
    return str_of(arena_printf(arena, "%.*s._domainkey.%.*s", STR_ARG(key->selector),
                               STR_ARG(key->domain)));
}

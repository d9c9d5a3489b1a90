/* What tells one version of a worker from another: the SHA-256 of all that its isolate is loaded with, and that of the
 * script alone. */
#include <stdio.h>

#include <openssl/evp.h>

#include "config_internal.h"

#include "base/mem.h"

#define DIGEST_BYTES 32

static EVP_MD_CTX *hash_begin(void)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    invariant(hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1,
              "SHA-256 is not available");
    return hash;
}

static void hash_end(EVP_MD_CTX *hash, unsigned char digest[DIGEST_BYTES])
{
    EVP_DigestFinal_ex(hash, digest, NULL);
    EVP_MD_CTX_free(hash);
}

static void hash_end_digits(EVP_MD_CTX *hash, char digits[CONFIG_VERSION_BYTES])
{
    unsigned char digest[DIGEST_BYTES];
    hash_end(hash, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(digits + 2 * i, 3, "%02x", digest[i]);
}

static void hash_text(EVP_MD_CTX *hash, struct str text)
{
    EVP_DigestUpdate(hash, &text.length, sizeof text.length);
    EVP_DigestUpdate(hash, text.at, text.length);
}

uint64_t config_hash64(const struct str texts[], size_t count)
{
    unsigned char digest[DIGEST_BYTES];
    uint64_t number;
    EVP_MD_CTX *hash = hash_begin();
    for (size_t i = 0; i < count; i++)
        hash_text(hash, texts[i]);
    hash_end(hash, digest);
    memcpy(&number, digest, sizeof number);
    return number;
}

/* --- the version --- */

static void hash_env(EVP_MD_CTX *hash, const struct worker_options *options)
{
    for (size_t i = 0; i < options->variable_count; i++) {
        hash_text(hash, options->variables[i].name);
        hash_text(hash, options->variables[i].value);
    }
    for (size_t i = 0; i < options->binding_count; i++) {
        hash_text(hash, options->bindings[i].name);
        hash_text(hash, options->bindings[i].kind);
    }
}

static void set_version(struct config_worker *worker)
{
    const struct worker_options *options = &worker->options;
    EVP_MD_CTX *hash = hash_begin();
    hash_text(hash, options->script);
    hash_text(hash, options->source);
    for (size_t i = 0; i < options->module_count; i++) {
        hash_text(hash, options->modules[i].name);
        hash_text(hash, options->modules[i].source);
    }
    hash_env(hash, options);
    for (size_t i = 0; i < config_worker_options.count; i++) {
        const struct option_row *row = &config_worker_options.rows[i];
        size_t bytes = row->type == OPTION_BYTES64 ? 8 : 4;
        hash_text(hash, (struct str){(const char *)&options->limits + row->offset, bytes});
    }
    hash_text(hash, (struct str){(const char *)&options->circuit, sizeof options->circuit});
    hash_end_digits(hash, worker->version);
}

/* --- the script's hash --- */

static void hash_file(struct str source, char digits[CONFIG_VERSION_BYTES])
{
    EVP_MD_CTX *hash = hash_begin();
    EVP_DigestUpdate(hash, source.at, source.length);
    hash_end_digits(hash, digits);
}

/* A line as `sha256sum` prints it. */
static void hash_line(EVP_MD_CTX *hash, struct str source, const char *name)
{
    char digits[CONFIG_VERSION_BYTES];
    hash_file(source, digits);
    EVP_DigestUpdate(hash, digits, strlen(digits));
    EVP_DigestUpdate(hash, "  ", 2);
    EVP_DigestUpdate(hash, name, strlen(name));
    EVP_DigestUpdate(hash, "\n", 1);
}

static void set_script_hash(struct config_worker *worker)
{
    const struct worker_options *options = &worker->options;
    if (options->module_count == 0) {
        hash_file(options->source, worker->script_hash);
        return;
    }
    struct arena *arena = arena_new();
    EVP_MD_CTX *hash = hash_begin();
    hash_line(hash, options->source, arena_text(arena, options->script));
    for (size_t i = 0; i < options->module_count; i++)
        hash_line(hash, options->modules[i].source,
                  config_module_file(options->modules[i].name, arena));
    hash_end_digits(hash, worker->script_hash);
    arena_free(arena);
}

void config_set_version(struct config_worker *worker)
{
    set_version(worker);
    set_script_hash(worker);
    worker->options.label = str_of(worker->script_hash);
}

struct str config_short_hash(const struct config_worker *worker)
{
    return (struct str){worker->script_hash, CONFIG_HASH_DIGITS};
}

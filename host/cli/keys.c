/* Signing keys: a new one waits until it is published; `rotate` puts it to use then, and retires the one of its kind
 * that was in use. */
#include "cli/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "host.h"

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/zone.h"
#include "delivery/key_file.h"
#include "mail/domain.h"

#define SELECTOR_BYTES 16

int keys_fail(const struct keys_request *request, const char *reason)
{
    fprintf(stderr, "postern keys %s: %s\n", request->verb, reason);
    return EXIT_FAILURE;
}

/* --- new --- */

/* What is printed of a key that has just been made, which a ring must be loaded for. */
struct made {
    const struct keys_request *request;
    struct str selector;
    struct zone_record record;
};

static void find_made(const struct signing_key *key, void *arg)
{
    struct made *made = arg;
    if (str_equal(key->domain, made->request->domain) &&
        str_equal(key->selector, made->selector))
        made->record = zone_key_record(key, made->request->arena);
}

static int tell_made(const struct keys_request *request, struct str selector)
{
    struct made made = {.request = request, .selector = selector};
    struct err err;
    struct key_ring *ring = key_ring_load(request->keys_directory, &err);
    if (!ring)
        return keys_fail(request, err.text);
    key_ring_each(ring, find_made, &made);
    key_ring_release(ring);
    if (request->as_json) {
        cli_json_print(json_pack("{so so so}", "domain", cli_json_bytes(request->domain),
                                 "selector", cli_json_bytes(selector), "record",
                                 zone_json(&made.record)));
        return EXIT_SUCCESS;
    }
    printf("; publish this, then: postern keys rotate %.*s\n", STR_ARG(request->domain));
    zone_print(&made.record);
    return EXIT_SUCCESS;
}

/* "p202611a" … */
static void dated_selector(char letter, char selector[SELECTOR_BYTES])
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    size_t length = strftime(selector, SELECTOR_BYTES - 1, "p%Y%m", &utc);
    selector[length] = letter;
    selector[length + 1] = '\0';
}

int keys_make(const struct keys_request *request, const char *selector, bool is_ed25519,
              unsigned bits)
{
    char dated[SELECTOR_BYTES];
    struct key_file file = {request->keys_directory, request->domain, {0}};
    struct err err;
    int result = -EEXIST;
    if (selector) {
        if (domain_normalize(str_of(selector), request->arena, &file.selector) < 0)
            return keys_fail(request, "that is no selector");
        result = key_file_new(&file, is_ed25519, bits, &err);
    }
    for (char letter = 'a'; !selector && letter <= 'z' && result == -EEXIST; letter++) {
        dated_selector(letter, dated);
        file.selector = str_of(dated);
        result = key_file_new(&file, is_ed25519, bits, &err);
    }
    return result < 0 ? keys_fail(request, err.text) : tell_made(request, file.selector);
}

static int new_key(const struct keys_request *request)
{
    struct str algorithm = str_of(request->algorithm ? request->algorithm : "rsa");
    unsigned long long bits = KEYS_BITS_PRESET;
    bool is_ed25519 = str_equal(algorithm, STR("ed25519"));
    if (!is_ed25519 && !str_equal(algorithm, STR("rsa")))
        return keys_fail(request, "--algorithm is rsa or ed25519");
    if (request->bits && (is_ed25519 || !str_to_number(str_of(request->bits), &bits) ||
                          bits < SIGNING_KEY_BITS_MIN || bits > SIGNING_KEY_BITS_MAX))
        return keys_fail(request, "--bits is 2048 to 4096, for RSA");
    return keys_make(request, request->selector, is_ed25519, (unsigned)bits);
}

/* --- list --- */

static const char *state_of(const struct signing_key *key)
{
    if (key->is_active)
        return "active";
    return key->retired_at.length ? "retired" : "waiting";
}

static const char *algorithm_of(const struct signing_key *key)
{
    return key->is_ed25519 ? "ed25519" : "rsa";
}

static void print_key(const struct signing_key *key, void *arg)
{
    (void)arg;
    printf("%-28.*s %-16.*s %-8s %4d  %s%s%.*s\n", STR_ARG(key->domain),
           STR_ARG(key->selector), algorithm_of(key), EVP_PKEY_get_bits(key->private_key),
           state_of(key), key->retired_at.length ? " since " : "",
           STR_ARG(key->retired_at));
}

struct listing {
    struct arena *arena;
    json_t *keys;
};

static void append_key(const struct signing_key *key, void *arg)
{
    const struct listing *listing = arg;
    struct zone_record record = zone_key_record(key, listing->arena);
    json_t *json = json_pack("{so so ss si ss so}", "domain", cli_json_bytes(key->domain),
                             "selector", cli_json_bytes(key->selector), "algorithm",
                             algorithm_of(key), "bits", EVP_PKEY_get_bits(key->private_key),
                             "state", state_of(key), "record", zone_json(&record));
    if (key->retired_at.length)
        json_object_set_new(json, "since", cli_json_bytes(key->retired_at));
    json_array_append_new(listing->keys, json);
}

static int list(const struct keys_request *request)
{
    struct listing listing = {request->arena, NULL};
    if (request->as_json) {
        listing.keys = json_array();
        key_ring_each(request->ring, append_key, &listing);
        cli_json_print(listing.keys);
    } else {
        key_ring_each(request->ring, print_key, NULL);
    }
    return EXIT_SUCCESS;
}

/* --- the command --- */

/* The last word may be the directory; what is wrong with the others, or NULL. */
static const char *read_words(struct keys_request *request, const char *const words[3])
{
    bool is_list = str_equal(str_of(words[0]), STR("list"));
    request->verb = words[0];
    if (is_list) {
        request->directory = words[1];
        if (words[2])
            return "list takes DIR, no more";
    } else {
        request->domain_text = words[1];
        request->directory = words[2];
    }
    if (!request->directory)
        request->directory = CLI_DIRECTORY;
    if (is_list)
        return NULL;
    if (!request->domain_text || domain_normalize(str_of(request->domain_text),
                                                  request->arena, &request->domain) < 0)
        return "of which domain?";
    return NULL;
}

static const char *check_flags(const struct keys_request *request)
{
    struct str verb = str_of(request->verb);
    if (!str_equal(verb, STR("new")) &&
        (request->selector || request->algorithm || request->bits))
        return "--selector, --algorithm and --bits go with new";
    if (!str_equal(verb, STR("rotate")) && (request->is_forced || request->resolver))
        return "--force and --resolver go with rotate";
    return NULL;
}

static int run(struct keys_request *request)
{
    struct str verb = str_of(request->verb);
    struct err err;
    request->keys_directory = config_keys_directory(request->directory, request->arena);
    request->ring = key_ring_load(request->keys_directory, &err);
    if (!request->ring)
        return keys_fail(request, err.text);
    if (str_equal(verb, STR("new")))
        return new_key(request);
    return str_equal(verb, STR("list")) ? list(request) : keys_rotate(request);
}

static bool is_verb(struct str word)
{
    return str_equal(word, STR("new")) || str_equal(word, STR("list")) ||
           str_equal(word, STR("rotate"));
}

int cli_keys(const struct cli_command *command, int argc, char **argv)
{
    struct keys_request request = {0};
    const char *words[3] = {"", NULL, NULL};
    const struct cli_flag flags[] = {
        {"--selector", "NAME", "of the new key; p202611a and so on unless said",
         &request.selector},
        {"--algorithm", "NAME", "rsa or ed25519; rsa unless said", &request.algorithm},
        {"--bits", "COUNT", "of an RSA key; 2048 unless said", &request.bits},
        {"--force", NULL, "use the next key without asking whether it is published",
         &request.is_forced},
        {"--resolver", "ADDRESS@PORT", "whom to ask instead of host.yaml's",
         &request.resolver},
        {"--json", NULL, "print JSON", &request.as_json},
    };
    struct cli_arguments arguments = {.flags = flags,
                                      .flag_count = sizeof flags / sizeof *flags,
                                      .positional = words,
                                      .positional_max = 3};
    int exit_code;
    if (cli_arguments_read(command, &arguments, argc, argv, &exit_code) < 0)
        return exit_code;
    request.arena = arena_new();
    const char *wrong =
        is_verb(str_of(words[0])) ? read_words(&request, words) : "new, list or rotate?";
    if (!wrong)
        wrong = check_flags(&request);
    if (wrong) {
        fprintf(stderr, "postern keys: %s\nusage: postern keys %s\n", wrong,
                command->usage);
        exit_code = 2;
    } else {
        exit_code = run(&request);
    }
    key_ring_release(request.ring);
    arena_free(request.arena);
    return exit_code;
}

/* Two runs: the first makes the next key, to be published; the second, once DNS has it, puts it to use. Files say
 * which of the two is due: a key that is neither active nor retired waits. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/evp.h>

#include "host.h"

#include "base/loop.h"
#include "cli/json.h"
#include "cli/keys.h"
#include "cli/zone.h"
#include "delivery/key_file.h"

#define KEYS_MAX        64
#define TIME_TEXT_BYTES 32

enum kind { RSA_KEY, ED25519_KEY, KINDS };

/* The keys of a domain. */
struct rotation {
    struct keys_request *request;
    const struct signing_key *keys[KEYS_MAX];
    size_t key_count;
    const struct signing_key
        *next[KINDS];                  /* the last by name of those that wait; or NULL */
    struct zone_record records[KINDS]; /* of these */
    size_t record_count;
    const struct config *config;
};

static enum kind kind_of(const struct signing_key *key)
{
    return key->is_ed25519 ? ED25519_KEY : RSA_KEY;
}

static void add_key(const struct signing_key *key, void *arg)
{
    struct rotation *rotation = arg;
    if (!str_equal(key->domain, rotation->request->domain) ||
        rotation->key_count == KEYS_MAX)
        return;
    rotation->keys[rotation->key_count++] = key;
    if (!key->is_active && !key->retired_at.length)
        rotation->next[kind_of(key)] = key;
}

/* --- the first run --- */

/* One for each that is in use; RSA for a domain that has none. */
static int make_next(const struct rotation *rotation)
{
    const struct keys_request *request = rotation->request;
    bool has_active = false;
    int exit_code = EXIT_SUCCESS;
    for (size_t i = 0; i < rotation->key_count && exit_code == EXIT_SUCCESS; i++) {
        const struct signing_key *key = rotation->keys[i];
        if (!key->is_active)
            continue;
        has_active = true;
        exit_code = keys_make(request, NULL, key->is_ed25519,
                              (unsigned)EVP_PKEY_get_bits(key->private_key));
    }
    return has_active ? exit_code : keys_make(request, NULL, false, KEYS_BITS_PRESET);
}

/* --- the second run --- */

static int ask_in_task(void *arg)
{
    struct rotation *rotation = arg;
    struct keys_request *request = rotation->request;
    struct dns_options options = rotation->config->dns;
    struct err err;
    if (request->resolver)
        options.resolver = request->resolver;
    struct dns *dns = dns_open(&options, &err);
    if (!dns) {
        keys_fail(request, err.text);
        return err.code;
    }
    struct zone_check check = {.dns = dns, .arena = request->arena};
    int result = zone_check(&check, rotation->records, rotation->record_count);
    dns_close(dns);
    return result;
}

static bool is_published(struct rotation *rotation)
{
    struct problem_list problems;
    problem_list_open(&problems);
    struct config *config =
        config_load(rotation->request->directory, CONFIG_SERVE, &problems);
    host_print_problems(&problems);
    problem_list_close(&problems);
    rotation->config = config;
    bool is_there = config && loop_run_task("keys", ask_in_task, rotation) == 0;
    for (size_t i = 0; i < rotation->record_count; i++)
        is_there = is_there && rotation->records[i].verdict == ZONE_OK;
    config_release(config);
    return is_there;
}

static void tell_unpublished(const struct rotation *rotation)
{
    for (size_t i = 0; i < rotation->record_count; i++) {
        const struct zone_record *record = &rotation->records[i];
        if (record->verdict == ZONE_OK)
            continue;
        zone_print(record);
        if (record->verdict != ZONE_UNASKED)
            zone_print_check(record);
    }
}

/* Those that sign from now on, and, with the time, those that no longer do. */
struct change {
    struct str active[KEYS_MAX], retired[KEYS_MAX];
    size_t active_count, retired_count;
};

static void decide(const struct rotation *rotation, const char *now, struct change *change)
{
    struct arena *arena = rotation->request->arena;
    for (size_t i = 0; i < rotation->key_count; i++) {
        const struct signing_key *key = rotation->keys[i];
        const struct signing_key *next = rotation->next[kind_of(key)];
        bool is_active = key == next || (key->is_active && !next);
        bool is_retired = !is_active && (key->is_active || key->retired_at.length);
        struct str since = key->retired_at.length ? key->retired_at : str_of(now);
        if (is_active)
            change->active[change->active_count++] = key->selector;
        if (is_retired)
            change->retired[change->retired_count++] = str_of(
                arena_printf(arena, "%.*s %.*s", STR_ARG(key->selector), STR_ARG(since)));
    }
}

static void tell_change(const struct rotation *rotation, const struct change *change)
{
    const struct keys_request *request = rotation->request;
    if (request->as_json) {
        json_t *active = json_array();
        for (size_t i = 0; i < change->active_count; i++)
            json_array_append_new(active, cli_json_bytes(change->active[i]));
        cli_json_print(json_pack("{so so}", "domain", cli_json_bytes(request->domain),
                                 "active", active));
        return;
    }
    for (size_t i = 0; i < change->active_count; i++)
        printf("%.*s signs for %.*s\n", STR_ARG(change->active[i]),
               STR_ARG(request->domain));
    for (size_t i = 0; i < change->retired_count; i++)
        printf("retired: %.*s; remove its file and its record when mail that it signed has "
               "arrived\n",
               STR_ARG(change->retired[i]));
    puts("Reload Postern (SIGHUP) for this to be so.");
}

/* What retires is written first: of a key that both files name, `active` is right. */
static int put_to_use(const struct rotation *rotation)
{
    const struct keys_request *request = rotation->request;
    struct change change = {.active_count = 0};
    struct err err;
    char now[TIME_TEXT_BYTES];
    time_t seconds = time(NULL);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &utc);
    decide(rotation, now, &change);
    if (key_file_write_lines(request->keys_directory, request->domain, KEY_FILE_RETIRED,
                             change.retired, change.retired_count, &err) < 0 ||
        key_file_write_lines(request->keys_directory, request->domain, KEY_FILE_ACTIVE,
                             change.active, change.active_count, &err) < 0)
        return keys_fail(request, err.text);
    tell_change(rotation, &change);
    return EXIT_SUCCESS;
}

int keys_rotate(struct keys_request *request)
{
    struct rotation rotation = {.request = request};
    key_ring_each(request->ring, add_key, &rotation);
    if (!rotation.next[RSA_KEY] && !rotation.next[ED25519_KEY])
        return make_next(&rotation);
    for (enum kind kind = 0; kind < KINDS; kind++)
        if (rotation.next[kind])
            rotation.records[rotation.record_count++] =
                zone_key_record(rotation.next[kind], request->arena);
    if (request->is_forced || is_published(&rotation))
        return put_to_use(&rotation);
    tell_unpublished(&rotation);
    return keys_fail(request, "the next key is not published yet: nothing has changed");
}

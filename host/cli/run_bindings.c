/* The bindings of a trial: given to its worker before it starts, and what it has left in KV afterwards. */
#include <errno.h>

#include "binding.h"

#include "cli/json.h"
#include "cli/run_trial.h"
#include "store/kv.h"

#define KEYS_TOLD_MAX 1000

bool trial_binding_kind(struct str name, enum binding_kind *kind)
{
    for (*kind = 0; *kind < BINDING_KIND_COUNT; ++*kind)
        if (str_equal(binding_kind_name(*kind), name))
            return true;
    return false;
}

void trial_set_bindings(struct config_worker *worker, struct binding *bindings,
                        size_t count, struct arena *arena)
{
    struct worker_options *options = &worker->options;
    worker->bindings = bindings;
    worker->binding_count = options->binding_count = count;
    options->bindings = arena_array(arena, struct worker_binding, count);
    for (size_t i = 0; i < count; i++) {
        options->bindings[i].name = bindings[i].name;
        options->bindings[i].kind = binding_kind_name(bindings[i].kind);
    }
}

static json_t *json_pair(const struct binding *binding, const struct store_kv_pair *pair)
{
    json_t *json =
        json_pack("{s:o, s:o, s:o}", "binding", cli_json_bytes(binding->name), "key",
                  cli_json_bytes(pair->key), "value", cli_json_bytes(pair->value));
    if (pair->metadata.length)
        json_object_set_new(
            json, "metadata",
            json_loadb(pair->metadata.at, pair->metadata.length, JSON_DECODE_ANY, NULL));
    if (pair->expires_s)
        json_object_set_new(json, "expiration", json_integer((json_int_t)pair->expires_s));
    return json;
}

static void add_pairs(json_t *all, struct store_kv *kv, const struct binding *binding,
                      uint64_t now_s, struct arena *arena)
{
    struct store_kv_listing listing = {.limit = KEYS_TOLD_MAX, .now_s = now_s};
    if (store_kv_list(kv, binding->space, &listing, arena) < 0)
        return;
    for (size_t i = 0; i < listing.count; i++) {
        struct store_kv_pair pair;
        struct str key = listing.pairs[i].key;
        if (store_kv_get(kv, binding->space, key, now_s, arena, &pair) < 0)
            continue;
        pair.key = key;
        json_array_append_new(all, json_pair(binding, &pair));
    }
}

json_t *trial_kv(const struct config_worker *worker, struct bindings *bindings,
                 struct arena *arena)
{
    json_t *all = json_array();
    for (size_t i = 0; i < worker->binding_count; i++) {
        const struct binding *binding = &worker->bindings[i];
        struct store_kv *kv =
            binding->kind == BINDING_KV ? bindings_memory(bindings, NULL) : NULL;
        if (kv)
            add_pairs(all, kv, binding, bindings_now_ms(bindings) / 1000, arena);
    }
    return all;
}

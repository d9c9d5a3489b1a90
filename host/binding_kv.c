/* env.NAMESPACE: values by key, in the store; for trials in memory. The limits are the hosted service's. */
#include <errno.h>
#include <string.h>

#include "binding_internal.h"

#define KEY_BYTES_MAX      512
#define VALUE_BYTES_MAX    ((size_t)25 * 1024 * 1024)
#define METADATA_BYTES_MAX 1024
#define KEYS_LISTED_MAX    1000
#define NUMBER_MAX         STORE_KV_NUMBER_MAX

static uint64_t now_s(const struct binding_request *request)
{
    return bindings_now_ms(request->place->router->bindings) / 1000;
}

/* NULL, with the failure, where nothing can be kept. */
static struct store_kv *open_kv(struct binding_request *request)
{
    struct router *router = request->place->router;
    struct err err = {0};
    if (router->store)
        return store_kv_of(router->store);
    struct store_kv *memory =
        router->bindings ? bindings_memory(router->bindings, &err) : NULL;
    if (memory)
        return memory;
    binding_fail(request, "E_STORE", "nothing is kept here: %s", err.text);
    return NULL;
}

static bool take_key(struct binding_request *request, struct str *key)
{
    if (!binding_take_text(request, "key", 1, KEY_BYTES_MAX, key))
        return false;
    if (!str_equal(*key, STR(".")) && !str_equal(*key, STR("..")))
        return true;
    binding_refuse(request, "E_VALIDATION_ERROR", "'.' and '..' are no keys");
    return false;
}

/* As a time: 0 for never. */
static bool take_expiration(struct binding_request *request, uint64_t *expires_s)
{
    int64_t at, ttl, now = (int64_t)now_s(request);
    if (!binding_take_number(request, "expiration", 1, NUMBER_MAX, 0, &at) ||
        !binding_take_number(request, "expirationTtl", 1, NUMBER_MAX, 0, &ttl))
        return false;
    *expires_s = (uint64_t)(ttl ? now + ttl : at);
    if (ttl || at == 0 || at > now)
        return true;
    binding_refuse(request, "E_VALIDATION_ERROR",
                   "expiration is a time that has passed: Unix seconds are needed");
    return false;
}

/* What is kept grows until the disk is full; mail needs it more. */
static bool has_space(struct binding_request *request)
{
    const struct router *router = request->place->router;
    if (!router->space || !space_is_low(router->space))
        return true;
    binding_fail(request, "E_STORE", "the disk is almost full: nothing more is kept");
    return false;
}

static void tell_result(struct binding_request *request, int result)
{
    if (result == -EINVAL)
        binding_refuse(request, "E_NOT_A_NUMBER", "what is kept there is no whole number");
    else if (result == -ERANGE)
        binding_refuse(request, "E_VALIDATION_ERROR", "the sum is beyond 2^53");
    else if (result < 0)
        binding_fail(request, "E_STORE", "the store cannot do it now: %s",
                     strerror(-result));
}

void binding_kv_get(struct binding_request *request)
{
    struct str key;
    struct store_kv *kv = open_kv(request);
    if (!kv || !take_key(request, &key))
        return;
    struct store_kv_pair pair;
    int result = store_kv_get(kv, request->binding->space, key, now_s(request),
                              request->arena, &pair);
    if (result < 0) {
        if (result != -ENOENT)
            tell_result(request, result);
        return;
    }
    struct buf *out = &request->result;
    value_begin_table(out);
    value_put_string(out, "value", pair.value);
    if (pair.metadata.length)
        value_put_string(out, "metadata", pair.metadata);
    value_end_table(out);
}

void binding_kv_put(struct binding_request *request)
{
    struct store_kv_pair pair = {0};
    struct store_kv *kv = open_kv(request);
    if (!kv || !has_space(request) || !take_key(request, &pair.key) ||
        !binding_take_text(request, "value", 0, VALUE_BYTES_MAX, &pair.value) ||
        !take_expiration(request, &pair.expires_s))
        return;
    if (value_get(request->arguments, "metadata") &&
        !binding_take_text(request, "metadata", 1, METADATA_BYTES_MAX, &pair.metadata))
        return;
    tell_result(request, store_kv_put(kv, request->binding->space, &pair));
}

void binding_kv_delete(struct binding_request *request)
{
    struct str key;
    struct store_kv *kv = open_kv(request);
    if (kv && take_key(request, &key))
        tell_result(request, store_kv_delete(kv, request->binding->space, key));
}

void binding_kv_increment(struct binding_request *request)
{
    struct store_kv_increment increment = {.now_s = now_s(request)};
    struct store_kv *kv = open_kv(request);
    if (!kv || !has_space(request) || !take_key(request, &increment.key) ||
        !take_expiration(request, &increment.expires_s) ||
        !binding_take_number(request, "by", -NUMBER_MAX, NUMBER_MAX, 1, &increment.by))
        return;
    int result = store_kv_add(kv, request->binding->space, &increment);
    tell_result(request, result);
    if (result == 0)
        value_write_number(&request->result, (double)increment.value);
}

/* The cursor is the last key, which the next list goes on after. */
static void write_listing(struct buf *out, const struct store_kv_listing *listing)
{
    value_begin_table(out);
    value_put_table(out, "keys");
    for (size_t i = 0; i < listing->count; i++) {
        const struct store_kv_pair *pair = &listing->pairs[i];
        value_write_number(out, (double)(i + 1));
        value_begin_table(out);
        value_put_string(out, "name", pair->key);
        if (pair->expires_s)
            value_put_number(out, "expiration", (double)pair->expires_s);
        if (pair->metadata.length)
            value_put_string(out, "metadata", pair->metadata);
        value_end_table(out);
    }
    value_end_table(out);
    value_put_bool(out, "listComplete", listing->is_complete);
    if (!listing->is_complete)
        value_put_string(out, "cursor", listing->pairs[listing->count - 1].key);
    value_end_table(out);
}

void binding_kv_list(struct binding_request *request)
{
    struct store_kv_listing listing = {.now_s = now_s(request)};
    int64_t limit;
    struct store_kv *kv = open_kv(request);
    if (!kv ||
        !binding_take_number(request, "limit", 1, KEYS_LISTED_MAX, KEYS_LISTED_MAX,
                             &limit) ||
        !binding_take_text(request, "prefix", 0, KEY_BYTES_MAX, &listing.prefix) ||
        !binding_take_text(request, "cursor", 0, KEY_BYTES_MAX, &listing.after))
        return;
    listing.limit = (size_t)limit;
    int result = store_kv_list(kv, request->binding->space, &listing, request->arena);
    tell_result(request, result);
    if (result == 0)
        write_listing(&request->result, &listing);
}

#include "net/dns_cache.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/table.h"

#define ENTRIES_MAX      8192
#define ANSWER_BYTES_MAX ((size_t)16 * 1024)
#define KEY_BYTES_MAX    264

struct dns_cache {
    struct table *entries; /* by key */
    struct list by_use;    /* the least recent first */
};

struct entry {
    struct list node;
    struct arena *arena; /* of the answer and the key */
    struct str key;
    struct dns_answer answer;
    uint64_t until_ms;
};

struct dns_cache *dns_cache_new(void)
{
    struct dns_cache *cache = mem_zero(1, sizeof *cache);
    cache->entries = table_new();
    list_init(&cache->by_use);
    return cache;
}

static void entry_drop(struct dns_cache *cache, struct entry *entry)
{
    table_remove(cache->entries, entry->key);
    list_remove(&entry->node);
    arena_free(entry->arena);
    free(entry);
}

void dns_cache_free(struct dns_cache *cache)
{
    if (!cache)
        return;
    list_foreach (node, &cache->by_use)
        entry_drop(cache, list_entry(node, struct entry, node));
    table_free(cache->entries);
    free(cache);
}

/* The type's byte, then the name in lower case. */
static bool write_key(struct str name, enum dns_type type, char key[KEY_BYTES_MAX],
                      struct str *view)
{
    if (name.length >= KEY_BYTES_MAX)
        return false;
    key[0] = (char)type;
    for (size_t i = 0; i < name.length; i++)
        key[i + 1] = ascii_lower(name.at[i]);
    *view = (struct str){key, name.length + 1};
    return true;
}

static void copy_answer(const struct dns_answer *from, struct arena *arena,
                        struct dns_answer *to)
{
    *to = *from;
    to->records = arena_array(arena, struct dns_record, from->count);
    for (size_t i = 0; i < from->count; i++) {
        to->records[i] = from->records[i];
        to->records[i].name = arena_str(arena, from->records[i].name);
        to->records[i].text = arena_str(arena, from->records[i].text);
    }
}

static size_t answer_bytes(const struct dns_answer *answer)
{
    size_t bytes = answer->count * sizeof *answer->records;
    for (size_t i = 0; i < answer->count; i++)
        bytes += answer->records[i].name.length + answer->records[i].text.length;
    return bytes;
}

bool dns_cache_get(struct dns_cache *cache, struct str name, enum dns_type type,
                   uint64_t now_ms, struct arena *arena, struct dns_answer *answer)
{
    char text[KEY_BYTES_MAX];
    struct str key;
    struct entry *entry =
        write_key(name, type, text, &key) ? table_get(cache->entries, key) : NULL;
    if (!entry)
        return false;
    if (entry->until_ms <= now_ms) {
        entry_drop(cache, entry);
        return false;
    }
    list_remove(&entry->node);
    list_append(&cache->by_use, &entry->node);
    copy_answer(&entry->answer, arena, answer);
    answer->ttl_s = (uint32_t)((entry->until_ms - now_ms + 999) / 1000);
    return true;
}

void dns_cache_put(struct dns_cache *cache, struct str name, enum dns_type type,
                   uint64_t now_ms, const struct dns_answer *answer)
{
    char text[KEY_BYTES_MAX];
    struct str key;
    if (answer->status == DNS_FAILED || answer->ttl_s == 0 ||
        answer_bytes(answer) > ANSWER_BYTES_MAX || !write_key(name, type, text, &key))
        return;
    struct entry *before = table_get(cache->entries, key);
    if (before)
        entry_drop(cache, before);
    else if (table_count(cache->entries) >= ENTRIES_MAX)
        entry_drop(cache, list_entry(cache->by_use.next, struct entry, node));
    struct entry *entry = mem_zero(1, sizeof *entry);
    entry->arena = arena_new();
    entry->key = arena_str(entry->arena, key);
    copy_answer(answer, entry->arena, &entry->answer);
    uint64_t ttl_ms = (uint64_t)answer->ttl_s * 1000;
    entry->until_ms = now_ms + (ttl_ms < DNS_CACHE_MS_MAX ? ttl_ms : DNS_CACHE_MS_MAX);
    table_set(cache->entries, entry->key, entry);
    list_append(&cache->by_use, &entry->node);
}

/* Open addressing with linear probing and backward-shift deletion; at most three quarters full.
 * The hash is SipHash-2-4 (Aumasson and Bernstein, 2012). */
#include "table.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

#include "mem.h"

struct slot {
    uint64_t hash;
    char *key;
    size_t key_length;
    void *value; /* NULL: the slot is free */
};

struct table {
    struct slot *slots;
    size_t mask; /* slot count - 1, a power of two */
    size_t count;
};

static uint64_t secret[2];

static uint64_t rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static uint64_t hash_of(struct str key)
{
    uint64_t v[4] = {secret[0] ^ 0x736f6d6570736575U, secret[1] ^ 0x646f72616e646f6dU,
                     secret[0] ^ 0x6c7967656e657261U, secret[1] ^ 0x7465646279746573U};
    for (size_t at = 0; at <= key.length; at += 8) {
        uint64_t word = 0;
        size_t left = key.length - at;
        if (left)
            memcpy(&word, key.at + at, left < 8 ? left : 8);
        if (left < 8)
            word |= (uint64_t)key.length << 56;
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct table *table_new(void)
{
    if (!secret[0])
        invariant(getrandom(secret, sizeof secret, 0) == sizeof secret, "getrandom failed");
    return mem_zero(1, sizeof(struct table));
}

void table_free(struct table *table)
{
    if (!table)
        return;
    for (size_t i = 0; table->slots && i <= table->mask; i++)
        free(table->slots[i].key);
    free(table->slots);
    free(table);
}

/* The slot that holds the key, or the free one where it would go. */
static struct slot *probe(const struct table *table, struct str key, uint64_t hash)
{
    for (size_t i = hash & table->mask;; i = (i + 1) & table->mask) {
        struct slot *slot = &table->slots[i];
        if (!slot->value || (slot->hash == hash &&
                             str_equal((struct str){slot->key, slot->key_length}, key)))
            return slot;
    }
}

void *table_get(const struct table *table, struct str key)
{
    return table->slots ? probe(table, key, hash_of(key))->value : NULL;
}

static void grow(struct table *table)
{
    struct table larger = {.mask = table->slots ? table->mask * 2 + 1 : 7,
                           .count = table->count};
    larger.slots = mem_zero(larger.mask + 1, sizeof *larger.slots);
    for (size_t i = 0; table->slots && i <= table->mask; i++) {
        struct slot *slot = &table->slots[i];
        if (slot->value)
            *probe(&larger, (struct str){slot->key, slot->key_length}, slot->hash) = *slot;
    }
    free(table->slots);
    *table = larger;
}

void *table_set(struct table *table, struct str key, void *value)
{
    if (!table->slots || table->count >= (table->mask + 1) / 4 * 3)
        grow(table);
    uint64_t hash = hash_of(key);
    struct slot *slot = probe(table, key, hash);
    void *before = slot->value;
    if (!before) {
        slot->hash = hash;
        slot->key = mem_copy_text(key.at, key.length);
        slot->key_length = key.length;
        table->count++;
    }
    slot->value = value;
    return before;
}

void *table_remove(struct table *table, struct str key)
{
    if (!table->slots)
        return NULL;
    struct slot *slot = probe(table, key, hash_of(key));
    void *value = slot->value;
    if (!value)
        return NULL;
    free(slot->key);
    table->count--;
    /* Close the gap: move back every follower whose own place is not after the gap. */
    size_t gap = (size_t)(slot - table->slots);
    for (size_t i = (gap + 1) & table->mask; table->slots[i].value;
         i = (i + 1) & table->mask) {
        size_t home = table->slots[i].hash & table->mask;
        if (((i - home) & table->mask) >= ((i - gap) & table->mask)) {
            table->slots[gap] = table->slots[i];
            gap = i;
        }
    }
    table->slots[gap] = (struct slot){0};
    return value;
}

size_t table_count(const struct table *table)
{
    return table->count;
}

bool table_next(const struct table *table, size_t *position, struct str *key, void **value)
{
    while (table->slots && *position <= table->mask) {
        const struct slot *slot = &table->slots[(*position)++];
        if (slot->value) {
            *key = (struct str){slot->key, slot->key_length};
            *value = slot->value;
            return true;
        }
    }
    return false;
}

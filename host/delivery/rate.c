/* The buckets as one number each (the generic cell rate algorithm, ITU-T I.371): the time at which the bucket is full
 * again. A token taken moves it on by an interval; there is one as long as it is less than a whole bucket away. What
 * lies in the past is a full bucket, of which nothing need be kept. */
#include "rate.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/table.h"

#define MINUTE_MS UINT64_C(60000)
#define MS_US     UINT64_C(1000)

struct bucket {
    struct list node; /* in rate.used */
    uint64_t full_at_us;
    size_t key_length;
    char key[];
};

struct rate {
    uint64_t interval_us; /* of one token; 0: no limit */
    uint64_t slack_us;    /* of a whole bucket but one token */
    size_t keys_max;
    struct table *buckets;
    struct list used; /* the one that was not asked for longest is first */
};

struct rate *rate_new(uint32_t per_minute, uint32_t burst, size_t keys_max)
{
    return rate_new_per(per_minute, MINUTE_MS, burst, keys_max);
}

struct rate *rate_new_per(uint32_t tokens, uint64_t period_ms, uint32_t burst,
                          size_t keys_max)
{
    invariant(keys_max, "rate: room for a key");
    struct rate *rate = mem_zero(1, sizeof *rate);
    rate->interval_us = tokens ? period_ms * MS_US / tokens : 0;
    rate->slack_us = (burst ? burst - 1 : 0) * rate->interval_us;
    rate->keys_max = keys_max;
    rate->buckets = table_new();
    list_init(&rate->used);
    return rate;
}

static void forget(struct rate *rate, struct bucket *bucket)
{
    table_remove(rate->buckets, (struct str){bucket->key, bucket->key_length});
    list_remove(&bucket->node);
    free(bucket);
}

void rate_free(struct rate *rate)
{
    if (!rate)
        return;
    list_foreach (node, &rate->used)
        free(list_entry(node, struct bucket, node));
    table_free(rate->buckets);
    free(rate);
}

/* A new key makes the oldest one go whose bucket is full again; where there is no room left, whatever it holds. */
static void forget_oldest(struct rate *rate, uint64_t now_us)
{
    if (list_empty(&rate->used))
        return;
    struct bucket *oldest = list_entry(rate->used.next, struct bucket, node);
    if (oldest->full_at_us <= now_us || table_count(rate->buckets) >= rate->keys_max)
        forget(rate, oldest);
}

static struct bucket *add(struct rate *rate, struct str key, uint64_t now_us)
{
    forget_oldest(rate, now_us);
    struct bucket *bucket = mem_alloc(sizeof *bucket + key.length);
    *bucket = (struct bucket){.full_at_us = now_us, .key_length = key.length};
    if (key.length)
        memcpy(bucket->key, key.at, key.length);
    table_set(rate->buckets, key, bucket);
    list_append(&rate->used, &bucket->node);
    return bucket;
}

static uint64_t next_us(const struct rate *rate, const struct bucket *bucket)
{
    return bucket->full_at_us > rate->slack_us ? bucket->full_at_us - rate->slack_us : 0;
}

bool rate_take(struct rate *rate, struct str key, uint64_t now_ms)
{
    if (!rate->interval_us)
        return true;
    uint64_t now_us = now_ms * MS_US;
    struct bucket *bucket = table_get(rate->buckets, key);
    if (!bucket)
        bucket = add(rate, key, now_us);
    list_remove(&bucket->node);
    list_append(&rate->used, &bucket->node);
    if (next_us(rate, bucket) > now_us)
        return false;
    if (bucket->full_at_us < now_us)
        bucket->full_at_us = now_us;
    bucket->full_at_us += rate->interval_us;
    return true;
}

uint64_t rate_next_ms(const struct rate *rate, struct str key, uint64_t now_ms)
{
    const struct bucket *bucket = rate->interval_us ? table_get(rate->buckets, key) : NULL;
    if (!bucket || next_us(rate, bucket) <= now_ms * MS_US)
        return now_ms;
    return (next_us(rate, bucket) + MS_US - 1) / MS_US;
}

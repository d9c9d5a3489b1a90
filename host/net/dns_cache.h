/* Answers of the near past: a name that every message asks for then costs no trip to the resolver's thread.
 * Bounded by count and by the size of an answer; the least recently used goes first. */
#pragma once

#include "net/dns.h"

struct dns_cache;

struct dns_cache *dns_cache_new(void);
/* NULL is ignored. */
void dns_cache_free(struct dns_cache *cache);

/* True with a copy in the arena, its TTL what is left of it. `now_ms` as of task_now_ms. */
bool dns_cache_get(struct dns_cache *cache, struct str name, enum dns_type type,
                   uint64_t now_ms, struct arena *arena, struct dns_answer *answer);
/* Keeps a copy for the answer's TTL, at most DNS_CACHE_MS_MAX. Failures, and answers without a TTL or of
 * more than 16 KiB, are not kept. */
#define DNS_CACHE_MS_MAX ((uint64_t)5 * 60 * 1000)
void dns_cache_put(struct dns_cache *cache, struct str name, enum dns_type type,
                   uint64_t now_ms, const struct dns_answer *answer);

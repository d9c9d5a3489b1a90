/* Shared by keys.c and keys_rotate.c: what `postern keys` was asked, and the ring that it is about. */
#pragma once

#include "base/arena.h"
#include "delivery/key_ring.h"

struct keys_request {
    const char *verb, *domain_text, *directory;
    const char *selector, *algorithm, *bits, *resolver, *is_forced, *as_json;
    struct arena *arena;
    const char *keys_directory;
    struct key_ring *ring;
    struct str domain; /* normal form */
};

#define KEYS_BITS_PRESET 2048

/* Tells a failure: the exit code. */
int keys_fail(const struct keys_request *request, const char *reason);
/* Makes a key that waits to be published, and tells what to publish; `selector` NULL: of this month. Returns an exit
 * code. */
int keys_make(const struct keys_request *request, const char *selector, bool is_ed25519,
              unsigned bits);

/* `postern keys rotate`: an exit code. */
int keys_rotate(struct keys_request *request);

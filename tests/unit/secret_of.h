/* Secrets that a test knows, from the text of their file. */
#pragma once

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "mail/secret.h"

#define SECRET_COUNTING "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define SECRET_ONES     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static inline struct secret *secret_of(const char *text)
{
    int fd = memfd_create("secret", MFD_CLOEXEC);
    ssize_t length = (ssize_t)strlen(text);
    invariant(fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, text, strlen(text)) == length,
              "a file in memory");
    struct arena *arena = arena_new();
    struct secret *secret = secret_open(arena_printf(arena, "/proc/self/fd/%d", fd), NULL);
    invariant(secret, "its secrets");
    arena_free(arena);
    close(fd);
    return secret;
}

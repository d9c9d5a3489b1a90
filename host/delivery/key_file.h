/* What is written into the folder of signing keys (delivery/key_ring.h). Files appear whole, on stable storage, with
 * mode 0600; made by root, they belong to whom the folder does. All block. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

struct key_file {
    const char *directory;       /* made when it is not there */
    struct str domain, selector; /* normal form */
};

/* A new private key: Ed25519, or RSA of so many bits. -EEXIST when there is one of that name; or what else is wrong. */
int key_file_new(const struct key_file *file, bool is_ed25519, unsigned bits,
                 struct err *err);

/* Makes these keys of the domain the active ones. */
int key_file_activate(const char *directory, struct str domain,
                      const struct str selectors[], size_t count, struct err *err);

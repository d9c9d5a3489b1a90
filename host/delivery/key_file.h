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

/* What stands in a domain's folder beside its keys: a line for each, in place of those that stood there. */
#define KEY_FILE_ACTIVE  "active"
#define KEY_FILE_RETIRED "retired"
int key_file_write_lines(const char *directory, struct str domain, const char *name,
                         const struct str lines[], size_t count, struct err *err);

/* A folder of signing keys, made for a test. */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "delivery/key_file.h"
#include "delivery/key_ring.h"

struct key_folder {
    char path[64]; /* "<temporary>/keys", which is not there before the first key */
};

static inline void key_folder_open(struct key_folder *folder)
{
    strcpy(folder->path, "/tmp/postern-keys-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    strcat(folder->path, "/keys");
}

static inline int key_folder_remove_entry(const char *path, const struct stat *status,
                                          int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static inline void key_folder_close(struct key_folder *folder)
{
    *strrchr(folder->path, '/') = '\0';
    nftw(folder->path, key_folder_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void key_folder_add(const struct key_folder *folder, const char *domain,
                                  const char *selector, bool is_ed25519)
{
    struct key_file file = {folder->path, str_of(domain), str_of(selector)};
    assert_int_equal(key_file_new(&file, is_ed25519, 2048, NULL), 0);
}

/* A file within the folder. */
static inline void key_folder_write(const struct key_folder *folder, const char *name,
                                    const char *text, mode_t mode)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

/* The active keys of a domain: "a" or, with a second one, "a" and "b". */
static inline void key_folder_activate(const struct key_folder *folder, const char *domain,
                                       const char *first, const char *second)
{
    struct str selectors[] = {str_of(first), str_of(second)};
    assert_int_equal(key_file_write_lines(folder->path, str_of(domain), KEY_FILE_ACTIVE,
                                          selectors, second ? 2 : 1, NULL),
                     0);
}

static inline struct key_ring *key_folder_load(const struct key_folder *folder)
{
    struct err err;
    struct key_ring *ring = key_ring_load(folder->path, &err);
    if (!ring)
        fail_msg("%s", err.text);
    return ring;
}
